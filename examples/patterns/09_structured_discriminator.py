"""Pattern 9, Structured Discriminator: the first branch lets the case go on, the others finish.

`join="any"` is met by the first branch that is done, and `losers="run_on"` lets the others go on to
their own end. What they do later starts nothing again; the case ends when they are done too.
"""

from pydantic import BaseModel

from troth import App, Participant, branch, event, parallel, saga


@event("pulse.lost", version=1, key="patient")
class PulseLost(BaseModel):
    patient: str


ward = Participant("ward")


@ward.step("check-breathing")
def check_breathing(patient: str) -> None: ...


@ward.step("check-pulse")
def check_pulse(patient: str) -> None: ...


@ward.step("write-down-pulse")
def write_down_pulse(patient: str) -> None: ...


@ward.step("triage")
def triage(patient: str) -> None: ...


@saga("pattern-discriminator", version=1, starts_on=PulseLost)
def receive_patient(lost: PulseLost) -> None:
    with parallel("checks", join="any", losers="run_on"):
        check_breathing(lost.patient)
        with branch("pulse"):
            check_pulse(lost.patient)
            write_down_pulse(lost.patient)
    triage(lost.patient)


app = App(sagas=[receive_patient], participants=[ward])
