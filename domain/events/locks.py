"""Events about locks: of the commitments that hold them, and of the lock's own stream."""

from __future__ import annotations

from typing import ClassVar

from domain.events.base import Event, Opening

# --- of a commitment -------------------------------------------------------------------------


class LockWanted(Event):
    """A lock is asked for: by a node that was entered, or to `undo` what was done under it.

    `permits` is how many may hold it at once, None for one.
    """

    TOPIC: ClassVar[str] = "lock.wanted"
    node: str
    lock: str
    due_us: int | None = None
    undo: bool = False
    permits: int | None = None


class LockGranted(Event):
    """The lock is held. The fence rises with every holder; `due_us` is when it held too long."""

    TOPIC: ClassVar[str] = "lock.granted"
    node: str
    fence: int
    due_us: int | None = None


class LockReleased(Event):
    """The lock is given back, or no longer waited for."""

    TOPIC: ClassVar[str] = "lock.released"
    node: str
    lock: str
    ask: int


# --- of the stream of a lock -------------------------------------------------------------------


class LockOpened(Opening):
    """The first request for this lock."""

    TOPIC: ClassVar[str] = "locks.opened"
    tenant: str
    lock: str


class LockQueued(Event):
    """Somebody wants the lock; `ask` is the version at which the commitment asked.

    `permits` is with how many it would share the lock, itself counted; None for alone.
    """

    TOPIC: ClassVar[str] = "locks.queued"
    commitment: str
    node: str
    ask: int
    permits: int | None = None


class LockPassed(Event):
    """The oldest request holds the lock now."""

    TOPIC: ClassVar[str] = "locks.passed"
    commitment: str
    node: str
    ask: int
    fence: int


class LockFreed(Event):
    """A holder gave the lock back, or a request was withdrawn."""

    TOPIC: ClassVar[str] = "locks.freed"
    commitment: str
    node: str
    ask: int
