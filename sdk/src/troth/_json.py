"""JSON as it goes over the wire: compact, UTF-8, no NaN."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["dump_bytes", "dumps"]

_ENCODE = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def dumps(value: Any) -> str:
    """Compact JSON. Raises TypeError or ValueError for what JSON cannot hold."""
    return _ENCODE(value)


def dump_bytes(value: Any) -> bytes:
    """Compact JSON as UTF-8. Raises TypeError or ValueError for what JSON cannot hold."""
    return _ENCODE(value).encode()
