"""Seldom met, each promised by a sentence: found where a small breakage went unnoticed."""

from __future__ import annotations

import pytest

from sagas import defaults
from tests.semantics.language import (
    Story,
    approve,
    branch,
    child,
    each,
    fail,
    given,
    handler,
    on_failure,
    parallel,
    put,
    repeat,
    saga,
    scope,
    step,
    task,
    undo,
    update,
    wait,
)

SEEN_TO = {"evidence": "a letter"}
COUNT = {"n": {"schema": {"type": "integer"}, "initial": 1}}


# --- updates -----------------------------------------------------------------------------------


def test_an_update_is_closed_while_its_scope_stops() -> None:
    story = given(saga(step("a"), updates=[update("u")])).started("a").cancelled()
    story.asks("u").then(answer="update.closed", status="compensating")


def test_an_update_is_closed_while_its_scope_undoes_though_it_goes_on_afterwards() -> None:
    part = scope("s", step("a", undo=True), undo("back", "s"), wait("w"), updates=[update("u")])
    story = given(saga(part)).asks("u").then(answer="accepted")
    story.done("a").asks("u").then(answer="update.closed", offered=["undo s/a"])
    story.undone("s/a").asks("u").then(answer="accepted", at=["s/w"])


# --- undoing -----------------------------------------------------------------------------------


def test_an_undo_flow_settles_its_own_debt_alone() -> None:
    """The debt of the branch beside it stays."""
    trip = scope("trip", step("book", undo=True), undo_flow=[step("give_back")])
    both = parallel("p", branch("x", step("a", undo=True)), branch("y", trip))
    story = given(saga(both, step("z"))).done("a").done("book").failed("z")
    story.failed("a", "gone").then(debts=["undo p/x/a"])
    story.done("give_back").then(debts=["undo p/x/a"], status="in_debt")
    story.control("settle", **SEEN_TO).then(status="compensated")


def test_there_is_room_for_so_many_entries_and_a_step_without_undo_needs_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(defaults, "ENTRIES_MAX", 1)
    given(saga(step("a", undo=True), step("b"), step("c"))).done("a").done("b").then(offered=["c"])
    story = given(saga(step("a", undo=True), step("b", undo=True))).done("a")
    story.then(status="held", held="b")


def test_a_step_of_an_undo_flow_in_backoff_ends_when_its_time_to_undo_is_over() -> None:
    back = step("give_back", retry={"attempts": 3, "first": "2h", "jitter": 0})
    trip = scope("trip", step("book"), undo_flow=[back])
    story = given(saga(trip, step("z"), undo_deadline="1h")).done("book").failed("z")
    story.answers("give_back", "transient", code="busy").then(offered=[])
    story.after("1h").then(debts=["undo trip"], status="in_debt", offered=[])
    story.control("settle", **SEEN_TO).then(status="compensated")


def test_what_comes_of_a_step_whose_undo_flow_was_too_late_is_waited_for_at_the_end() -> None:
    trip = scope("trip", step("book"), undo_flow=[step("back")])
    sorry = on_failure("business", step("sorry"), undo="all")
    story = given(saga(trip, fail("no", "no"), on_failure=[sorry], undo_deadline="1h"))
    story.done("book").started("trip@0/back").after("2h").then(debts=["undo trip"])
    story.control("settle", node="trip", outcome="done", evidence="a letter")
    story.done("sorry").then(status="open", offered=["trip@0/back"])
    story.failed("trip@0/back", "no").then(status="fulfilled", debts=[])


def test_a_step_of_an_undo_flow_is_waited_for_though_a_person_saw_to_what_it_undoes() -> None:
    trip = scope("trip", step("book"), undo_flow=[step("back")])
    story = given(saga(trip, step("z"), undo_deadline="1h")).done("book").failed("z")
    story.started("trip@0/back").after("1h").then(debts=["undo trip"], status="in_debt")
    story.control("settle", **SEEN_TO).then(status="compensating", offered=["trip@0/back"])
    story.failed("trip@0/back", "no").then(status="compensated", debts=[])


def test_what_is_done_and_cannot_be_undone_is_a_debt_and_fails_its_part() -> None:
    """The arguments of its undo read what the result does not have."""
    once = step("a", undo={"args": {"what": "result.n"}})
    part = scope("s", once, on_failure=[on_failure("internal", wait("w"))])
    story = given(saga(part)).done("a", {"m": 1})
    story.then(debts=["late s/a"], waits=["event", "debt"])


def two_undo_one_branch() -> Story:
    """An undo of the block is under way when the branch in which it was asked for fails."""
    asks = branch("asks", step("a", undo=True), step("b", undo=True), undo("back", "p"))
    inner = parallel("q", asks, branch("y", wait("w")), join="any", losers="keep")
    one = branch("one", inner, step("c", undo=True), step("z"))
    story = given(saga(parallel("p", one, branch("two", wait("v")), on_branch="collect")))
    story.done("a").done("b").then(offered=["undo p/one/q/asks/b"])
    return story.happens("w").done("c").failed("z")


def test_what_two_parts_undo_is_undone_when_it_is_its_turn_in_both() -> None:
    story = two_undo_one_branch().undone("b").then(offered=["undo p/one/c"])
    story.undone("c").then(offered=["undo p/one/q/asks/a"])
    story.undone("a").happens("v").then(status="fulfilled")


