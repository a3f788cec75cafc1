"""Calendars, what is computed with them, and when rounds and steps come."""

from typing import Any

import pytest

from sagas.checks import check
from tests.unit.sdk.world import Order, document_of, nodes_of, tell
from troth import (
    Calendar,
    Every,
    Throttle,
    TrothError,
    add_open_days,
    deadline,
    next_open,
    repeat,
    scope,
    sleep,
)

OFFICE = Calendar(
    "office",
    zone="Europe/Berlin",
    hours={"mon-thu": "09:00-17:00", "fri": ["09:00-12:00", "13:00-15:00"]},
    holidays=["2026-12-25"],
)
WEEK = {day: ["09:00-17:00"] for day in ("mon", "tue", "wed", "thu")}


def touches(order: Order) -> None:
    with scope("campaign", deadline="60d"):
        sleep("until_open", until=next_open(OFFICE, deadline("campaign")))
        sleep("until_due", until=next_open(OFFICE, add_open_days(OFFICE, deadline("campaign"), 3)))
        tell.during(OFFICE).within("2d")(order.number, "x")


def test_a_calendar_that_is_used_stands_in_the_document_day_by_day() -> None:
    document = document_of(touches)
    assert document["calendars"] == {
        "office": {
            "zone": "Europe/Berlin",
            "hours": WEEK | {"fri": ["09:00-12:00", "13:00-15:00"]},
            "holidays": ["2026-12-25"],
        }
    }
    (campaign,) = nodes_of(touches)
    first, second, step = campaign["flow"]
    assert first["until"] == "next_open('office', deadline('campaign'))"
    due = "deadline('campaign')"
    assert second["until"] == f"next_open('office', add_open_days('office', {due}, 3))"
    assert (step["calendar"], step["within"]) == ("office", "2d")
    assert check(document_of(touches)) == []


@pytest.mark.parametrize(
    ("every", "member"),
    [
        ("3d", {"period": "3d"}),
        (Every("3d", catch_up="all"), {"period": "3d", "catch_up": "all"}),
        (Every(months=1), {"months": 1}),
        (OFFICE, {"calendar": "office"}),
        (Every("3d", calendar=OFFICE), {"period": "3d", "calendar": "office"}),
    ],
)
def test_rounds_have_a_rhythm(every: Any, member: Any) -> None:
    def flow(order: Order) -> None:
        with repeat("daily", max=3, every=every):
            tell(order.number, "x")

    (daily,) = nodes_of(flow)
    assert daily["every"] == member
    assert check(document_of(flow)) == []


def test_a_step_keeps_a_rate_for_each_key() -> None:
    crm = Throttle("crm-calls", max=10, per="1m")

    def flow(order: Order) -> None:
        tell.throttled(crm)(order.number, "x")
        tell.named("again").throttled(crm, order.number).during(OFFICE)(order.number, "x")

    first, second = nodes_of(flow)
    assert first["throttle"] == {"name": "crm-calls", "max": 10, "per": "1m"}
    assert second["throttle"] == {**first["throttle"], "key": "input.number"}
    assert second["calendar"] == "office"
    assert check(document_of(flow)) == []


@pytest.mark.parametrize(
    "throttle",
    [Throttle("Crm", max=1, per="1m"), Throttle("crm", max=0, per="1m"), Throttle("crm", 1, "1x")],
)
def test_a_throttle_that_means_nothing_is_told(throttle: Throttle) -> None:
    def flow(order: Order) -> None:
        tell.throttled(throttle)(order.number, "x")

    with pytest.raises(TrothError):
        document_of(flow)


def test_two_calendars_of_one_name_are_refused() -> None:
    other = Calendar("office", zone="Europe/London", hours={"mon": "10:00-16:00"})

    def flow(order: Order) -> None:
        tell.during(OFFICE)(order.number, "x")
        tell.named("again").during(other)(order.number, "x")

    with pytest.raises(TrothError, match="two calendars are called office"):
        document_of(flow)


@pytest.mark.parametrize(
    ("hours", "message"),
    [
        ({"fri-mon": "09:00-12:00"}, "'fri-mon' are no days of the week"),
        ({"day": "09:00-12:00"}, "'day' are no days of the week"),
        ({"mon-fri": "09:00-12:00", "fri": "09:00-11:00"}, "names fri twice"),
    ],
)
def test_wrong_days_are_told(hours: Any, message: str) -> None:
    def flow(order: Order) -> None:
        tell.during(Calendar("office", zone="UTC", hours=hours))(order.number, "x")

    with pytest.raises(TrothError, match=message):
        document_of(flow)


@pytest.mark.parametrize("every", [Every(), Every("30d", months=1), Every("3x")])
def test_a_rhythm_says_one_thing(every: Any) -> None:
    def flow(order: Order) -> None:
        with repeat("daily", max=3, every=every):
            tell(order.number, "x")

    with pytest.raises(TrothError):
        document_of(flow)
