"""Pattern 35, Cancelling Partial Join for Multiple Instances: n instances of a list are enough.

`each(..., join=2)` goes on when two items are done. The items still open stop in that moment, and
what they had done is undone: a donor who is not needed any more is sent home.
"""

from pydantic import BaseModel

from troth import A0, R1, S1, App, Effect, Participant, each, event, saga


@event("blood.needed", version=1, key="patient")
class BloodNeeded(BaseModel):
    patient: str
    donors: list[str]


clinic = Participant("clinic")


@clinic.effect("call-in", A0, R1, S1)
def call_in(fx: Effect, donor: str) -> str:
    return f"appointment of {donor}, {fx.key[:8]}"


@call_in.undo
def send_home(fx: Effect, appointment: str) -> None: ...


@clinic.step("take-blood")
def take_blood(appointment: str) -> None: ...


@clinic.step("treat-patient")
def treat_patient(patient: str, donors: list[str]) -> str:
    return f"{patient} has blood of {' and '.join(donors)}"


@saga("pattern-cancelling-join-of-instances", version=1, starts_on=BloodNeeded)
def find_donors(needed: BloodNeeded) -> str:
    donors = each("donors", needed.donors, at_most=50, key=lambda donor: donor, join=2)
    for donor in donors:
        take_blood(call_in(donor))
    return treat_patient(needed.patient, donors.done)


app = App(sagas=[find_donors], participants=[clinic])
