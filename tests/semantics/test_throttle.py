"""throttle: at most `max` steps in any `per`, of a tenant, by name and key (section 3)."""

from typing import Any

import pytest

from domain import throttle_stream
from domain.durations import duration_us
from domain.ids import throttle_id
from tests.semantics.family import Family
from tests.semantics.language import (
    given,
    on_failure,
    parallel,
    put,
    saga,
    scope,
    sleep,
    step,
)

Json = Any
TWO_A_MINUTE = {"name": "crm", "max": 2, "per": "1m"}
WEEK = {day: ["09:00-17:00"] for day in ("mon", "tue", "wed", "thu", "fri")}


def calling(*flow: Json, name: str = "call", **members: Json) -> Json:
    return saga(*(flow or (step("ring", throttle=TWO_A_MINUTE),)), saga=name, **members)


def started(*keys: str, document: Json = None) -> Family:
    """Commitments of these keys, started in this order at one moment."""
    f = Family(document or calling())
    for key in keys:
        f.start("call", key=key)
    return f


def ringing(f: Family, *keys: str) -> list[str]:
    return [key for key in keys if f.of("call", key=key).effects]


def test_so_many_go_at_once_the_others_wait_in_the_order_of_their_requests() -> None:
    keys = ("a", "b", "c", "d", "e")
    f = started(*keys)
    assert ringing(f, *keys) == ["a", "b"]
    f.pass_time(duration_us("59s"))
    assert ringing(f, *keys) == ["a", "b"]
    f.pass_time(duration_us("1s"))
    assert ringing(f, *keys) == ["a", "b", "c", "d"]
    f.pass_time(duration_us("1m"))
    assert ringing(f, *keys) == list(keys)


def test_the_rate_holds_in_any_time_of_that_length() -> None:
    f = started("a")
    f.pass_time(duration_us("50s"))
    f.start("call", key="b")
    f.start("call", key="c")
    assert ringing(f, "a", "b", "c") == ["a", "b"]
    f.pass_time(duration_us("10s"))
    assert ringing(f, "a", "b", "c") == ["a", "b", "c"]
    # b went at 50 s, so the next may go at 110 s.
    f.start("call", key="d")
    f.pass_time(duration_us("49s"))
    assert ringing(f, "d") == []
    f.pass_time(duration_us("1s"))
    assert ringing(f, "d") == ["d"]


def test_each_key_has_its_own_rate() -> None:
    throttle = {"name": "crm", "key": "input.id", "max": 1, "per": "1m"}
    f = started("a", "b", document=calling(step("ring", throttle=throttle)))
    assert ringing(f, "a", "b") == ["a", "b"]


def test_sagas_that_name_the_same_throttle_share_it() -> None:
    other = saga(step("write", throttle=TWO_A_MINUTE), saga="mail")
    f = Family(calling(), other)
    f.start("call", key="a")
    f.start("mail", key="b")
    f.start("call", key="c")
    assert sorted(f.work) == ["ring", "write"]
    assert ringing(f, "a", "c") == ["a"]


def test_who_asks_with_another_rate_is_bound_by_its_own() -> None:
    strict = saga(step("write", throttle={**TWO_A_MINUTE, "max": 1}), saga="mail")
    f = Family(calling(), strict)
    f.start("call", key="a")
    f.start("mail", key="b")
    assert sorted(f.work) == ["ring"]
    f.pass_time(duration_us("1m"))
    assert sorted(f.work) == ["ring", "write"]


def test_a_step_that_is_stopped_gives_its_place_up() -> None:
    f = started("a", "b", "c", "d")
    f.control("call", "cancel", key="c")
    assert f.status("call", key="c") == "cancelled cancelled:cancelled"
    f.pass_time(duration_us("1m"))
    f.start("call", key="e")
    assert ringing(f, "c", "d", "e") == ["d", "e"]
    assert not f.states[throttle_id("north", "crm", "")].queue


def one(*flow: Json, **members: Json) -> Json:
    """A commitment alone: its first branch has the turn, and the others wait."""
    throttle = {"name": "crm", "max": 1, "per": "1h"}
    first = step("first", throttle=throttle)
    return saga(first, *flow, step("ring", throttle=throttle, **members))


def test_the_current_step_says_what_it_waits_for() -> None:
    (
        given(one())
        .then(offered=["first"])
        .done("first")
        .then(
            waits=["throttle"], told=["its turn in throttle crm"], at=["ring"], status="waiting",
            offered=[], events=["effect.done first", "turn.wanted ring"],
        )
        .after("1h")
        .then(offered=["ring"], events=["turn.given ring", "effect.intended ring"])
    )  # fmt: skip


def test_what_it_waited_counts_to_its_within() -> None:
    (
        given(one(within="30m"))
        .done("first")
        .after("30m")
        .then(status="failed", error="timeout:ring", commands=["first"])
    )
    story = given(one(within="90m")).done("first").after("1h").then(offered=["ring"])
    (command,) = story.w.dispatches.values()
    assert command.start_by_us == story.w.now.started_us + duration_us("90m")


def test_arguments_are_read_when_it_is_dispatched() -> None:
    throttle = {"name": "crm", "max": 1, "per": "1h"}
    document = saga(
        parallel(
            "both",
            {"flow": [step("first", throttle=throttle)]},
            {"flow": [step("ring", throttle=throttle, args={"n": "vars.n"})]},
            {"name": "later", "flow": [sleep("rest", "10m"), put("count", n="7")]},
        ),
        vars={"n": {"schema": {}, "initial": 1}},
    )
    story = given(document).done("first").after("1h")
    assert [d.body["args"] for d in story.w.dispatches.values()] == [{"n": 7}]


