"""Durations as text: `90s`, `10m`, `1h30m`, `3d`, held inside as integer microseconds."""

import re

__all__ = ["DURATION_TEXT_MAX", "DurationError", "duration_text", "duration_us"]

DURATION_TEXT_MAX = 64
"""Characters; longer text is refused before it is read."""

_UNITS_US = {
    "w": 7 * 86_400_000_000,
    "d": 86_400_000_000,
    "h": 3_600_000_000,
    "m": 60_000_000,
    "s": 1_000_000,
    "ms": 1_000,
    "us": 1,
}
_ORDER = list(_UNITS_US)
_PART = re.compile(r"([0-9]{1,15})(ms|us|[wdhms])")
_WANTED = (
    "write whole numbers with units w d h m s ms, largest first, such as 90s, 10m, 1h30m or 3d"
)


class DurationError(ValueError):
    """The text is not a duration; the message says what to write."""


def duration_us(text: str) -> int:
    """Return the microseconds that `text` stands for; raises DurationError.

    Parts are whole numbers with a unit (w d h m s ms us), each unit at most once, largest first.
    A minute is 60 seconds and a day 24 hours: calendars play no part here.
    """
    if type(text) is not str:
        raise DurationError(f"a duration is text, got {text!r}: {_WANTED}")
    if len(text) > DURATION_TEXT_MAX:
        raise DurationError(f"a duration has at most {DURATION_TEXT_MAX} characters: {_WANTED}")
    total_us, position, last_rank = 0, 0, -1
    while part := _PART.match(text, position):
        unit = part[2]
        rank = _ORDER.index(unit)
        if rank <= last_rank:
            raise DurationError(f"{text!r} is not a duration, {unit!r} is out of order: {_WANTED}")
        total_us += int(part[1]) * _UNITS_US[unit]
        position, last_rank = part.end(), rank
    if position == 0 or position != len(text):
        raise DurationError(f"{text!r} is not a duration: {_WANTED}")
    return total_us


def duration_text(duration_us: int) -> str:
    """Return the shortest text in d h m s ms us that `duration_us` reads back as the same number.

    Raises DurationError for a negative number.
    """
    if duration_us < 0:
        raise DurationError(f"a duration is not negative, got {duration_us} us")
    parts: list[str] = []
    rest_us = duration_us
    for unit in _ORDER[1:]:
        count, rest_us = divmod(rest_us, _UNITS_US[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
