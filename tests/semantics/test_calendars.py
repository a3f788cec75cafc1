"""Calendars: next_open, add_open_days, a step's hours, rounds by a calendar (sections 1 and 3).

Every story begins on Tuesday, 14 November 2023, 22:13:20 UTC, which is 23:13:20 in Berlin.
"""

from typing import Any

from tests.semantics.language import approve, given, put, repeat, saga, sleep, step

Json = Any
WEEK = {day: ["09:00-17:00"] for day in ("mon", "tue", "wed", "thu", "fri")}
OFFICE = {"zone": "Europe/Berlin", "hours": WEEK, "holidays": ["2023-11-16"]}
TIME = {"at": {"schema": {}, "initial": None}}


def office(*flow: Json, **members: Json) -> Json:
    return saga(*flow, calendars={"office": OFFICE}, **members)


def says(text: str) -> Json:
    """A definition that keeps what an expression gives."""
    return office(put("keep", at=text), vars=TIME)


def test_next_open_is_the_next_opening_or_the_time_itself_within_hours() -> None:
    given(says("next_open('office', meta.now)")).then(vars={"at": "2023-11-15T08:00:00Z"})
    inside = "timestamp('2023-11-15T12:34:56Z')"
    given(says(f"next_open('office', {inside})")).then(vars={"at": "2023-11-15T12:34:56Z"})


def test_a_closing_is_outside_of_its_hours_and_holidays_are_closed() -> None:
    given(says("next_open('office', timestamp('2023-11-15T16:00:00Z'))")).then(
        vars={"at": "2023-11-17T08:00:00Z"}
    )


def test_open_days_are_counted_from_the_next_day_at_the_same_time_on_the_wall() -> None:
    # Wednesday and Friday: Thursday is a holiday.
    given(says("add_open_days('office', meta.now, 2)")).then(vars={"at": "2023-11-17T22:13:20Z"})
    # Backwards from Tuesday: Monday, then Friday.
    given(says("add_open_days('office', meta.now, -2)")).then(vars={"at": "2023-11-10T22:13:20Z"})
    given(says("add_open_days('office', meta.now, 0)")).then(vars={"at": "2023-11-14T22:13:20Z"})


def test_the_hours_follow_the_clock_on_the_wall() -> None:
    # Summer time begins on 31 March 2024: the office opens an hour earlier in UTC.
    before, after = "timestamp('2024-03-28T20:00:00Z')", "timestamp('2024-03-30T20:00:00Z')"
    given(says(f"next_open('office', {before})")).then(vars={"at": "2024-03-29T08:00:00Z"})
    given(says(f"next_open('office', {after})")).then(vars={"at": "2024-04-01T07:00:00Z"})


def test_a_step_is_dispatched_within_the_hours_of_its_calendar() -> None:
    (
        given(office(step("call", calendar="office"), step("after")))
        .then(offered=[], waits=["hours"], told=["office hours"], status="waiting")
        .after("9h")
        .then(offered=[])
        .after("1h")
        .then(offered=["call"], events=["timer.fired call hours", "effect.intended call"])
        .done("call")
        .then(offered=["after"])
    )


def test_within_open_hours_it_does_not_wait() -> None:
    (
        given(office(sleep("night", "10h"), step("call", calendar="office")))
        .after("10h")
        .then(offered=["call"])
    )


def test_what_it_waited_counts_to_its_within() -> None:
    (
        given(office(step("call", calendar="office", within="8h")))
        .after("8h")
        .then(status="failed", error="timeout:call", commands=[])
    )
    story = given(office(step("call", calendar="office", within="10h"))).after("9h47m")
    (command,) = story.w.dispatches.values()
    assert command.start_by_us == story.w.now.started_us + 10 * 3_600_000_000


def test_a_step_whose_time_is_over_before_the_opening_may_go_on() -> None:
    (
        given(office(step("call", calendar="office", within="8h", on_expiry="continue")))
        .after("8h")
        .then(results={"call": {"expired": True}}, status="fulfilled", commands=[])
    )


def test_a_retry_waits_for_the_hours_too() -> None:
    story = given(office(sleep("night", "17h"), step("call", calendar="office")))
    # Wednesday 16:13:20 in Berlin, then half a second before it closes; Thursday is a holiday.
    story.after("17h").then(offered=["call"])
    story.after("46m39s500ms").answers("call", "transient", code="busy").then(waits=["retry"])
    story.after("40h").then(offered=[]).after("1s").then(offered=["call"], attempts=[2])


