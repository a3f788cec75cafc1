"""for_each undoes its items beside each other, each in reverse (section 5)."""

from __future__ import annotations

from typing import Any

from domain.events import UndoSealed
from tests.semantics.language import (
    Story,
    each,
    given,
    on_failure,
    repeat,
    saga,
    scope,
    step,
    wait,
)

Json = Any


def over(document: Json, *items: Json) -> Story:
    """The saga is started with these items."""
    return given(document, {"id": "acme", "xs": list(items)})


AFTER = {"key": "each.p.item.k", "after": "each.p.item.after"}


def item(key: str, *after: str) -> Json:
    return {"k": key, "after": list(after)}


# --- undoing -------------------------------------------------------------------------------------


def test_items_undo_beside_each_other_each_in_reverse() -> None:
    """Order: for_each: beside each other, each in reverse."""
    document = saga(each("p", step("a", undo=True), step("b", undo=True)), step("z"))
    story = over(document, "k1", "k2")
    for node in ("p[k1]/a", "p[k2]/a", "p[k1]/b", "p[k2]/b"):
        story.done(node)
    (
        story.failed("z")
        .then(offered=["undo p[k2]/b", "undo p[k1]/b"])
        .undone("p[k1]/b")
        .then(offered=["undo p[k2]/b", "undo p[k1]/a"])
        .undone("p[k1]/a", "p[k2]/b", "p[k2]/a")
        .then(status="compensated")
    )


def test_undoing_keeps_the_width() -> None:
    document = saga(each("p", step("a", undo=True), step("b", undo=True), width=1), step("z"))
    story = over(document, "k1", "k2")
    for node in ("p[k1]/a", "p[k1]/b", "p[k2]/a", "p[k2]/b"):
        story.done(node)
    story.failed("z").then(offered=["undo p[k2]/b"]).undone("p[k2]/b")
    story.then(offered=["undo p[k2]/a"]).undone("p[k2]/a").then(offered=["undo p[k1]/b"])


def test_undoing_takes_after_in_reverse_also_through_an_item_without_entries() -> None:
    document = saga(each("p", step("a", undo=True, when="each.p.key != 'k2'"), **AFTER), step("z"))
    (
        over(document, item("k1"), item("k2", "k1"), item("k3", "k2"))
        .done("p[k1]/a")
        .done("p[k3]/a")
        .failed("z")
        .then(offered=["undo p[k3]/a"])
        .undone("p[k3]/a")
        .then(offered=["undo p[k1]/a"])
    )


def test_the_undo_of_an_item_has_what_the_item_knew() -> None:
    """Snapshot: the item is gone when its undo runs."""
    undo = {"args": {"who": "each.p.item", "what": "result"}}
    document = saga(each("p", step("a", undo=undo)), step("z"))
    over(document, "k1").done("a", 7).failed("z").then(args=[{"who": "k1", "what": 7}])


def test_a_pivot_in_an_item_seals_what_came_before_it_and_not_the_items_beside() -> None:
    document = saga(
        step("first", undo=True),
        each("p", step("a", undo=True), step("b", irreversible="pivot", when="each.p.index == 0")),
    )
    story = over(document, "k1", "k2").done("first").done("p[k1]/a").done("p[k2]/a")
    story.done("p[k1]/b").then(status="fulfilled")
    sealed = [e.dropped for e in story.w.events if isinstance(e, UndoSealed)]
    assert [sorted(d) for d in sealed] == [["first", "p[k1]/a"]]


def test_cancel_stops_every_item_and_undoes_what_is_done() -> None:
    (
        over(saga(each("p", step("a", undo=True), wait("ping"))), "k1", "k2")
        .done("p[k1]/a")
        .done("p[k2]/a")
        .cancelled()
        .undone("p[k1]/a", "p[k2]/a")
        .then(status="cancelled")
    )


def test_the_state_of_finished_items_is_forgotten() -> None:
    document = saga(each("p", step("a"), width=1))
    story = over(document, *[f"k{i}" for i in range(50)])
    for _ in range(49):
        story.done("a", {"pad": "x" * 100})
    assert len(story.w.now.effects) <= 2
    assert len(story.w.now.trail) <= 2
    assert len(story.w.now.frames) <= 3


# --- a done of an item that is over --------------------------------------------------------------

GRABS = step(
    "a", retry={"attempts": 1},
    undo={"args": {"who": "each.p.item", "what": "'a'"}, "when": "attempted"},
)  # fmt: skip


