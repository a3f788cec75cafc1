"""Pattern 15, Multiple Instances without a Priori Run-Time Knowledge: more may come meanwhile.

The list of witnesses is open: `add(...)` starts a further instance while others run, or when all
are done. It is joined once it is closed, by the same call or by `close_when`.
"""

from pydantic import BaseModel

from troth import App, Participant, add, each, event, on, saga, scope


@event("case.opened", version=1, key="case")
class CaseOpened(BaseModel):
    case: str
    witnesses: list[str]


@event("witness.named", version=1, key="case")
class WitnessNamed(BaseModel):
    case: str
    witness: str


@event("witness.list-closed", version=1, key="case")
class WitnessListClosed(BaseModel):
    case: str


court = Participant("court")


@court.step("hear-witness")
def hear_witness(witness: str) -> None:
    del witness


@court.step("give-judgment")
def give_judgment(case: str, heard: list[str]) -> str:
    return f"{case} after {len(heard)} witnesses"


@saga("pattern-instances-added", version=1, starts_on=CaseOpened)
def trial(opened: CaseOpened) -> str:
    with scope("hearings", deadline="90d"):
        witnesses = each("witnesses", opened.witnesses, at_most=50, key=lambda w: w, open=True)
        for witness in witnesses:
            hear_witness(witness)
        with on("further", WitnessNamed, opened.case) as named:
            add(witnesses, [named.witness])
        with on("last", WitnessListClosed, opened.case):
            add(witnesses, close=True, name="close_list")
    return give_judgment(opened.case, witnesses.done)


app = App(sagas=[trial], participants=[court])
