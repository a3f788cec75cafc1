"""Records of a log outside: applied in the transaction that moves the cursor past them.

Nobody waits for the answer, so what is refused becomes a dead letter, and its neighbours go on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from consumers.batch import Batch, Passing
from domain.errors import Refusal, refusal
from domain.newer import is_newer
from domain.ports import DeadLetter
from domain.requests import Logged, Publish

__all__ = ["take"]

Json = Any
_WITHOUT_LETTER = frozenset({"event.foreign_tenant", "bound.mailbox"})
"""What a producer over HTTP is told and may send again; here it has to be kept."""


def take(
    handlers: Mapping[type, Callable[[Batch, Any], Json]], batch: Batch, record: Logged
) -> Json:
    """Apply one record: the answer to its request, or {"status": "dead_letter", "code"}.

    Raises Refusal: store.lane_lost when the partition belongs to a lane that is not ours, and
    store.newer when only a later release understands what is asked for.
    """
    lane = record.cursor.partition % batch.parts.lanes
    if not batch.owns_lane(lane):
        raise refusal("store.lane_lost", f"lane {lane} belongs to another process")
    if _is_ahead(batch, record):
        raise refusal("store.lane_lost", "a record before it was not taken: read again from there")
    answer = _applied(handlers, batch, record)
    batch.move(record.cursor)
    return answer


def _is_ahead(batch: Batch, record: Logged) -> bool:
    """Whether something between the lane's cursor and the record is missing."""
    if not record.after:
        return False
    known = batch.cursor(record.cursor.topic, record.cursor.partition)
    if known is None or known.topic_id != record.cursor.topic_id:
        return True
    return known.offset < record.after


def _applied(
    handlers: Mapping[type, Callable[[Batch, Any], Json]], batch: Batch, record: Logged
) -> Json:
    if record.request is None:
        alias, detail = record.fault or ("event.json", "the record cannot be read")
        return _dead(batch, record, alias, detail)
    lane_us = batch.accept_us
    if not batch.parts.is_event_time:
        # It counts as accepted when the log took it in, also if the engine was down by then.
        batch.accept_us = min(lane_us, record.accepted_us)
    try:
        answer = handlers[type(record.request)](batch, record.request)
        return {"status": "passed"} if isinstance(answer, Passing) else answer
    except Refusal as refused:
        if is_newer(refused):
            raise  # it stays where it is, for a process that understands it
        is_kept = isinstance(record.request, Publish) and refused.alias not in _WITHOUT_LETTER
        if is_kept:
            return {"status": "dead_letter", "code": refused.code.number}
        return _dead(batch, record, refused.alias, refused.detail)
    finally:
        # An event that brings the time has moved it on.
        batch.accept_us = max(lane_us, batch.accept_us)


def _dead(batch: Batch, record: Logged, alias: str, detail: str) -> Json:
    event = record.request.event if isinstance(record.request, Publish) else None
    named = event if isinstance(event, dict) else {}
    source, id_ = named.get("source"), named.get("id")
    batch.dead(
        DeadLetter(
            record.asked.tenant,
            source if isinstance(source, str) else record.cursor.topic,
            id_
            if isinstance(id_, str)
            else f"{record.cursor.partition}/{record.cursor.offset - 1}",
            alias,
            detail,
            record.raw,
            batch.accept_us,
        )
    )
    return {"status": "dead_letter", "code": refusal(alias, detail).code.number}
