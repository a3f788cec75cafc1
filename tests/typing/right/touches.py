"""A saga in office hours: a lead is called a few times, some open days apart, at a shared rate."""

from datetime import datetime

from pydantic import BaseModel

from troth import (
    A0,
    R1,
    S1,
    Calendar,
    Effect,
    Every,
    Participant,
    Throttle,
    add_open_days,
    event,
    next_open,
    repeat,
    saga,
    sleep,
)

OFFICE = Calendar(
    "office",
    zone="Europe/Berlin",
    hours={"mon-thu": "09:00-17:00", "fri": ["09:00-12:00", "13:00-15:00"]},
    holidays=["2026-12-25"],
)
CALLS = Throttle("calls", max=10, per="1m")


@event("lead.found", version=1, key="lead")
class Lead(BaseModel):
    lead: str
    region: str
    found: datetime


class Called(BaseModel):
    answered: bool


desk = Participant("desk")


@desk.effect("call", A0, R1, S1, irreversible="a call was made")
def call(fx: Effect, lead: str) -> Called:
    return Called(answered=lead in fx.key)


@saga("touches", version=1, starts_on=Lead)
def touches(lead: Lead) -> None:
    sleep("first", until=next_open(OFFICE, add_open_days(OFFICE, lead.found, 2)))
    with repeat("calls", max=5, every=Every("3d", calendar=OFFICE, catch_up="all")):
        call.during(OFFICE).throttled(CALLS, lead.region).within("2d")(lead.lead)
    with repeat("monthly", max=12, every=Every(months=1)):
        call.named("monthly_call").throttled(CALLS)(lead.lead)
    with repeat("daily", max=3, every=OFFICE):
        call.named("daily_call")(lead.lead)
