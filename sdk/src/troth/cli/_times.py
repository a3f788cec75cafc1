"""Times and spans as people read them. UTC, because that is what the audit trail has."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["clock", "moment", "span", "until"]

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def span(seconds: float) -> str:
    """`0.2 s`, `14 s`, `2 h 14 min`, `12 d 0 h`: two units, the larger first."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    left = int(seconds)
    for index, (size, unit) in enumerate(_UNITS):
        if left < size:
            continue
        count, rest = divmod(left, size)
        smaller, name = _UNITS[index + 1] if index + 1 < len(_UNITS) else (1, "s")
        return f"{count} {unit} {rest // smaller} {name}"
    return f"{left} s"


def moment(at: datetime, now: datetime) -> str:
    """`18 Nov 09:12:04`; with the year when it is another one."""
    at = at.astimezone(UTC)
    year = f" {at.year}" if at.year != now.year else ""
    return f"{at.day:2} {at:%b}{year} {at:%H:%M:%S}"


def clock(at: datetime) -> str:
    """`09:41:04.377`, for lines of one day."""
    return f"{at.astimezone(UTC):%H:%M:%S.%f}"[:-3]


def until(due: datetime, now: datetime) -> str:
    """`2 Dec 09:12:08 UTC (1 d 23 h)`, or how long it is overdue."""
    left_s = (due - now).total_seconds()
    told = f"{span(left_s)}" if left_s >= 0 else f"{span(-left_s)} overdue"
    return f"{moment(due, now).strip()} UTC ({told})"
