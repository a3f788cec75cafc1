"""Pattern 15, Multiple Instances without a Priori Run-Time Knowledge: more may come meanwhile.

The list of witnesses is open: `add(...)` starts a further instance while others run, or when all
are done. Only once `close_when` is true does it take no more, and is joined when all are done.
"""

from pydantic import BaseModel

from troth import App, Participant, add, each, event, not_, on, saga, scope, set_, var


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
def hear_witness(witness: str) -> None: ...


@court.step("give-judgment")
def give_judgment(case: str, heard: list[str]) -> str:
    return f"{case} after {len(heard)} witnesses"


@saga("pattern-instances-added", version=1, starts_on=CaseOpened)
def trial(opened: CaseOpened) -> str:
    complete = var("complete", bool, False)
    with scope("hearings", deadline="90d"):
        with on("last", WitnessListClosed, opened.case):
            set_(complete=True)
        witnesses = each(
            "witnesses",
            opened.witnesses,
            at_most=50,
            key=lambda witness: witness,
            open=True,
            close_when=complete,
        )
        for witness in witnesses:
            hear_witness(witness)
        with on("further", WitnessNamed, opened.case, when=lambda _: not_(complete)) as named:
            add(witnesses, [named.witness])
    return give_judgment(opened.case, witnesses.done)


app = App(sagas=[trial], participants=[court])
