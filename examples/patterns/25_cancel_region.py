"""Pattern 25, Cancel Region: several tasks are taken back together, and the rest goes on.

The region is a block: here a scope with all that belongs to the hall. `cancel(...)` stops what is
open in it, undoes what was done in it, newest first, and leaves the branch beside it alone.
"""

from pydantic import BaseModel

from troth import (
    A0,
    R1,
    S1,
    App,
    Effect,
    Participant,
    branch,
    cancel,
    event,
    on,
    parallel,
    saga,
    scope,
)


@event("conference.planned", version=1, key="conference")
class ConferencePlanned(BaseModel):
    conference: str


@event("conference.goes-online", version=1, key="conference")
class GoesOnline(BaseModel):
    conference: str


organisers = Participant("organisers")


@organisers.effect("book-hall", A0, R1, S1)
def book_hall(fx: Effect, conference: str) -> str:
    return f"hall for {conference}, {fx.key[:8]}"


@book_hall.undo
def give_hall_back(fx: Effect, hall: str) -> None: ...


@organisers.step("order-food")
def order_food(hall: str) -> None: ...


@organisers.step("hire-waiters")
def hire_waiters(hall: str) -> None: ...


@organisers.step("invite-speakers")
def invite_speakers(conference: str) -> None: ...


@organisers.step("announce")
def announce(conference: str) -> None: ...


@saga("pattern-cancel-region", version=1, starts_on=ConferencePlanned)
def plan(planned: ConferencePlanned) -> None:
    with on("online", GoesOnline, planned.conference):
        cancel("on_site")
    with parallel("preparation"):
        with branch("place"), scope("on_site"):
            hall = book_hall(planned.conference)
            with parallel("catering"):
                order_food(hall)
                hire_waiters(hall)
        with branch("programme"):
            invite_speakers(planned.conference)
    announce(planned.conference)


app = App(sagas=[plan], participants=[organisers])
