"""What comes at once, in between, or for nothing: each changes what it should, and no more."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from domain import events as ev
from domain import messages as msg
from sagas import defaults
from tests.semantics.family import Family
from tests.semantics.language import (
    Story,
    branch,
    child,
    each,
    given,
    lock,
    milestone,
    parallel,
    race,
    repeat,
    saga,
    step,
    wait,
)
from tests.semantics.world import World

Json = Any
PARENT = str(UUID(int=7))


def test_a_trigger_that_is_met_at_once_wins_and_those_behind_it_never_wait() -> None:
    there = branch("x", step("a"), on=milestone("there", "true", within="1d"))
    never = branch("y", step("b"), on=wait("rings"))
    given(saga(race("r", there, never))).then(offered=["r/x/a"], waits=["participant"])


def test_a_branch_that_is_undone_is_over_before_the_next_one_begins() -> None:
    """One at a time also means: not beside the undoing of the one before."""
    tried = branch("x", step("a", undo=True), step("b"))
    part = parallel("p", tried, branch("y", step("c")), exclusive="branch", on_branch="collect")
    (
        given(saga(part, step("z")))
        .done("a")
        .failed("b")
        .then(offered=["undo p/x/a"])
        .undone("p/x/a")
        .then(offered=["p/y/c"])
        .done("c")
        .then(offered=["z"])
    )


def test_a_round_that_left_nothing_to_undo_is_kept_without_a_word() -> None:
    part = repeat("r", step("a"), max=2, keep_rounds=True)
    story = given(saga(part, step("z"))).done("a").done("a").then(offered=["z"])
    assert not [e for e in story.w.events if isinstance(e, ev.UndoSealed)]


def test_a_result_that_only_its_defaults_make_too_large_does_not_fit() -> None:
    """What would be recorded counts, not what came: the participant is asked again."""
    large = "x" * (defaults.VALUE_BYTES_MAX - 1_000)
    note = {"type": "string", "default": "y" * 2_000}
    result = {"type": "object", "properties": {"note": note}}
    story = given(saga(step("a", result=result), step("z"))).done("a", {"text": large})
    (waits,) = story.then(waits=["retry"]).w.shown()["waits_for"]
    assert waits["detail"].endswith("with its defaults it is over 262,144 bytes")
    story.after("1m").done("a", {"text": large, "note": ""}).then(offered=["z"])


def test_a_lock_is_asked_for_once_however_much_is_undone_under_it() -> None:
    cut = parallel("p", branch("x", step("cut", undo=True)), branch("y", step("fold", undo=True)))
    f = Family(saga(lock("held", cut), step("ship"), saga="print"))
    f.start("print", key="one")
    f.done("cut").done("fold")
    f.start("print", key="two")
    f.failed("ship", "no")
    assert sorted(f.work) == ["cut", "fold"], "two holds it: nothing of one is undone yet"
    f.done("cut").done("fold")
    assert sorted(f.work) == ["ship", "undo cut", "undo fold"]
    f.done("undo cut").done("undo fold")
    assert f.status("print", key="one") == "compensated business:no"


def test_the_child_of_an_item_gets_what_its_own_item_says() -> None:
    kids = each("l", child("kid") | {"key": "each.l.item", "input": "{'id': each.l.item}"})
    story = given(saga(kids), {"id": "acme", "xs": ["one", "two"]})
    asked = [(e.key, e.input) for e in story.w.events if isinstance(e, ev.ChildAsked)]
    assert asked == [("one", {"id": "one"}), ("two", {"id": "two"})]


# --- what is said once more ------------------------------------------------------------------


def test_an_event_that_is_offered_once_more_is_taken_once() -> None:
    story = given(saga(wait("one", "rings"), wait("two", "rings"))).happens("rings")
    ((key, (position,)),) = story.then(at=["two"]).w.now.taken.items()
    event = {"id": "e1", "source": "test", "type": "rings", "data": {}}
    story.w.send(msg.Offer(key, position, event, story.w.now_us))
    story.then(events=[], at=["two"])
    story.happens("rings").then(status="fulfilled")


def test_a_child_that_refuses_once_more_is_one_debt_and_one_that_is_undone_late_settles_it() -> (
    None
):
    kid = child("kid") | {"on_undo": "revoke"}
    story = given(saga(kid, step("z"))).kid("kid", "fulfilled").failed("z")
    asked = story.w.revoking["kid"]
    no = {"class": "business", "code": "cancel.past_pivot", "message": "no", "node": "x"}
    refused = msg.ChildRevoked("kid", asked, "refused", no)
    story.w.send(refused)
    story.then(debts=["undo kid"])
    story.w.send(refused)
    story.then(events=[], debts=["undo kid"])
    story.w.kid_undoes("kid")
    story.then(debts=[], status="compensated")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_parent_that_is_final_says_so_once_for_good(when: str) -> None:
    """Also while its child still runs: then the child forgets at its end what would undo it."""
    parent = {
        "id": PARENT, "node": "kid", "ask": 1, "depth": 1, "wait": False, "revoke": True,
    }  # fmt: skip
    w = World(saga(step("a", undo=True)))
    w.send(msg.Open("north", "test", 1, "hash", w.key, 1, w.payload, None, parent))
    story = Story(w)
    if when == "after":
        story.done("a").then(status="fulfilled", undo=["a"])
    for _ in range(2):
        w.send(msg.Waive(PARENT))
    if when == "before":
        story.done("a")
    story.then(status="fulfilled", undo=[])
    assert len([e for e in w.events if isinstance(e, ev.RevokeWaived)]) == 1
