"""Calendars: hours on the wall, days that are no days, and zones that no machine may change."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import tzdata
from hypothesis import given
from hypothesis import strategies as st

from sagas.calendars import (
    HOLIDAYS_MAX,
    OPEN_DAYS_MAX,
    Calendar,
    add_open_days,
    calendar_of,
    calendar_text,
    hours_of,
    is_open_on,
    next_open,
)
from schemas.zones import zone, zone_names

Json = Any
WEEK = {day: ["09:00-12:00", "13:00-17:00"] for day in ("mon", "tue", "wed", "thu", "fri")}


def calendar(hours: Json = WEEK, at: str = "Europe/Berlin", holidays: Json = ()) -> Calendar:
    doc = {"zone": at, "hours": hours, "holidays": list(holidays)}
    return calendar_of(calendar_text(doc))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-06-01T07:00", "2026-06-01T07:00"),  # Monday 9:00, in summer
        ("2026-06-01T06:59", "2026-06-01T07:00"),
        ("2026-06-01T10:00", "2026-06-01T11:00"),  # 12:00: a closing is outside
        ("2026-06-01T10:30", "2026-06-01T11:00"),
        ("2026-06-05T15:00", "2026-06-08T07:00"),  # Friday 17:00
        ("2026-01-02T16:00", "2026-01-05T08:00"),  # in winter
    ],
)
def test_the_next_opening(at: str, expected: str) -> None:
    assert next_open(calendar(), utc(at)) == utc(expected)


def test_a_wall_time_that_is_left_out_is_read_with_the_offset_before() -> None:
    """On 29 March 2026 the clocks go from 2:00 to 3:00."""
    night = calendar({"sun": ["02:30-05:00"]})
    assert next_open(night, utc("2026-03-29T00:00")) == utc("2026-03-29T01:30")


def test_a_span_that_falls_into_what_is_left_out_does_not_happen() -> None:
    night = calendar({"sun": ["02:30-03:00"]})
    assert next_open(night, utc("2026-03-29T00:00")) == utc("2026-04-05T00:30")


def test_a_wall_time_that_comes_twice_is_the_first() -> None:
    """On 25 October 2026 the clocks go from 3:00 to 2:00: it is 2:30 at 0:30 and at 1:30 UTC."""
    night = calendar({"sun": ["02:30-06:00"]})
    assert next_open(night, utc("2026-10-25T00:00")) == utc("2026-10-25T00:30")
    assert next_open(night, utc("2026-10-25T01:10")) == utc("2026-10-25T01:10")


def test_a_day_may_be_open_to_its_end_and_into_the_next() -> None:
    always = calendar({"mon": ["00:00-24:00"], "tue": ["00:00-24:00"]}, "UTC")
    assert next_open(always, utc("2026-06-01T23:59")) == utc("2026-06-01T23:59")
    assert next_open(always, utc("2026-06-02T00:00")) == utc("2026-06-02T00:00")
    assert next_open(always, utc("2026-06-03T00:00")) == utc("2026-06-08T00:00")


def test_a_calendar_whose_every_open_day_is_a_holiday_opens_behind_them() -> None:
    monday = date(2026, 6, 1)
    holidays = [(monday + timedelta(weeks=n)).isoformat() for n in range(HOLIDAYS_MAX)]
    weekly = calendar({"mon": ["09:00-10:00"]}, "UTC", holidays)
    expected = datetime(2026, 6, 1, 9, tzinfo=UTC) + timedelta(weeks=HOLIDAYS_MAX)
    assert next_open(weekly, utc("2026-06-01T00:00")) == expected
    back = add_open_days(weekly, expected, -1)
    assert back == datetime(2026, 5, 25, 9, tzinfo=UTC)


@pytest.mark.parametrize("count", [OPEN_DAYS_MAX + 1, -OPEN_DAYS_MAX - 1])
def test_open_days_have_a_bound(count: int) -> None:
    with pytest.raises(ValueError, match="at most 3,650 days"):
        add_open_days(calendar(), utc("2026-06-01T00:00"), count)


@given(st.integers(0, 365 * 24 * 60), st.integers(-60, 60))
def test_so_many_open_days_lie_between(minutes: int, count: int) -> None:
    at = utc("2026-01-01T00:00") + timedelta(minutes=minutes)
    office = calendar(holidays=["2026-04-03", "2026-12-25"])
    moved = add_open_days(office, at, count)
    one, other = (moment.astimezone(office.zone) for moment in (at, moved))
    first, last = sorted((one.date(), other.date()))
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    days.remove(one.date())
    assert sum(is_open_on(office, day) for day in days) == abs(count)
    if count:
        assert is_open_on(office, other.date())
        # On the wall it is the same time, but for one that the changing clocks leave out.
        shift = (other - one.replace(tzinfo=None).replace(tzinfo=other.tzinfo)) % timedelta(days=1)
        assert shift in (timedelta(0), timedelta(hours=1)) or one.time() == other.time()


@pytest.mark.parametrize("span", ["12:00-12:00", "17:00-09:00", "09:60-10:00", "09:00-24:01"])
def test_what_is_no_span_is_told(span: str) -> None:
    with pytest.raises(ValueError, match=r"is no time of a day|ends before it begins"):
        hours_of(span)


def test_zones_are_read_from_the_package_and_not_from_the_machine() -> None:
    """The package's version is pinned, so every engine of a release has the same rules."""
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath([])
    try:
        zone.cache_clear()
        assert str(zone("Asia/Tokyo")) == "Asia/Tokyo"
    finally:
        zoneinfo.reset_tzpath(before)
    assert tzdata.__version__ == "2026.6"


def test_every_name_of_the_list_has_rules_and_others_are_refused() -> None:
    for name in zone_names():
        assert zone(name).key == name
    for name in ("Europe/Berlim", "", "../zones", "/etc/localtime"):
        with pytest.raises(KeyError):
            zone(name)
