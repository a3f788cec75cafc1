"""Times as views show them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

__all__ = ["iso"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=16_384)  # a row shows the same times again and again
def iso(us: int | None) -> str | None:
    """RFC 3339 in UTC with microseconds."""
    if us is None:
        return None
    return f"{(_EPOCH + timedelta(microseconds=us)).isoformat(timespec='microseconds')[:-6]}Z"
