"""When rounds start: compared with the plain reading of the rule, slot by slot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagas.calendars import Calendar, calendar_of, calendar_text, is_open_on, next_open, opening
from sagas.periods import Rhythm, add_months, first_start, next_start

OFFICE = calendar_of(
    calendar_text(
        {
            "zone": "Europe/Berlin",
            "hours": {"mon": ["09:00-12:00", "13:00-17:00"], "wed": ["09:00-24:00"],
                      "thu": ["00:00-02:30"], "sun": ["02:00-03:00"]},
            "holidays": ["2026-03-30", "2026-04-01"],
        }
    )
)  # fmt: skip
# Both changes of the clocks in Berlin lie in it.
moments = st.integers(0, 365 * 24 * 3_600).map(
    lambda seconds: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)
calendars = st.sampled_from([None, OFFICE])
periods = st.integers(1, 200).map(lambda hours: timedelta(hours=hours))
SLOTS_MAX = 10_000


def starts(rhythm: Rhythm, anchor: datetime, until: datetime) -> list[tuple[int, datetime]]:
    """All starts by the plain rule: each slot by itself, those that fall together told once."""
    found: list[tuple[int, datetime]] = []
    zone = UTC if rhythm.calendar is None else rhythm.calendar.zone
    for slot in range(SLOTS_MAX):
        if rhythm.period is not None:
            at = anchor + slot * rhythm.period
        else:
            assert rhythm.months is not None
            at = add_months(anchor, slot * rhythm.months, zone)
        start = at if rhythm.calendar is None else next_open(rhythm.calendar, at)
        if not found or start > found[-1][1]:
            found.append((slot, start))
        if start > until:
            return found
    raise AssertionError("no end")


@given(st.one_of(periods, st.integers(1, 5)), calendars, moments, st.data())
def test_the_next_start_is_that_of_the_plain_rule(
    length: timedelta | int, calendar: Calendar | None, entered: datetime, data: st.DataObject
) -> None:
    period = length if isinstance(length, timedelta) else None
    months = length if isinstance(length, int) else None
    skips = data.draw(st.booleans())
    rhythm = Rhythm(period, months, calendar, skips)
    anchor = first_start(rhythm, entered)
    now = anchor + timedelta(hours=data.draw(st.integers(0, 24 * 60)))
    found = starts(rhythm, anchor, now)
    at = data.draw(st.integers(0, len(found) - 2))
    _, start = next_start(rhythm, anchor, found[at][0], now)
    after = [other for _, other in found[at + 1 :] if other >= now or not skips]
    assert start == after[0]


@given(moments, st.integers(0, 40), st.booleans())
def test_a_calendar_alone_starts_a_round_at_the_opening_of_each_open_day(
    entered: datetime, days: int, skips: bool
) -> None:
    rhythm = Rhythm(None, None, OFFICE, skips)
    anchor = first_start(rhythm, entered)
    now = anchor + timedelta(days=days, hours=3)
    slot, start = next_start(rhythm, anchor, 0, now)
    first = anchor.astimezone(OFFICE.zone).date()
    following = (first + timedelta(days=n) for n in range(1, 400))
    openings = [opening(OFFICE, day) for day in following if is_open_on(OFFICE, day)]
    assert start == next(at for at in openings if at >= now or not skips)
    assert start.astimezone(OFFICE.zone).date() == first + timedelta(days=slot)


@pytest.mark.parametrize(
    ("months", "expected"),
    [(1, "2026-02-28"), (2, "2026-03-31"), (13, "2027-02-28"), (25, "2028-02-29")],
)
def test_months_are_counted_from_the_anchors_day(months: int, expected: str) -> None:
    anchor = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert add_months(anchor, months).date().isoformat() == expected


def test_months_keep_the_time_on_the_wall_of_the_calendars_zone() -> None:
    winter = datetime(2026, 3, 15, 9, tzinfo=UTC)  # 10:00 in Berlin
    assert add_months(winter, 1, OFFICE.zone) == datetime(2026, 4, 15, 8, tzinfo=UTC)


def test_a_short_period_that_was_missed_for_long_is_found_at_once() -> None:
    rhythm = Rhythm(timedelta(seconds=1), None, None, True)
    anchor = datetime(2026, 1, 1, tzinfo=UTC)
    now = anchor + timedelta(days=3_650, milliseconds=1)
    slot, start = next_start(rhythm, anchor, 0, now)
    assert start - now < timedelta(seconds=1)
    assert start == anchor + timedelta(seconds=slot)
