"""What deciding on a key stream or a saga-key stream yields, and how events are folded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

from domain.events import Ctx, Event
from domain.messages import Message

__all__ = ["Decided", "new_event", "time_at", "us_of"]

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
