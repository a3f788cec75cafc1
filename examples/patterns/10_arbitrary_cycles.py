"""Pattern 10, Arbitrary Cycles: loops with several ways in or out, which no single block draws.

There is no jump in troth. A var names the part that is next, and one `repeat` runs a `choose` over
it until none is next: every cycle can be said so, but it is a table of parts and not a picture.
"""

from pydantic import BaseModel

from troth import App, Participant, branch, choose, event, otherwise, repeat, saga, set_, var


@event("software.changed", version=1, key="change")
class SoftwareChanged(BaseModel):
    change: str
    is_urgent: bool


team = Participant("team")


@team.step("write-code")
def write_code(change: str) -> None: ...


@team.step("review-code")
def review_code(change: str) -> str:
    """The part that is next."""
    return "release" if change else "code"


@team.step("release")
def release(change: str) -> str:
    """The part that is next."""
    return "done" if change else "review"


@saga("pattern-arbitrary-cycles", version=1, starts_on=SoftwareChanged)
def develop(changed: SoftwareChanged) -> None:
    part = var("part", str, "code")
    with choose("way_in"):
        with branch("urgent", changed.is_urgent):
            set_(part="release", name="begin_with_release")
        with otherwise():
            pass
    with repeat("parts", max=100, while_=part != "done"), choose("next"):
        with branch("coding", part == "code"):
            write_code(changed.change)
            set_(part="review", name="then_review")
        with branch("reviewing", part == "review"):
            set_(part=review_code(changed.change), name="after_review")
        with otherwise():
            set_(part=release(changed.change), name="after_release")


app = App(sagas=[develop], participants=[team])
