"""A debt is passed wherever it lies: `on_debt: continue`, in parts that undo themselves as well."""

from typing import Any

import pytest

from domain import events as ev
from tests.semantics.language import (
    Story,
    branch,
    given,
    lock,
    on_failure,
    parallel,
    saga,
    scope,
    step,
    undo,
)

Json = Any
FIRST = step("first", undo=True)
ONCE = step("a", undo=True, retry={"attempts": 1})
DOUBTFUL = scope("s", ONCE, on_failure=[on_failure("*", undo="none")])
PASSES = {"on_debt": "continue"}


def turned_out_late(*flow: Json, **members: Json) -> Story:
    """`a` was given up and is done after all; its undo is under way while the flow goes on."""
    story = given(saga(FIRST, *flow, step("z"), **members)).done("first")
    return story.started("a").lost("a").late("a")


def owed(story: Story, node: str = "a") -> Story:
    return story.answers(node, "failed", "undo", code="gone")


# --- of a late done --------------------------------------------------------------------------


def test_one_of_a_late_done_is_passed_as_any() -> None:
    (
        owed(turned_out_late(DOUBTFUL, **PASSES))
        .then(debts=["undo s/a"], offered=["z"], status="in_debt")
        .failed("z")
        .then(offered=["undo first"], status="in_debt")
        .undone("first")
        .then(offered=[], status="in_debt")
        .control("settle", evidence=["letter"])
        .then(status="compensated", debts=[])
    )


def test_so_is_one_that_is_made_while_the_stop_waits_for_it() -> None:
    story = turned_out_late(DOUBTFUL, **PASSES).failed("z").then(offered=["undo s/a"])
    owed(story).then(offered=["undo first"], debts=["undo s/a"])


def test_with_hold_it_holds_what_came_before() -> None:
    (
        owed(turned_out_late(DOUBTFUL))
        .failed("z")
        .then(offered=[], status="in_debt")
        .control("settle", evidence=["letter"])
        .then(offered=["undo first"], status="compensating")
        .undone("first")
        .then(status="compensated")
    )


def test_settled_while_the_undoing_goes_on_it_ends_with_that() -> None:
    (
        owed(turned_out_late(DOUBTFUL, **PASSES))
        .failed("z")
        .control("settle", evidence=["letter"])
        .then(offered=["undo first"], status="compensating", debts=[])
        .undone("first")
        .then(status="compensated")
    )


def test_retried_it_takes_its_turn_among_all_that_is_undone() -> None:
    story = owed(turned_out_late(DOUBTFUL, **PASSES)).failed("z")
    story.control("retry").then(offered=["undo first", "undo s/a"])
    owed(story).then(offered=["undo first"], debts=["undo s/a"])
    story.control("retry").undone("s/a").undone("first").then(status="compensated", debts=[])


def test_settled_or_retried_before_the_stop_the_flow_has_gone_on() -> None:
    story = owed(turned_out_late(DOUBTFUL, **PASSES)).control("retry").undone("s/a")
    story.then(offered=["z"], status="open", debts=[]).done("z").then(status="fulfilled")


def test_the_end_of_a_flow_still_waits_for_it() -> None:
    story = owed(turned_out_late(DOUBTFUL, **PASSES)).done("z").then(status="in_debt")
    story.control("settle", evidence=["letter"]).then(status="fulfilled", undo=[])


def test_debts_in_several_parts_are_passed_and_one_that_is_being_undone_is_awaited() -> None:
    other = scope("t", step("b", undo=True, retry={"attempts": 1}),
                  on_failure=[on_failure("*", undo="none")])  # fmt: skip
    story = given(saga(FIRST, DOUBTFUL, other, step("z"), **PASSES)).done("first")
    story.started("a").lost("a").started("b").lost("b").late("a").late("b")
    owed(story).failed("z").then(offered=["undo t/b"], debts=["undo s/a"])
    owed(story, "b").then(offered=["undo first"], debts=["undo s/a", "undo t/b"])
    story.undone("first").control("settle", node="a", evidence=["letter"])
    story.then(status="in_debt").control("retry", node="b").undone("t/b")
    story.then(status="compensated", debts=[])


