"""Pattern 32, Cancelling Partial Join: n of m branches are enough, the rest is taken back.

`join=2` is met when the second branch is done. The branches still open stop in that moment; nobody
works on an answer that nobody needs any more.
"""

from pydantic import BaseModel

from troth import App, Participant, event, parallel, saga


@event("paper.submitted", version=1, key="paper")
class PaperSubmitted(BaseModel):
    paper: str


journal = Participant("journal")


@journal.step("ask-first-referee", timeout="60d")
def ask_first_referee(paper: str) -> None: ...


@journal.step("ask-second-referee", timeout="60d")
def ask_second_referee(paper: str) -> None: ...


@journal.step("ask-third-referee", timeout="60d")
def ask_third_referee(paper: str) -> None: ...


@journal.step("decide-on-paper")
def decide_on_paper(paper: str) -> None: ...


@saga("pattern-cancelling-partial-join", version=1, starts_on=PaperSubmitted)
def review_paper(submitted: PaperSubmitted) -> None:
    with parallel("reviews", join=2):
        ask_first_referee(submitted.paper)
        ask_second_referee(submitted.paper)
        ask_third_referee(submitted.paper)
    decide_on_paper(submitted.paper)


app = App(sagas=[review_paper], participants=[journal])
