"""Pattern 8, Multi-Merge: what stands behind the merge runs once for each branch that arrives.

A flow of blocks has no such merge, so it is a combination: each branch adds what it found to an
open list, and the body of the list, the part behind the merge, runs for it while the others go on.
"""

from pydantic import BaseModel

from troth import App, Participant, add, branch, done, each, event, parallel, saga


@event("building.inspected", version=1, key="building")
class BuildingInspected(BaseModel):
    building: str


inspectors = Participant("inspectors")
NOTHING_YET: list[str] = []


@inspectors.step("inspect-roof")
def inspect_roof(building: str) -> str:
    return f"roof of {building}"


@inspectors.step("inspect-pipes")
def inspect_pipes(building: str) -> str:
    return f"pipes of {building}"


@inspectors.step("repair")
def repair(what: str) -> None: ...


@saga("pattern-multi-merge", version=1, starts_on=BuildingInspected, deadline="90d")
def look_after(inspected: BuildingInspected) -> None:
    with parallel("work"):
        with branch("repairing"):
            over = done("add_roof") & done("add_pipes")
            repairs = each("repairs", NOTHING_YET, at_most=10, open=True, close_when=over)
            for what in repairs:
                repair(what)
        with branch("roof"):
            add(repairs, [inspect_roof(inspected.building)], name="add_roof")
        with branch("pipes"):
            add(repairs, [inspect_pipes(inspected.building)], name="add_pipes")


app = App(sagas=[look_after], participants=[inspectors])