def test_the_undo_deadline_is_that_of_the_part_around() -> None:
    story = owed(turned_out_late(DOUBTFUL, undo_deadline="1h", **PASSES)).failed("z")
    assert [t for t in story.w.now.timers if "undo_deadline" in t] == [":undo_deadline"]
    story.after("1h").then(debts=["undo s/a", "undo first"], offered=[])


# --- under a lock ----------------------------------------------------------------------------


def test_the_lock_under_which_it_lies_is_kept_until_it_is_settled() -> None:
    story = given(saga(FIRST, lock("held", DOUBTFUL, step("cut")), step("z"), **PASSES))
    owed(story.done("first").started("a").lost("a").late("a")).failed("cut")
    story.then(offered=["undo first"], debts=["undo held/s/a"])
    assert [(p, h.undo) for p, h in story.w.now.locks.items()] == [("held", True)]
    story.control("settle", evidence=["letter"]).then(offered=["undo first"])
    assert story.w.now.locks == {}
    assert sum(isinstance(e, ev.LockWanted) for e in story.w.events) == 1


def test_one_beside_it_is_given_back() -> None:
    beside = parallel("p", branch("x", lock("one", DOUBTFUL, step("cut"))),
                      branch("y", lock("two", step("fold"), of="folder")))  # fmt: skip
    story = given(saga(FIRST, beside, **PASSES)).done("first").started("a").lost("a").late("a")
    owed(story).started("fold").failed("cut").then(offered=["p/y/two/fold"])
    story.failed("fold").then(offered=["undo first"])
    assert list(story.w.now.locks) == ["p/x/one"]


# --- of other parts that undo themselves -----------------------------------------------------


def caught(*inside: Json) -> Json:
    return scope("s", *inside, on_failure=[on_failure("business", step("sorry"))])


@pytest.mark.parametrize("mode", ["continue", "hold"])
def test_one_of_a_failure_that_was_caught_is_passed_too(mode: str) -> None:
    """What the scope would have gone on with when all in it is undone falls away."""
    beside = parallel("p", branch("x", caught(step("a", undo=True), step("b"))),
                      branch("y", step("c")))  # fmt: skip
    story = given(saga(FIRST, beside, on_debt=mode)).done("first").done("a").failed("b")
    owed(story).then(offered=["p/y/c"], debts=["undo p/x/s/a"]).failed("c")
    story.then(offered=["undo first"] if mode == "continue" else [], status="in_debt")
    story.control("settle", evidence=["letter"]).undone("first")
    story.then(status="compensated", undo_commands=["p/x/s/a", "first"], debts=[])


def test_in_a_part_it_is_passed_and_what_follows_waits_for_it() -> None:
    inner = step("before", undo=True), DOUBTFUL, step("b")
    story = given(saga(caught(scope("i", *inner)), **PASSES)).done("before")
    owed(story.started("a").lost("a").late("a")).failed("b").then(offered=["undo s/i/before"])
    story.undone("s/i/before").then(offered=[], status="in_debt")
    story.control("settle", evidence=["letter"]).then(offered=["s/sorry"])


def test_an_undo_node_beside_that_waits_for_it_holds_the_part_and_then_both_go_on() -> None:
    part = caught(step("before", undo=True), scope("i", step("a", undo=True)), step("b"))
    beside = parallel("p", branch("x", part), branch("y", step("c"), undo("back", "i"), step("d")))
    story = given(saga(beside, **PASSES)).done("before").done("a").done("c")
    owed(story).failed("b").then(offered=[], debts=["undo p/x/s/i/a"])
    story.control("settle", evidence=["letter"])
    story.then(offered=["undo p/x/s/before", "p/y/d"])


def test_a_part_that_stops_and_keeps_what_was_done_waits_for_it() -> None:
    part = scope("k", DOUBTFUL, step("b"), on_failure=[on_failure("*", step("sorry"), undo="none")])
    story = given(saga(part, **PASSES)).started("a").lost("a").late("a")
    owed(story).failed("b").then(offered=[], status="in_debt")
    story.control("settle", evidence=["letter"]).then(offered=["k/sorry"])
