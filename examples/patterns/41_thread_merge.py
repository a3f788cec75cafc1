"""Pattern 41, Thread Merge: a number of threads of one branch become one thread again.

It is a combination: threads of one branch are the items of `each(...)`, and its end merges as many
as `join=` says: here all the bottles of a crate. What stands below runs once for them.
"""

from pydantic import BaseModel

from troth import App, Participant, each, event, saga


@event("crate.ordered", version=1, key="crate")
class CrateOrdered(BaseModel):
    crate: str
    bottles: list[int]


bottlers = Participant("bottlers")


@bottlers.step("fill-bottle")
def fill_bottle(bottle: int) -> None: ...


@bottlers.step("label-bottle")
def label_bottle(bottle: int) -> None: ...


@bottlers.step("close-crate")
def close_crate(crate: str) -> None: ...


@saga("pattern-thread-merge", version=1, starts_on=CrateOrdered)
def fill_crate(ordered: CrateOrdered) -> None:
    for bottle in each("bottles", ordered.bottles, at_most=24, join="all"):
        fill_bottle(bottle)
        label_bottle(bottle)
    close_crate(ordered.crate)


app = App(sagas=[fill_crate], participants=[bottlers])
