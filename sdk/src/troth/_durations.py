"""Durations as text into seconds."""

from __future__ import annotations

import re

from ._errors import TrothError
from ._text import check_duration

__all__ = ["seconds_of"]

_UNITS_S = {
    "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0
}  # fmt: skip
_PART = re.compile(r"([0-9]+)(us|ms|[smhdw])")


def seconds_of(text: str) -> float:
    """`500ms 90s 10m 2h 3d 2w`, also joined, in seconds. Raises ValueError for anything else."""
    try:
        check_duration(text)
    except TrothError as error:
        raise ValueError(error.message) from error
    return sum(int(number) * _UNITS_S[unit] for number, unit in _PART.findall(text))
