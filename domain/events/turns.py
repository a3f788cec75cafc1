"""Events of a step that may not be dispatched yet: its calendar is closed, or it waits its turn."""

from __future__ import annotations

from typing import ClassVar

from domain.events.base import Event, Opening

# --- of a commitment -------------------------------------------------------------------------


class HoursAwaited(Event):
    """A step waits for the hours of a calendar; `ends_us` is when its `within` is over."""

    TOPIC: ClassVar[str] = "hours.awaited"
    node: str
    calendar: str
    due_us: int
    ends_us: int | None = None


class TurnWanted(Event):
    """A step asks a throttle for its turn; `ends_us` is when its `within` is over."""

    TOPIC: ClassVar[str] = "turn.wanted"
    node: str
    throttle: str
    key: str
    max: int
    per_us: int
    ends_us: int | None = None


class TurnGiven(Event):
    """It is the step's turn."""

    TOPIC: ClassVar[str] = "turn.given"
    node: str


class TurnRefused(Event):
    """Too many wait in the throttle."""

    TOPIC: ClassVar[str] = "turn.refused"
    node: str


# --- of the stream of a throttle ---------------------------------------------------------------


class ThrottleOpened(Opening):
    """The first request for this throttle and key."""

    TOPIC: ClassVar[str] = "throttles.opened"
    tenant: str
    throttle: str
    key: str


class ThrottleQueued(Event):
    """A step wants its turn; `ask` is the version at which the commitment asked."""

    TOPIC: ClassVar[str] = "throttles.queued"
    commitment: str
    node: str
    ask: int
    max: int
    per_us: int


class ThrottlePassed(Event):
    """The oldest request has its turn, which counts for the rate from now on."""

    TOPIC: ClassVar[str] = "throttles.passed"
    commitment: str
    node: str
    ask: int


class ThrottleDropped(Event):
    """A request was withdrawn before its turn came."""

    TOPIC: ClassVar[str] = "throttles.dropped"
    commitment: str
    node: str
    ask: int