def test_the_decision_is_used_when_the_office_opens_and_asked_anew_if_it_is_stale() -> None:
    gated = step("pay", risk="R2", level="A2", why=True, calendar="office")
    document = office(approve("legal", gated, level="A2", valid="2h", within="3d"))
    story = given(document).decides("legal", "ann", "function_head")
    story.decides("legal", "bob", "legal").then(waits=["hours"], offered=[])
    story.after("10h").then(waits=["approval"], offered=[])


def test_a_cancel_takes_a_waiting_step_back() -> None:
    (
        given(office(step("call", calendar="office")))
        .cancelled()
        .then(status="cancelled", commands=[], timers=[])
    )


# --- rounds ----------------------------------------------------------------------------------


def rounds(every: Json, **members: Json) -> Json:
    """Rounds whose step is answered by the story."""
    return office(repeat("r", step("send"), every=every, **{"max": 4, **members}))


def test_a_calendar_alone_gives_a_round_at_the_opening_of_each_open_day() -> None:
    story = given(rounds({"calendar": "office"})).then(offered=[], waits=["timer"], at=["r"])
    story.after("9h46m40s").then(offered=["r#1/send"]).done("send")
    # Thursday is a holiday, then comes the weekend.
    story.after("47h59m").then(offered=[]).after("1m").then(offered=["r#2/send"]).done("send")
    story.after("71h59m").then(offered=[]).after("1m").then(offered=["r#3/send"])


def test_a_period_with_a_calendar_moves_to_the_next_opening_and_does_not_drift() -> None:
    story = given(rounds({"period": "2d", "calendar": "office"}))
    # The anchor is the first opening: Wednesday 9:00. Friday 9:00, Sunday to Monday 9:00, Tuesday.
    story.after("9h46m40s").then(offered=["r#1/send"]).done("send")
    story.after("48h").then(offered=["r#2/send"]).done("send")
    story.after("71h59m").then(offered=[]).after("1m").then(offered=["r#3/send"]).done("send")
    story.after("23h59m").then(offered=[]).after("1m").then(offered=["r#4/send"])


def test_starts_that_move_to_one_opening_are_one() -> None:
    story = given(rounds({"period": "6h", "calendar": "office", "catch_up": "all"}))
    # Wednesday 9:00 and 15:00; all others until Friday 9:00 are in closed hours.
    story.after("9h46m40s").done("send").after("6h").done("r#2/send").then(offered=[])
    story.after("41h59m").then(offered=[]).after("1m").then(offered=["r#3/send"]).done("send")
    story.then(offered=[])


def test_months_keep_the_day_or_take_the_last_one_of_a_shorter_month() -> None:
    document = saga(
        sleep("to_the_31st", "77d1h46m40s"),
        repeat("r", step("send"), every={"months": 1}, max=4),
    )
    # 31 January 2024, 00:00 UTC; 29 February, 31 March, 30 April.
    story = given(document).after("77d1h46m40s").done("send")
    for days in (29, 31, 30):
        story.after(f"{days - 1}d23h59m").then(offered=[]).after("1m")
        (command,) = story.w.offered()
        story.done(command)
    story.then(status="fulfilled")


def test_missed_starts_are_skipped() -> None:
    story = given(rounds({"period": "1d"})).then(offered=["r#1/send"])
    # Rounds of the first three days were missed; the next one is on the fourth day.
    story.after("3d12h").done("send").then(offered=[], waits=["timer"])
    story.after("11h").then(offered=[]).after("1h").then(offered=["r#2/send"])


def test_a_start_that_is_due_this_very_moment_is_not_missed() -> None:
    story = given(rounds({"period": "1d"})).after("2d").done("send").then(offered=["r#2/send"])
    story.done("send").then(offered=[]).after("1d").then(offered=["r#3/send"])


def test_all_of_them_are_caught_up_with_at_once_where_it_says_so() -> None:
    story = given(rounds({"period": "1d", "catch_up": "all"})).after("3d12h")
    story.done("send").then(offered=["r#2/send"]).done("send").then(offered=["r#3/send"])
    story.done("send").then(offered=["r#4/send"]).done("send").then(status="fulfilled")