def given_up_in_an_item_that_is_over() -> Story:
    """Of `k1` the step may have happened, and the list went on without it."""
    document = saga(each("p", GRABS, join="any", losers="keep"), step("z"))
    return over(document, "k1", "k2").started("p[k1]/a").done("p[k2]/a").lost("p[k1]/a")


def test_a_late_done_in_an_item_that_is_over_is_undone_with_what_the_item_knew() -> None:
    (
        given_up_in_an_item_that_is_over()
        .then(offered=["z"], undo=["p[k2]/a", "p[k1]/a"])
        .late("p[k1]/a")
        .then(offered=["z", "undo p[k1]/a"], status="open", debts=[])
        .undone("p[k1]/a")
        .done("z")
        .then(status="fulfilled", debts=[])
    )


def test_its_undo_has_the_arguments_that_were_written_down() -> None:
    story = given_up_in_an_item_that_is_over().late("p[k1]/a")
    undone = [d.body["args"] for d in story.w.commands if d.kind == "undo"]
    assert undone == [{"who": "k1", "what": "a"}]


def test_a_late_done_in_an_item_after_the_end_is_a_debt_as_any_other() -> None:
    story = given_up_in_an_item_that_is_over().done("z").then(status="fulfilled").late("p[k1]/a")
    story.then(status="fulfilled", debts=["late p[k1]/a"])
    assert [d.error["code"] for d in story.w.now.debts.values()] == ["late_done"]


def test_a_late_done_in_a_round_that_is_over_is_undone_with_what_the_round_knew() -> None:
    who = "has(results.b) ? results.b : 0"
    a = step("a", retry={"attempts": 1}, undo={"args": {"who": who}, "when": "attempted"})
    rounds = repeat("r", step("b"), scope("s", a, on_failure=[on_failure("*", undo="none")]),
                    max=2)  # fmt: skip
    story = given(saga(rounds, step("z"))).done("b", 7).started("a").lost("a").done("b", 8)
    story.late("r#1/s/a")
    undone = [d.body["args"] for d in story.w.commands if d.kind == "undo"]
    assert undone == [{"who": 7}]


def test_a_late_done_in_an_item_that_is_over_is_a_debt_past_a_pivot_and_holds_nothing() -> None:
    pay = step("pay", irreversible="pivot")
    document = saga(each("p", GRABS, join="any", losers="keep"), pay, step("z"))
    story = over(document, "k1", "k2").started("p[k1]/a").done("p[k2]/a").lost("p[k1]/a")
    story.done("pay").then(offered=["z"], undo=[]).late("p[k1]/a")
    story.then(offered=["z"], debts=["late p[k1]/a"], held=None)
    assert [d.error["code"] for d in story.w.now.debts.values()] == ["late_done"]


def test_a_late_done_of_what_was_undone_unseen_changes_nothing_when_its_item_is_over() -> None:
    twice = GRABS | {"retry": {"attempts": 2}}
    story = over(saga(each("p", twice, join="any"), step("z")), "k1", "k2")
    story.started("p[k1]/a").lost("p[k1]/a").after("1m").started("p[k1]/a").done("p[k2]/a")
    story.lost("p[k1]/a").undone("p[k1]/a").then(offered=["z"], undo=["p[k2]/a"])
    story.late("p[k1]/a").then(
        offered=["z"], undo=["p[k2]/a"], undo_commands=["p[k1]/a"], debts=[], held=None
    )


def test_what_is_found_done_in_a_round_that_was_stopped_is_undone() -> None:
    probed = step("a", undo={"args": {"who": "result.n"}}, result={"type": "object"}, probe=True,
                  unknown="probe", retry={"attempts": 1})  # fmt: skip
    story = given(saga(repeat("r", probed, max=2))).done("a", {"n": 1}).started("a")
    story.cancelled().lost("a").then(offered=["probe r#2/a"])
    story.answers("a", "present", result={"n": 2})
    story.then(offered=["undo r#2/a"], undo=["r#2/a", "r#1/a"], held=None, debts=[])


def test_a_late_done_in_the_round_in_which_a_repeat_failed_is_undone() -> None:
    part = scope("s", repeat("r", step("a", undo=True), max=2), on_failure=[on_failure("business")])
    story = given(saga(part, step("z"))).failed("a").then(offered=["z"]).late("a")
    story.then(offered=["z", "undo s/r#1/a"], debts=[])