def test_a_debt_that_is_tried_again_waits_for_a_later_one_of_another_part() -> None:
    story = two_undo_one_branch().failed("b", "no").failed("c", "no")
    story.control("retry", node="p/one/q/asks/b").then(offered=[], status="in_debt")
    story.control("retry", node="p/one/q/asks/b").then(answer="control.target", offered=[])
    story.control("settle", node="p/one/c", **SEEN_TO).then(offered=["undo p/one/q/asks/b"])
    story.undone("b").undone("a").happens("v").then(status="fulfilled")


# --- events ------------------------------------------------------------------------------------


def test_what_several_takers_set_in_motion_moves_in_their_order() -> None:
    """Those that peek, then the one that takes; each whole before the next."""
    three = parallel(
        "p",
        branch("one", wait("a", "x", peek=True), put("p1", n="vars.n * 2"), step("a1")),
        branch("two", wait("b", "x", peek=True), put("p2", n="vars.n + 3"), step("b1")),
        branch("three", wait("c", "x"), put("p3", n="vars.n * 10"), step("c1")),
        branch("four", step("d")),
    )
    story = given(saga(three, vars=COUNT)).happens("x")
    story.then(vars={"n": 50}, offered=["p/four/d", "p/one/a1", "p/two/b1", "p/three/c1"])


def test_a_collected_list_is_read_with_the_times_of_its_events() -> None:
    many = wait("w", "x", collect={"max": 2})
    told = "events.w.all(e, e.time > timestamp('2025-12-31T00:00:00Z')) ? 1 : 2"
    story = given(saga(many, step("a", args={"n": told}))).happens("x").happens("x")
    story.then(args=[{"n": 1}])


# --- stops -------------------------------------------------------------------------------------


def test_a_cancel_in_the_flow_of_an_interrupt_is_not_caught_any_more() -> None:
    document = saga(
        step("a", undo=True), wait("w"),
        on_failure=[on_failure("cancelled", step("sorry"))],
        handlers=[handler("h", "gone", step("last"), mode="interrupt")],
    )  # fmt: skip
    story = given(document).done("a").happens("gone").then(offered=["h@1/last"])
    story.cancelled().then(offered=["undo a"])
    story.undone("a").then(status="cancelled", commands=["a", "h@1/last", "undo a"])


def test_two_faults_of_one_move_hold_it_at_the_block() -> None:
    """The failure of the last branch is collected; what the block then reads errs."""
    both = parallel(
        "p", branch("x", step("a")), branch("y", step("b")),
        on_branch="collect", join={"until": "results.p.out.nobody > 1"},
    )  # fmt: skip
    given(saga(both)).failed("a").then(status="held", held="p")


def test_a_child_that_fails_while_its_part_stops_is_told_beside_the_cause() -> None:
    both = parallel("p", branch("x", child("kid")), branch("y", step("b")))
    story = given(saga(both)).kid("kid", "begun").failed("b").then(status="compensating")
    story.kid("kid", "failed").then(status="failed", error="business:no", also=["business:no"])


def test_a_child_that_was_cancelled_by_the_stop_is_not_told() -> None:
    both = parallel("p", branch("x", child("kid")), branch("y", step("b")))
    story = given(saga(both)).kid("kid", "begun").failed("b")
    story.kid("kid", "cancelled").then(status="failed", also=[])


def test_a_child_that_is_done_and_cannot_be_undone_is_a_debt() -> None:
    kid = child("kid", undo=True)
    kid["undo"]["args"] = {"what": "result.n"}
    story = given(saga(kid, step("b"))).kid("kid", "begun").kid("kid", "fulfilled", {"m": 1})
    story.then(debts=["late kid"], status="held")


# --- what is forgotten --------------------------------------------------------------------------


def test_the_order_of_the_items_of_a_round_is_forgotten_with_the_round() -> None:
    """It is kept as long as something in the round may be undone."""
    keyed = {"key": "each.p.item.k", "after": "each.p.item.after"}
    xs = [{"k": "k1", "after": []}, {"k": "k2", "after": ["k1"]}]
    for undone in (None, True):
        rounds = repeat("r", each("p", step("a", undo=undone), **keyed), step("b"), max=2)
        story = given(saga(rounds, step("z")), {"id": "acme", "xs": xs})
        story.done("a").done("a").done("b")
        assert list(story.w.now.item_after) == (["r#1/p", "r#2/p"] if undone else ["r#2/p"])


# --- people ------------------------------------------------------------------------------------


def test_a_task_that_is_over_is_closed_and_the_answer_says_so() -> None:
    story = given(saga(task("look"), wait("w"))).works("look", "claim").works("look", "complete")
    story.then(at=["w"]).works("look", "claim").then(answer="task.closed", events=[])


def test_a_decision_that_ran_out_while_an_attempt_was_unanswered_is_not_asked_anew() -> None:
    """It may have happened: that is found out first."""
    pay = step("pay", risk="R1", retry={"attempts": 5, "first": "2d", "cap": "9d", "jitter": 0},
               irreversible="accepted", level="A2", probe=True, unknown="retry")  # fmt: skip
    story = given(saga(approve("ok", pay, level="A2", valid="1d")))
    story.decides("ok", "hal", "function_head").decides("ok", "leo", "legal")
    story.started("pay").lost("pay").then(offered=[])
    story.after("3d").then(offered=[], status="failed", error="timeout:no_reply")
