"""What comes in from outside, with the members that it leaves out and its schema has defaults for.

The stream of a commitment records the value filled in, so that a fold needs no schema. What was
sent stays as it was wherever it is kept or compared.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from domain import messages as msg
from sagas import defaults
from sagas.decide.machine import Machine, NodeFault, error_of
from sagas.schema_defaults import Filler, TooMuchToFill

__all__ = ["complete", "offer", "problem"]

Json = Any


def complete(path: str, filler: Filler | None, value: Json) -> Json:
    """The value filled in. Raises NodeFault of the node at `path` when it is too large then."""
    if filler is None:
        return value
    try:
        return _fill(filler, value)
    except TooMuchToFill as bad:
        raise NodeFault(path, error_of("internal", "bound.payload", str(bad), path)) from bad


def problem(filler: Filler | None, value: Json) -> str | None:
    """Why a value cannot be filled in, or None."""
    if filler is None:
        return None
    try:
        _fill(filler, value)
    except TooMuchToFill as bad:
        return str(bad)
    return None


def offer(m: Machine, path: str, message: msg.Offer) -> msg.Offer:
    """An offered event as this definition sees it. Raises NodeFault of the node at `path`."""
    event = message.event
    spec = m.d.events.get(event["type"])
    if spec is None or spec.filler is None:
        return message
    data = event.get("data")
    filled = complete(path, spec.filler, data)
    return message if filled is data else replace(message, event={**event, "data": filled})


def _fill(filler: Filler, value: Json) -> Json:
    found = filler.fill(value)
    if found is not value and len(orjson.dumps(found)) > defaults.VALUE_BYTES_MAX:
        raise TooMuchToFill(f"with its defaults it is over {defaults.VALUE_BYTES_MAX:,} bytes")
    return found
