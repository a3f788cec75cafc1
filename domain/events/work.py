"""Events of waits for the state of the commitment itself, and of times that are moved."""

from __future__ import annotations

from typing import Any, ClassVar

from domain.events.base import Event

Json = Any


class AwaitOpened(Event):
    """A node rests until its condition holds; it is read after every move."""

    TOPIC: ClassVar[str] = "await.opened"
    node: str
    due_us: int | None = None
