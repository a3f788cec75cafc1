"""How a stream that is no commitment's is decided on: of a key, saga key, lock or throttle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast
from uuid import UUID

from domain.events import Ctx, Event
from domain.messages import Message

__all__ = ["Decided", "Draft", "new_event", "time_at", "us_of"]

State = TypeVar("State")
E = TypeVar("E", bound=Event)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Decided(Generic[State]):
    """Events with the state they lead to; the state decided on is untouched.

    `outcome` answers the requester: data, or {"code": alias, "detail": text} for a refusal.
    `mail` is for other streams. `state` is None while a stream does not exist.
    """

    events: Sequence[Event]
    state: State
    outcome: dict[str, Any] | None = None
    mail: Sequence[tuple[UUID, Message]] = ()


class _Stream(Protocol):
    """An aggregate that can be decided on."""

    TOPIC: ClassVar[str]
    INITIAL_VERSION: int

    @property
    def version(self) -> int: ...
    def fork(self) -> Any: ...


A = TypeVar("A", bound=_Stream)


class Draft(Generic[A]):
    """A fork being written: the events and mail so far and the state they lead to.

    Args:
        state: what is decided on; it stays as it is. None for a stream without events.
        stream: the id of the stream.
        now_us: when the message was accepted.
        ctx: of the events.
    """

    def __init__(self, state: A | None, stream: UUID, now_us: int, ctx: Ctx) -> None:
        self.state: A | None = None if state is None else state.fork()
        self.stream = stream
        self.now_us = now_us
        self.ctx = ctx
        self.events: list[Event] = []
        self.mail: list[tuple[UUID, Message]] = []

    def opened_as(self, aggregate: type[A], event_class: type[Event], **values: Any) -> A:
        """The state; a stream without events is opened first, by this event."""
        if self.state is None:
            event = new_event(
                event_class, self.stream, aggregate.INITIAL_VERSION, now_us=self.now_us,
                ctx=self.ctx, originator_topic=aggregate.TOPIC, **values,
            )  # fmt: skip
            self.events.append(event)
            self.state = cast("A", event.mutate(None))
        return self.state

    def add(self, event_class: type[Event], **values: Any) -> int:
        """Append an event and fold it; returns its version."""
        assert self.state is not None
        version = self.state.version + 1
        event = new_event(
            event_class, self.stream, version, now_us=self.now_us, ctx=self.ctx, **values
        )
        event.mutate(cast("Any", self.state))
        self.events.append(event)
        return version

    def decided(self, outcome: dict[str, Any] | None = None) -> Decided[A | None]:
        """All that was drafted."""
        return Decided(self.events, self.state, outcome, self.mail)


def new_event(
    event_class: type[E], stream: UUID, version: int, *, now_us: int, ctx: Ctx, **values: Any
) -> E:
    """An event of a stream that was accepted at `now_us`."""
    build = cast("Any", event_class)  # the library makes the constructor when the class is made
    return build(
        originator_id=stream,
        originator_version=version,
        timestamp=time_at(now_us),
        ctx=ctx,
        **values,
    )


def time_at(us: int) -> datetime:
    """The time in UTC, for an event's timestamp."""
    return _EPOCH + timedelta(microseconds=us)


def us_of(time: datetime) -> int:
    """Microseconds since the epoch, exactly."""
    return (time - _EPOCH) // _MICROSECOND
