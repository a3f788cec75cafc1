"""The CloudEvents envelope as the engine reads it: checked once more, whoever brought the event."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

import jsonschema_rs

import schemas
from domain.errors import refusal
from domain.streams import time_at, us_of

__all__ = ["RESERVED", "checked", "rfc3339", "time_us"]

Json = Any

RESERVED = "<"
"""Sources that begin so are the engine's own; a URI reference cannot."""

_LONG_FRACTION = re.compile(r"(\.\d{6})\d+")
_FAULTS_MAX = 5
TIMES_MAX = 4_096
"""Times that are remembered: a batch asks for each twice."""


@cache
def _envelope() -> Any:
    return jsonschema_rs.Draft202012Validator(schemas.load("envelope.v1.json"))


def checked(event: Json) -> dict[str, Json]:
    """The event, if it is one. Raises Refusal: event.envelope, event.attribute."""
    if not isinstance(event, dict):
        raise refusal("event.envelope", "an event is a JSON object")
    if not _envelope().is_valid(event):
        _refuse(event)
    if event["source"].startswith(RESERVED):
        raise refusal("event.envelope", "source: a URI reference does not begin with <")
    return event


def _refuse(event: dict[str, Json]) -> None:
    words: list[str] = []
    for error in _envelope().iter_errors(event):
        if error.kind.name == "additionalProperties":
            unknown = ", ".join(error.kind.as_dict()["unexpected"])
            raise refusal("event.attribute", f"{unknown}: not an attribute of events here")
        where = "/".join(str(step) for step in error.instance_path)
        words.append(f"{where}: {error.message}"[:200] if where else error.message[:200])
        if len(words) == _FAULTS_MAX:
            break
    raise refusal("event.envelope", "; ".join(words))


@lru_cache(TIMES_MAX)
def time_us(text: str) -> int:
    """Microseconds since the epoch of an RFC 3339 time with a zone. Raises Refusal."""
    try:
        # Python 3.11 reads at most six digits of a fraction.
        time = datetime.fromisoformat(_LONG_FRACTION.sub(r"\1", text.upper()))
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise refusal("event.envelope", f"time: {text!r} is not RFC 3339 with a zone")
    return us_of(time.astimezone(UTC))


def rfc3339(us: int) -> str:
    """A time as the edges show it: UTC with microseconds and Z."""
    return f"{time_at(us).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
