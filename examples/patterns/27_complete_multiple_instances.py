"""Pattern 27, Complete Multiple Instance Task: the open instances are withdrawn, the task is done.

`finish(...)` of a list stops the items that are open, keeps what the others did, and counts the
list as complete: what comes next begins. It must say on what evidence.
"""

from pydantic import BaseModel

from troth import App, Participant, done, each, event, finish, on, saga, when


@event("poll.ordered", version=1, key="poll")
class PollOrdered(BaseModel):
    poll: str
    people: list[str]


@event("poll.closed-early", version=1, key="poll")
class PollClosedEarly(BaseModel):
    poll: str
    reason: str


pollsters = Participant("pollsters")


@pollsters.step("interview", timeout="20d")
def interview(person: str) -> None: ...


@pollsters.step("publish-poll")
def publish_poll(poll: str) -> str:
    return f"{poll} is published"


@saga("pattern-complete-instances", version=1, starts_on=PollOrdered)
def take_poll(ordered: PollOrdered) -> None:
    with on("enough", PollClosedEarly, ordered.poll) as closed:
        finish("interviews", evidence=closed.reason)
    interviews = each("interviews", ordered.people, at_most=1_000, key=lambda person: person)
    for person in interviews:
        interview(person)
    with when("complete", done("interviews")):
        publish_poll(ordered.poll)


app = App(sagas=[take_poll], participants=[pollsters])
