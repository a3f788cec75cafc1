"""Pattern 23, Transient Trigger: a signal is lost unless the task waits for it at that moment.

`wait_for(..., early="transient")` takes only what comes while it waits. A signal that came before
is recorded as ignored and is not kept for later.
"""

from pydantic import BaseModel

from troth import App, Participant, event, saga, wait_for


@event("shift.begun", version=1, key="machine")
class ShiftBegun(BaseModel):
    machine: str


@event("machine.door-opened", version=1, key="machine")
class DoorOpened(BaseModel):
    machine: str


factory = Participant("factory")


@factory.step("warm-up")
def warm_up(machine: str) -> None: ...


@factory.step("stop-machine")
def stop_machine(machine: str) -> None: ...


@saga("pattern-transient-trigger", version=1, starts_on=ShiftBegun)
def guard_machine(begun: ShiftBegun) -> None:
    warm_up(begun.machine)
    wait_for(DoorOpened, begun.machine, within="8h", early="transient")
    stop_machine(begun.machine)


app = App(sagas=[guard_machine], participants=[factory])
