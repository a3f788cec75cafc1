"""From rows of the views to the JSON that readers get."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

__all__ = ["iso", "letter", "parked", "with_version"]

Json = Any
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso(us: int) -> str:
    """Microseconds since the epoch as RFC 3339 in UTC."""
    at = _EPOCH + timedelta(microseconds=us)
    return f"{at.isoformat(timespec='microseconds')[:-6]}Z"


def with_version(body: bytes, version: int) -> Json:
    """The body of a view row, with the version of its stream."""
    return {**orjson.loads(body), "version": version}


def letter(
    number: int, source: str, event_id: str, code: str, detail: str, at_us: int, seen: int,
    status: str,
) -> Json:  # fmt: skip
    """A dead letter without its bytes."""
    return {
        "id": number, "source": source, "event_id": event_id, "code": code, "detail": detail,
        "at": iso(at_us), "seen": seen, "status": status,
    }  # fmt: skip


def parked(
    key: str, kind: str, event_id: str, reason: str, kept_us: int, expires_us: int, body: bytes
) -> Json:
    """An accepted event that nothing has taken."""
    return {
        "event_id": event_id, "type": kind, "key": key, "reason": reason, "kept_at": iso(kept_us),
        "expires_at": iso(expires_us), "event": orjson.loads(body),
    }  # fmt: skip
