"""The oracle of undoing objects to a wrong order: it is shown runs of another definition."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sagas.loading import load
from tests.semantics import language as say
from tests.simulation.undone import check_undone
from tests.strategies.undo_oracle import UndoOracle

Json = Any
A, B, C = (say.step(name, undo=True) for name in "abc")


def both(**members: Json) -> Json:
    """Two branches, joined with the first one if so said, and a step behind them."""
    part = say.parallel("p", say.branch("x", A), say.branch("y", B), **members)
    return say.saga(part, C, say.step("z"))


def judged(document: Json, as_if: Json) -> None:
    """A cancel after a, c and b are done, judged by another definition than it ran by."""
    story = say.given(document).done("a")
    if document["flow"][0].get("losers") == "run_on":
        story.done("c").done("b")
    else:
        story.done("b").done("c")
    story.cancelled().undone("c").undone("b").undone("a")
    UndoOracle(as_if).read(story.w.events)


def test_what_a_definition_means_is_right_by_itself() -> None:
    for document in (
        both(), both(undo_order="reverse"), both(join="any", losers="run_on"), both(keep=False),
    ):  # fmt: skip
        judged(document, document)


def test_two_at_once_are_wrong_in_one_line() -> None:
    with pytest.raises(AssertionError, match="is undone while"):
        judged(both(), both(undo_order="reverse"))


def test_a_block_that_ran_on_is_undone_by_when_it_joined() -> None:
    """Its last branch was done after what came behind it, and is undone after that all the same."""
    document = both(join="any", losers="run_on")
    story = say.given(document).done("a").done("c").done("b").cancelled()
    story.then(offered=["undo c"])
    events = [e for e in story.w.events if type(e).__name__ != "NodeRunsOn"]
    with pytest.raises(AssertionError, match="c is undone while p/"):
        UndoOracle(document).read(events)


def test_an_undo_that_the_flow_asks_for_is_of_what_stood_then() -> None:
    flow = (A, say.undo("back", "part"), B, say.fail("no", "no"))
    story = say.given(say.saga(say.scope("part", *flow)))
    story.done("a").undone("a").done("b").undone("b").then(status="compensated")
    UndoOracle(story.w.d.document).read(story.w.events)


def test_a_debt_that_is_tried_again_in_vain_is_passed_as_before() -> None:
    kids = [say.child(name) | {"on_undo": "revoke"} for name in ("d", "e")]
    story = say.given(say.saga(A, *kids, say.step("z"), on_debt="continue")).done("a")
    story.kid("d", "fulfilled").kid("e", "fulfilled").failed("z")
    story.w.kid_undoes("e", "refused")
    story.control("retry", node="e")
    story.w.kid_undoes("e", "refused")
    story.w.kid_undoes("d")
    UndoOracle(story.undone("a").w.d.document).read(story.w.events)


def test_a_debt_is_passed_beside_what_was_done_after_an_undo_was_asked_for() -> None:
    """That is nothing to the undo, which is of what was done then."""
    inner = say.parallel("q", say.branch("u", B, say.undo("back", "p")), say.branch("v", C))
    part = say.parallel("p", say.branch("x", A), say.branch("y", inner, after=["x"]))
    story = say.given(say.saga(part, say.step("z"), on_debt="continue"))
    story.done("a").done("b").done("c")
    story.answers("b", "failed", kind="undo", code="no").then(offered=["undo p/x/a"])
    UndoOracle(story.w.d.document).read(story.w.events)


def whole(story: say.Story) -> Any:
    """A commitment that is over, as the simulator holds it."""
    return SimpleNamespace(state=story.w.now, events=list(enumerate(story.w.events)))


def test_what_is_done_after_a_cancel_was_caught_stays_and_what_was_done_before_does_not() -> None:
    for undone, seen in (("all", "none"), ("none", "all")):
        clause = say.on_failure("cancelled", B, undo=undone)
        document = say.saga(A, say.wait("w"), on_failure=[clause])
        story = say.given(document).done("a").cancelled()
        story = story.undone("a").done("b") if undone == "all" else story.done("b")
        UndoOracle(document).read(story.then(status="cancelled").w.events)
        check_undone(story.w.d, whole(story))
        document["on_failure"][0]["undo"] = seen
        if seen == "all":
            with pytest.raises(AssertionError, match="what is not undone stands: a"):
                UndoOracle(document).read(story.w.events)
            with pytest.raises(AssertionError, match="is cancelled, and a stands"):
                check_undone(load(document, "hash"), whole(story))


def test_so_it_is_where_the_end_waits_for_an_undo_that_came_late() -> None:
    blind = say.step("a", retry={"attempts": 1}, undo={"when": "attempted"})
    document = say.saga(blind, say.wait("w"), on_failure=[say.on_failure("cancelled", B)])
    story = say.given(document).started("a").cancelled().lost("a")
    story.answers("a", "failed", kind="undo", code="no")
    story.control("settle", node="a", outcome="done", evidence="a letter")
    story.late("a").done("b").then(offered=["undo a"]).undone("a").then(status="cancelled")
    UndoOracle(document).read(story.w.events)
    check_undone(story.w.d, whole(story))


def test_a_round_that_is_over_keeps_nothing_unless_its_repeat_says_so() -> None:
    document = say.saga(say.repeat("r", A, max=2, every={"period": "1h"}))
    story = say.given(document).done("a")
    UndoOracle(document).read(story.w.events)
    document["flow"][0]["keep_rounds"] = True
    with pytest.raises(AssertionError, match="is kept, and still stands"):
        UndoOracle(document).read(story.w.events)


def test_items_that_an_update_adds_are_undone_beside_the_others() -> None:
    more = say.update("more", add={"to": "p", "items": "['k2']", "close": "false"})
    items = say.each("p", A, open=True, within="1d", items="['k1']")
    story = say.given(say.saga(items, updates=[more])).done("a").asks("more").done("a").cancelled()
    story.then(undo_commands=["p[k2]/a", "p[k1]/a"])
    UndoOracle(story.w.d.document).read(story.w.events)
