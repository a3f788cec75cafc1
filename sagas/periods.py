"""When the rounds of a repeat start: at whole periods from its anchor, so that nothing drifts.

A slot numbers the starts: periods since the anchor, or, where a calendar alone gives the rhythm,
days since the anchor's day. Months keep the anchor's day of the month, or take the last one where
the month is shorter. With a calendar a start outside of its hours moves to the next opening, and
starts that move to the same one are one.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from sagas.calendars import (
    SEARCH_DAYS_MAX,
    Calendar,
    is_open_on,
    local_date,
    next_open,
    opening,
)

__all__ = ["Rhythm", "add_months", "first_start", "next_start"]

_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A period, or months, or the calendar alone; `skips` leaves out starts that were missed."""

    period: timedelta | None
    months: int | None
    calendar: Calendar | None
    skips: bool


def first_start(rhythm: Rhythm, entered: datetime) -> datetime:
    """When the first round starts: at once, or when the calendar opens. This is the anchor."""
    return entered if rhythm.calendar is None else next_open(rhythm.calendar, entered)


def next_start(rhythm: Rhythm, anchor: datetime, slot: int, now: datetime) -> tuple[int, datetime]:
    """The slot after `slot`, and when it starts: maybe before `now`, where nothing is skipped."""
    if rhythm.period is None and rhythm.months is None:
        return _next_open_day(rhythm, anchor, slot, now)
    least = _slot_from(rhythm, anchor, _start_of(rhythm, anchor, slot) + _MOMENT)
    found = least
    if rhythm.skips:
        found = max(least, _slot_from(rhythm, anchor, now))
        # One that was due in closed hours has not been missed: it waits for the opening.
        if found > least and _start_of(rhythm, anchor, found - 1) >= now:
            found -= 1
    return found, _start_of(rhythm, anchor, found)


def _start_of(rhythm: Rhythm, anchor: datetime, slot: int) -> datetime:
    nominal = _nominal(rhythm, anchor, slot)
    return nominal if rhythm.calendar is None else next_open(rhythm.calendar, nominal)


def _nominal(rhythm: Rhythm, anchor: datetime, slot: int) -> datetime:
    if rhythm.period is not None:
        return anchor + slot * rhythm.period
    assert rhythm.months is not None
    zone = UTC if rhythm.calendar is None else rhythm.calendar.zone
    return add_months(anchor, slot * rhythm.months, zone)


def _slot_from(rhythm: Rhythm, anchor: datetime, at: datetime) -> int:
    """The first slot whose nominal time is `at` or later."""
    if rhythm.period is not None:
        return max(0, -((anchor - at) // rhythm.period))
    assert rhythm.months is not None
    months = (at.year - anchor.year) * 12 + at.month - anchor.month
    slot = max(0, (months - 1) // rhythm.months)
    while _nominal(rhythm, anchor, slot) < at:
        slot += 1
    return slot


def add_months(moment: datetime, months: int, zone: tzinfo = UTC) -> datetime:
    """The same time on the wall `months` later: on the same day, or on the last of the month."""
    local = moment.astimezone(zone)
    year, month = divmod(local.year * 12 + local.month - 1 + months, 12)
    day = min(local.day, monthrange(year, month + 1)[1])
    return local.replace(year=year, month=month + 1, day=day, fold=0).astimezone(UTC)


def _next_open_day(
    rhythm: Rhythm, anchor: datetime, slot: int, now: datetime
) -> tuple[int, datetime]:
    """The opening of the next open day."""
    calendar = rhythm.calendar
    assert calendar is not None
    first = local_date(calendar, anchor)
    found = slot + 1
    if rhythm.skips:
        found = max(found, (local_date(calendar, now) - first).days)
    for _ in range(SEARCH_DAYS_MAX):  # pragma: no branch - see there: it opens before
        day = first + timedelta(days=found)
        if is_open_on(calendar, day):
            start = opening(calendar, day)
            if start >= now or not rhythm.skips:
                return found, start
        found += 1
    raise ValueError("the calendar does not open again")
