"""Office hours: when a calendar is open, and what a number of open days means.

A calendar is data of the definition: a zone, the hours of each day of the week, and holidays. Its
hours are those of the clock on the wall in its zone. A wall time that comes twice when clocks go
back is the first of the two; one that is left out when they go forward is read as if they had not
(RFC 5545 section 3.3.5 reads both the same way).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from domain.canonical import canonical
from schemas.zones import zone

__all__ = [
    "DAYS",
    "HOLIDAYS_MAX",
    "OPEN_DAYS_MAX",
    "SEARCH_DAYS_MAX",
    "Calendar",
    "Hours",
    "add_open_days",
    "calendar_of",
    "calendar_text",
    "hours_of",
    "is_open_on",
    "local_date",
    "next_open",
    "opening",
]

Json = Any
Hours = tuple[tuple[int, int], ...]
"""Open spans of one day in minutes since its midnight, in order: from, and until before."""

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HOLIDAYS_MAX = 1_000
"""Holidays of one calendar."""

OPEN_DAYS_MAX = 3_650
"""Open days that may be counted at once, forwards or backwards."""

# With one open day a week and every one of them a holiday, the next week is open.
SEARCH_DAYS_MAX = 7 * (HOLIDAYS_MAX + 2)
CALENDARS_CACHED_MAX = 1_024


@dataclass(frozen=True, slots=True)
class Calendar:
    """A calendar as it is read: the spans of Monday to Sunday, and closed days."""

    zone: ZoneInfo
    hours: tuple[Hours, ...]
    holidays: frozenset[date]


def calendar_text(doc: Json) -> str:
    """A calendar of a definition as the text that `calendar_of` takes."""
    return canonical(doc).decode()


@lru_cache(maxsize=CALENDARS_CACHED_MAX)
def calendar_of(text: str) -> Calendar:
    """The calendar of a text that `calendar_text` made of one that passed the checks."""
    doc = orjson.loads(text)
    spans = doc["hours"]
    return Calendar(
        zone(doc["zone"]),
        tuple(tuple(map(hours_of, spans.get(day, ()))) for day in DAYS),
        frozenset(map(date.fromisoformat, doc.get("holidays", ()))),
    )


def hours_of(span: str) -> tuple[int, int]:
    """`09:00-17:30` as minutes. Raises ValueError when it is no span of a day that is not empty."""
    start, _, end = span.partition("-")
    found = _minutes(start), _minutes(end)
    if found[0] >= found[1]:
        raise ValueError(f"{span} ends before it begins")
    return found


def _minutes(text: str) -> int:
    hour, minute = int(text[:2]), int(text[3:])
    if minute > 59 or hour * 60 + minute > 24 * 60:
        raise ValueError(f"{text} is no time of a day")
    return hour * 60 + minute


# --- reading a calendar --------------------------------------------------------------------------


def local_date(calendar: Calendar, at: datetime) -> date:
    """The day it is then in the calendar's zone."""
    return at.astimezone(calendar.zone).date()


def is_open_on(calendar: Calendar, day: date) -> bool:
    """Whether a day has open hours: its day of the week has some, and it is no holiday."""
    return day not in calendar.holidays and bool(calendar.hours[day.weekday()])


def opening(calendar: Calendar, day: date) -> datetime:
    """When an open day begins, in UTC."""
    return _at(calendar, day, calendar.hours[day.weekday()][0][0])


def next_open(calendar: Calendar, at: datetime) -> datetime:
    """`at` itself within open hours, else when the next of them begin; in UTC.

    Raises ValueError when the calendar does not open again within its bounds.
    """
    day = local_date(calendar, at)
    for _ in range(SEARCH_DAYS_MAX):  # pragma: no branch - see there: it opens before
        for start, end in calendar.hours[day.weekday()] if is_open_on(calendar, day) else ():
            opens, closes = _at(calendar, day, start), _at(calendar, day, end)
            if at < closes and opens < closes:
                return max(at, opens).astimezone(UTC)
        day += timedelta(days=1)
    raise ValueError("the calendar does not open again")


def add_open_days(calendar: Calendar, at: datetime, count: int) -> datetime:
    """`at` moved by `count` open days, backwards below 0, at the same time on the wall; in UTC.

    The day of `at` itself is not counted. Raises ValueError over OPEN_DAYS_MAX.
    """
    if abs(count) > OPEN_DAYS_MAX:
        raise ValueError(f"add_open_days() takes at most {OPEN_DAYS_MAX:,} days, got {count:,}")
    local = at.astimezone(calendar.zone)
    one = timedelta(days=1 if count > 0 else -1)
    day, left = local.date(), abs(count)
    for _ in range(7 * (OPEN_DAYS_MAX + HOLIDAYS_MAX + 2)):  # pragma: no branch - enough for all
        if left == 0:
            moved = datetime.combine(day, local.time().replace(fold=0), calendar.zone)
            return (moved if count else local).astimezone(UTC)
        day += one
        left -= is_open_on(calendar, day)
    raise ValueError("the calendar does not open again")


def _at(calendar: Calendar, day: date, minute: int) -> datetime:
    midnight = datetime.combine(day, time(), calendar.zone)
    # Wall time: zoneinfo adds to the clock on the wall, and `fold` stays 0.
    return (midnight + timedelta(minutes=minute)).astimezone(UTC)
