"""Pattern 18, Milestone: a task is possible only while the case is in a certain state.

The register is open from the day it opens until the deans close it. `await_` rests until that state
is reached; `active(...)` asks, at the moment it matters, whether it still lasts.
"""

from pydantic import BaseModel

from troth import (
    App,
    Participant,
    active,
    await_,
    branch,
    event,
    otherwise,
    parallel,
    saga,
    wait_for,
    when,
)


@event("student.applied", version=1, key="student")
class StudentApplied(BaseModel):
    student: str


@event("register.closed", version=1, key="student")
class RegisterClosed(BaseModel):
    student: str


@event("fee.paid", version=1, key="student")
class FeePaid(BaseModel):
    student: str


university = Participant("university")


@university.step("open-register")
def open_register(student: str) -> None: ...


@university.step("enrol")
def enrol(student: str) -> None: ...


@university.step("put-on-waiting-list")
def put_on_waiting_list(student: str) -> None: ...


@saga("pattern-milestone", version=1, starts_on=StudentApplied)
def application(applied: StudentApplied) -> None:
    with parallel("term"):
        with branch("deans"):
            open_register(applied.student)
            wait_for(RegisterClosed, applied.student, within="60d", name="register_open")
        with branch("student"):
            await_("register_reached", active("register_open"), within="60d")
            wait_for(FeePaid, applied.student, within="90d")
            with when("in_time", active("register_open")):
                enrol(applied.student)
            with otherwise("in_time"):
                put_on_waiting_list(applied.student)


app = App(sagas=[application], participants=[university])