def test_every_attempt_wants_its_turn() -> None:
    throttle = {"name": "crm", "max": 1, "per": "1h"}
    story = given(saga(step("ring", throttle=throttle))).then(offered=["ring"])
    story.answers("ring", "transient", code="busy").then(waits=["retry"])
    story.after("1m").then(waits=["throttle"], offered=[])
    story.after("59m").then(offered=["ring"], attempts=[2]).done("ring").then(status="fulfilled")


def test_a_retry_that_waits_beyond_its_within_fails_as_what_it_failed_of() -> None:
    throttle = {"name": "crm", "max": 1, "per": "1h"}
    story = given(saga(step("ring", throttle=throttle, within="30m")))
    story.answers("ring", "transient", code="busy").after("1m").then(waits=["throttle"])
    story.after("29m").then(status="failed", error="transient:busy", timers=[])


def test_a_cancel_ends_a_retry_that_waits_for_its_turn() -> None:
    throttle = {"name": "crm", "max": 1, "per": "1h"}
    story = given(saga(step("ring", throttle=throttle)))
    story.answers("ring", "transient", code="busy").after("1m").cancelled()
    story.then(status="cancelled", timers=[])


def test_an_operator_does_not_ask_twice_for_one_retry() -> None:
    throttle = {"name": "crm", "max": 1, "per": "1h"}
    story = given(saga(step("ring", throttle=throttle)))
    story.answers("ring", "transient", code="busy").then()
    story.control("retry", node="ring").then(events=["turn.wanted ring"])
    story.control("retry", node="ring").then(events=[], waits=["throttle"])


def test_too_many_that_wait_hold_the_step_until_an_operator_tries_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(throttle_stream, "QUEUE_MAX", 0)
    story = given(one()).done("first").then(status="held", held="ring", offered=[])
    monkeypatch.undo()
    story.control("retry").then(status="waiting", waits=["throttle"])
    story.after("1h").then(offered=["ring"])


def test_a_step_whose_arguments_err_when_its_turn_comes_wants_another_one() -> None:
    ring = {"args": {"n": "vars.n + 1"}, "calendar": "always"}
    everyday = {day: ["00:00-24:00"] for day in (*WEEK, "sat", "sun")}
    document = saga(
        step("first", throttle={"name": "crm", "max": 1, "per": "1h"}),
        step("ring", throttle={"name": "crm", "max": 1, "per": "1h"}, **ring),
        vars={"n": {"schema": {}, "initial": "no number"}},
        calendars={"always": {"zone": "UTC", "hours": everyday}},
    )
    story = given(document).done("first").after("1h").then(status="held", held="ring", offered=[])
    story.control("retry").then(status="waiting", waits=["throttle"])
    story.after("1h").then(status="held", held="ring")


def test_the_undo_of_a_step_does_not_wait() -> None:
    throttle = {"name": "crm", "max": 1, "per": "1h"}
    story = given(saga(step("ring", throttle=throttle, undo=True), sleep("rest", "1d")))
    story.done("ring").cancelled().then(offered=["undo ring"])


def test_a_turn_that_comes_in_closed_hours_is_asked_for_again_when_they_begin() -> None:
    # It is 23:13 in Berlin; the office closes at 17:00, and what waits then waits again at 9:00.
    office = {"zone": "Europe/Berlin", "hours": WEEK}
    throttle = {"name": "crm", "max": 1, "per": "5h"}
    ring = step("ring", throttle=throttle, calendar="office")
    document = saga(
        sleep("night", "15h"), step("first", throttle=throttle), ring, calendars={"office": office}
    )
    story = given(document).after("15h").done("first").then(waits=["throttle"])
    story.after("5h").then(waits=["hours"], offered=[])
    story.after("13h46m40s").then(offered=["ring"])


def test_a_scope_that_ends_in_time_takes_its_place_back() -> None:
    throttle = {"name": "crm", "max": 1, "per": "1h"}
    document = saga(
        step("first", throttle=throttle),
        scope(
            "part", step("ring", throttle=throttle), deadline={"after": "10m"},
            on_failure=[{"on": ["deadline"], "flow": [step("else_")]}],
        ),
    )  # fmt: skip
    story = (
        given(document)
        .done("first")
        .after("10m")
        .then(offered=["part/else_"], waits=["participant"])
    )
    assert not story.w.throttles[throttle_id("north", "crm", "")].queue


# Of a step that asks for its turn at 0 s and again at about 10 s: not to be read in between.
NOT_NOW = (
    "meta.now > timestamp('2023-11-14T22:13:25Z') && meta.now < timestamp('2023-11-14T22:13:38Z')"
)
SPOILT = {"name": "crm", "key": f"['a'][{NOT_NOW} ? 7 : 0]", "max": 1, "per": "1s"}
TEN = {"attempts": 3, "first": "10s"}


def test_a_retry_whose_key_cannot_be_read_is_held_and_then_a_new_attempt() -> None:
    (
        given(saga(step("ring", throttle=SPOILT, retry=TEN)))
        .answers("ring", "transient").after("20s")
        .then(status="held", offered=[], waits=[])
        .control("retry").then(status="open", offered=["ring"], waits=["participant"])
        .answers("ring", "transient").after("30s")
        .then(status="open", offered=["ring"], waits=["participant"])
        .done("ring").then(status="fulfilled")
    )  # fmt: skip


def test_a_retry_whose_key_cannot_be_read_leaves_what_was_tried_to_be_undone() -> None:
    ring = step("ring", throttle=SPOILT, retry=TEN, undo=True)
    (
        given(saga(scope("s", ring, on_failure=[on_failure("internal:expression", step("sorry"))])))
        .started("ring").lost("ring").after("20s")
        .then(offered=["undo s/ring"]).undone("ring")
        .then(offered=["s/sorry"]).done("sorry").then(status="fulfilled")
    )  # fmt: skip
