"""Office hours, rhythms and rates: what waits for them, and how it goes on.

A story begins on a Tuesday at 23:13 in Berlin.
"""

from __future__ import annotations

from typing import Any

from tests.replay.flows import Stories
from tests.semantics.language import Story, given, repeat, saga, step

__all__ = ["STORIES"]

Json = Any
WEEK = {day: ["09:00-17:00"] for day in ("mon", "tue", "wed", "thu", "fri")}
OFFICE = {"zone": "Europe/Berlin", "hours": WEEK, "holidays": ["2023-11-16"]}
RATE = {"name": "calls", "key": "input.id", "max": 1, "per": "1h"}


def calls() -> Json:
    """Calls on open days, in office hours, at most one in an hour; then a report each month."""
    call = step("call", throttle=RATE, calendar="office", within="3d", undo=True)
    report = step("report", throttle={"name": "reports", "max": 2, "per": "1m"})
    return saga(
        repeat("calls", call, every={"calendar": "office"}, max=3),
        repeat("months", report, every={"months": 1, "catch_up": "all"}, max=3),
        calendars={"office": OFFICE},
    )  # fmt: skip


def before_hours() -> Story:
    """The first round waits for the opening."""
    return given(calls())


def first_call() -> Story:
    return before_hours().after("10h")


def call_again() -> Story:
    """The line was busy: the next attempt waits for its turn."""
    return first_call().answers("call", "transient", code="busy").after("1m")


def called_again() -> Story:
    return call_again().after("1h").done("call")


def call_after_hours() -> Story:
    """It was busy until the office closed; the next day is a holiday."""
    story = first_call().after("7h46m39s500ms")
    return story.answers("call", "transient", code="busy").after("1h")


def all_called() -> Story:
    story = called_again().after("47h").done("calls#2/call").after("72h").done("calls#3/call")
    return story.then(offered=["months#1/report"])


def reported() -> Story:
    return all_called().done("report").after("95d")


def cancelled_while_it_waits() -> Story:
    return call_again().cancelled()


STORIES: Stories = {
    f"times_{made.__name__}": made
    for made in (
        before_hours, first_call, call_again, called_again, call_after_hours, all_called, reported,
        cancelled_while_it_waits,
    )
}  # fmt: skip
