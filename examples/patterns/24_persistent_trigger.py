"""Pattern 24, Persistent Trigger: a signal is kept until a task is ready to take it.

It is what `wait_for` means when nothing else is said: an event with the right key that came early
rests in the mailbox, and the wait takes the oldest one. Each event is taken once.
"""

from pydantic import BaseModel

from troth import App, Participant, event, saga, wait_for


@event("visa.applied", version=1, key="visa")
class VisaApplied(BaseModel):
    visa: str


@event("visa.passport-received", version=1, key="visa")
class PassportReceived(BaseModel):
    visa: str
    passport: str


consulate = Participant("consulate")


@consulate.step("check-form", timeout="10d")
def check_form(visa: str) -> None: ...


@consulate.step("stamp")
def stamp(visa: str, passport: str) -> str:
    return f"{visa} in {passport}"


@saga("pattern-persistent-trigger", version=1, starts_on=VisaApplied)
def issue_visa(applied: VisaApplied) -> str:
    check_form(applied.visa)
    received = wait_for(PassportReceived, applied.visa, within="30d")
    return stamp(applied.visa, received.passport)


app = App(sagas=[issue_visa], participants=[consulate])
