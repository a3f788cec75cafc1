"""Events of a step that may not be dispatched yet: its calendar is closed, or it waits its turn."""

from __future__ import annotations

from typing import ClassVar

from domain.events.base import Event


class HoursAwaited(Event):
    """A step waits for the hours of a calendar; `ends_us` is when its `within` is over."""

    TOPIC: ClassVar[str] = "hours.awaited"
    node: str
    calendar: str
    due_us: int
    ends_us: int | None = None
