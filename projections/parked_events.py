"""The view of events that are kept and that nothing has taken, folded from one key stream."""

from __future__ import annotations

from collections.abc import Sequence

from domain.events import Event, EventExpired, EventKept, SubscriptionsChanged
from domain.key_stream import Kept, KeyStream
from domain.ports import ViewRow

__all__ = ["all_rows", "rows"]


def rows(
    before: KeyStream | None, after: KeyStream | None, events: Sequence[Event]
) -> list[ViewRow]:
    """The rows that `events`, which led from `before` to `after`, change."""
    if after is None:
        return []
    found: dict[int, ViewRow] = {}
    for event in events:
        match event:
            case EventKept() if not event.takers:
                position = event.originator_version
                found[position] = _row(after, position, after.kept[position])
            case SubscriptionsChanged():
                for position in event.taken or ():
                    found[position] = _gone(after, position)
                if event.ended and before is not None:
                    found |= _finished(before, after)
            case EventExpired():
                found |= {position: _gone(after, position) for position in event.positions}
            case _:
                pass
    return list(found.values())


def all_rows(stream: KeyStream) -> list[ViewRow]:
    """The rows that the stream has by now."""
    kept = stream.kept.items()
    return [_row(stream, position, one) for position, one in kept if not one.takers]


def _finished(before: KeyStream, after: KeyStream) -> dict[int, ViewRow]:
    """Those whose reason changed because a commitment that wanted their type is over."""
    return {
        position: _row(after, position, kept)
        for position, kept in after.kept.items()
        if not kept.takers and position in before.kept
        and before.kept[position].reason != kept.reason
    }  # fmt: skip


def _row(stream: KeyStream, position: int, kept: Kept) -> ViewRow:
    columns = {
        "tenant": stream.tenant, "key": stream.key, "type": kept.event["type"],
        "event_id": kept.event["id"], "reason": kept.reason, "kept_us": kept.kept_us,
        "expires_us": kept.expires_us, "body": kept.event,
    }  # fmt: skip
    return ViewRow("parked_events", {"stream": stream.id, "position": position}, columns)


def _gone(stream: KeyStream, position: int) -> ViewRow:
    return ViewRow("parked_events", {"stream": stream.id, "position": position}, None)
