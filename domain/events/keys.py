"""Events of saga-key streams and key streams (docs/format.md section 4)."""

from __future__ import annotations

from typing import Any, ClassVar

from domain.events.base import Event, Opening

Json = Any


class SagaKeyOpened(Opening):
    """The first start of this saga and key."""

    TOPIC: ClassVar[str] = "sagakey.opened"
    tenant: str
    saga: str
    key: str


class RunOpened(Event):
    """A run began."""

    TOPIC: ClassVar[str] = "sagakey.run_opened"
    run: int
    commitment: str
    definition: str
    saga_version: int
    input_digest: str


class RunEnded(Event):
    """A run ended."""

    TOPIC: ClassVar[str] = "sagakey.run_ended"
    run: int
    status: str
    taken: Json = None


class StartRefused(Event):
    """A start that the policy refused."""

    TOPIC: ClassVar[str] = "sagakey.start_refused"
    code: str
    start: Json = None


class StartHeld(Event):
    """A start that waits until the running commitment, which it replaces, has ended."""

    TOPIC: ClassVar[str] = "sagakey.start_held"
    run: int
    start: Json


class StartQueued(Event):
    """A start that waits for its turn: the runs before it end first."""

    TOPIC: ClassVar[str] = "sagakey.start_queued"
    run: int
    start: Json


class StartRecalled(Event):
    """A parent stops, and the child it asked for has not begun: its start no longer waits."""

    TOPIC: ClassVar[str] = "sagakey.start_recalled"
    parent: str
    node: str
    ask: int


class KeyOpened(Opening):
    """The first event or subscription of this key."""

    TOPIC: ClassVar[str] = "key.opened"
    tenant: str
    key: str


class EventKept(Event):
    """Its position in the key stream is its version. `takers` are sagas that it has started."""

    TOPIC: ClassVar[str] = "key.event_kept"
    event: Json
    expires_us: int
    reason: str
    takers: Json = None


class SubscriptionsChanged(Event):
    """What a commitment waits for now, no longer waits for, and has taken."""

    TOPIC: ClassVar[str] = "key.subscriptions_changed"
    commitment: str
    saga: str
    saga_key: str
    opened: Json = None
    closed: Json = None
    taken: Json = None
    ended: bool = False


class EventExpired(Event):
    """Nobody took these in time."""

    TOPIC: ClassVar[str] = "key.event_expired"
    positions: Json
