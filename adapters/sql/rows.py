"""From rows of the views to the JSON that readers get."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

__all__ = ["about", "iso", "letter", "owner_of", "parked", "parked_stream", "with_version"]

Json = Any
_KINDS = {
    "commitment.opened": "commitment", "sagakey.opened": "saga_key", "key.opened": "key",
    "locks.opened": "lock", "throttles.opened": "throttle",
}  # fmt: skip
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso(us: int) -> str:
    """Microseconds since the epoch as RFC 3339 in UTC."""
    at = _EPOCH + timedelta(microseconds=us)
    return f"{at.isoformat(timespec='microseconds')[:-6]}Z"


def with_version(body: bytes, version: int) -> Json:
    """The body of a view row, with the version of its stream."""
    return {**orjson.loads(body), "version": version}


def about(saga: str, version: int, hash: bytes, registered_us: int, by: str) -> Json:
    """A registered definition without its document."""
    return {
        "saga": saga, "version": version, "hash": hash.hex(), "registered_at": iso(registered_us),
        "registered_by": by,
    }  # fmt: skip


def letter(
    number: int, source: str, event_id: str, code: str, detail: str, at_us: int, seen: int,
    status: str, remedy: bytes | None,
) -> Json:  # fmt: skip
    """A dead letter without its bytes; `remedy` says who settled it, why and when."""
    return {
        "id": number, "source": source, "event_id": event_id, "code": code, "detail": detail,
        "at": iso(at_us), "seen": seen, "status": status,
        "remedy": None if remedy is None else orjson.loads(remedy),
    }  # fmt: skip


def parked(
    key: str, kind: str, event_id: str, reason: str, kept_us: int, expires_us: int, body: bytes
) -> Json:
    """An accepted event that nothing has taken."""
    return {
        "event_id": event_id, "type": kind, "key": key, "reason": reason, "kept_at": iso(kept_us),
        "expires_at": iso(expires_us), "event": orjson.loads(body),
    }  # fmt: skip


def owner_of(state: bytes | None) -> str | None:
    """The tenant that the state of a stored event names; None where it cannot be read."""
    try:
        stored = orjson.loads(state or b"")
    except orjson.JSONDecodeError:
        return None
    ctx = stored.get("ctx") if isinstance(stored, dict) else None
    return ctx.get("tenant") if isinstance(ctx, dict) else None


def parked_stream(
    stream: bytes, reason: str, detail: str, since_us: int, topic: str | None, state: bytes | None,
    held: int,
) -> Json:  # fmt: skip
    """A stream that waits for an operator; `kind` is null where it never opened."""
    named: Json = {}
    if topic in _KINDS and state is not None:
        try:
            first = orjson.loads(state)
            named = {name: first[name] for name in ("saga", "key", "run") if name in first}
        except orjson.JSONDecodeError:
            # Damage may be why it is parked.
            named = {}
    return {
        "stream": str(UUID(bytes=stream)), "kind": _KINDS.get(topic or ""), **named,
        "code": reason, "detail": detail, "since": iso(since_us), "held": held,
    }  # fmt: skip
