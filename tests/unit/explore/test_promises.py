"""What the explorer says of a right engine, and how it finds one that is broken.

Each breakage is planted into the real decide; the explorer must find it, by the shortest run.
"""

from __future__ import annotations

from typing import Any

import pytest

from domain.events import EffectRetried
from sagas.decide import approvals, effects, stopping, undoing
from sagas.decide.machine import Machine
from sagas.definition import Contract
from sagas.explore import Bounds, Result, as_lines, as_mermaid, explore
from tests.semantics.language import (
    approve,
    branch,
    each,
    fail,
    parallel,
    repeat,
    saga,
    scope,
    sleep,
    step,
    wait,
)

Json = Any
PAIR = saga(step("book", undo=True), step("pay"))
GATED = saga(approve("manager", step("pay", risk="R2", level="A2", unknown="ask"), level="A2"))


def said(result: Result) -> list[str]:
    """The messages of the run that breaks, in words."""
    assert result.broken is not None
    return [one.move.text for one in result.broken.way() if one.move is not None]


def test_a_right_definition_is_explored_to_the_end() -> None:
    result = explore(PAIR)
    assert (result.broken, result.why) == (None, "")
    assert result.is_complete
    assert set(result.ends) == {"fulfilled", "failed", "compensated", "cancelled"}


def test_every_way_to_end_of_a_gated_step_is_found() -> None:
    result = explore(GATED)
    assert result.broken is None, result.why
    assert result.is_complete
    assert set(result.ends) == {"fulfilled", "failed", "cancelled"}


def test_the_same_definition_gives_the_same_exploration() -> None:
    one, other = explore(PAIR), explore(PAIR)
    assert (one.states, one.moves, one.ends) == (other.states, other.moves, other.ends)


def test_debts_of_one_list_are_retried_in_every_order() -> None:
    once = {"retry": {"attempts": 1}}
    flow = step("a", undo=once), step("b", undo=once), fail("c", "no")
    result = explore(saga(*flow, on_debt="continue"), Bounds(attempts=1, retried_debts=2))
    assert result.broken is None, result.why
    assert result.is_complete


def test_what_lies_beyond_the_bounds_is_said() -> None:
    loop = saga(repeat("touches", step("send"), sleep("pause", "1d"), max=50))
    assert explore(loop).reached == [
        "rounds of touches: 2 of 50 (rounds)", "attempts of each step and undo: 2 (attempts)"
    ]  # fmt: skip
    cut = explore(PAIR, Bounds(states=5))
    assert not cut.is_complete
    assert "states were looked at, and more were left" in cut.cut[0]


# --- broken engines --------------------------------------------------------------------------


def test_undoing_in_forward_order_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undoing, "ready", lambda m, base, entries: [min(entries)])
    document = saga(step("a", undo=True), step("b", undo=True), step("c"))
    result = explore(document, Bounds())
    assert result.why == "a is undone while b stands: that one comes first"
    assert said(result) == [
        "the start", "a is done {}", "cancel", "b is done {}",
    ]  # fmt: skip


def test_an_undo_that_is_forgotten_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "undo_entry", lambda m, path, node, result: None)
    result = explore(PAIR)
    assert result.why == "book is done, and nothing is kept to undo it"
    assert said(result) == ["the start", "book is done {}"]


def test_a_gated_command_without_a_decision_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Contract, "gated", property(lambda self: False))
    document = saga(step("check"), step("pay", risk="R2", level="A1", unknown="ask"))
    result = explore(document)
    assert result.why == "pay is commanded without a decision for exactly this action"
    assert said(result) == ["the start", "check is done {}"]


def test_a_seat_that_nobody_took_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A2 wants two people; this engine is content with the first."""
    monkeypatch.setattr(approvals, "missing_seats", lambda asked: [])
    result = explore(GATED)
    assert result.why == "manager/pay is commanded without a decision for exactly this action"
    assert said(result) == ["the start", "function_head-1: approve manager"]


def test_a_stop_that_never_ends_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "check_stops", lambda m: None)
    result = explore(PAIR)
    assert "nothing moves it any more" in result.why
    assert said(result)[-1] != "the start"


def test_an_effect_that_is_left_behind_at_the_end_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It undoes nothing: the commitment ends compensated, and what was done stands."""
    monkeypatch.setattr(
        undoing, "begin", lambda m, t, cause, _=(): stopping.after_undo(m, t, cause)
    )
    result = explore(PAIR, Bounds())
    assert result.broken is not None
    assert said(result) == ["the start", "cancel", "book is done {}"]


def test_a_second_attempt_that_nothing_would_undo_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The probe said that the first was not done, so what was entered for it has gone."""
    emit = Machine.emit

    def forgetful(m: Machine, cls: Any, **values: Json) -> None:
        emit(m, cls, **(values | {"undo": None} if cls is EffectRetried else values))

    monkeypatch.setattr(Machine, "emit", forgetful)
    retry = {"attempts": 2, "first": "1s"}
    asked: Json = {"risk": "R1", "unknown": "probe", "probe": True, "retry": retry}
    result = explore(saga(step("book", undo={"when": "attempted"}, **asked)))
    assert result.why == "book is tried again, and nothing would undo it"
    monkeypatch.setattr(Machine, "emit", emit)
    assert explore(saga(step("book", undo={"when": "attempted"}, **asked))).broken is None


# --- what is left out ------------------------------------------------------------------------


def test_equal_branches_and_items_are_looked_at_once() -> None:
    """Which of two equal ones is done first makes no difference, so it is not looked at twice."""

    def both(*names: str) -> Json:
        document = saga(parallel("both", *(branch(n, step(f"{n}_do", undo=True)) for n in names)))
        contract = document["contracts"][f"shop/{names[0]}_do@1"]
        equal = {"shop/do@1": contract, "shop/do@1:undo": contract}
        for made in document["flow"][0]["branches"]:
            made["flow"][0]["contract"] = "shop/do@1"
            made["flow"][0]["undo"]["contract"] = "shop/do@1:undo"
        return {**document, "contracts": equal}

    alike = explore(both("one", "two"))
    apart = both("one", "two")
    apart["flow"][0]["branches"][1]["flow"][0]["timeout"] = "2m"
    different = explore(apart)
    assert alike.broken is None, alike.why
    assert different.broken is None, different.why
    assert alike.states < 0.7 * different.states
    assert alike.ends.keys() == different.ends.keys()


def test_items_of_a_list_and_events_are_explored() -> None:
    listed = each("parties", step("grant", undo=True), items="['a', 'b']", max_items=2)
    result = explore(saga(scope("part", listed, wait("signed", within="3d"))))
    assert result.broken is None, result.why
    assert result.is_complete
    assert {"fulfilled", "compensated", "cancelled"} <= result.ends.keys()


# --- how a run is drawn ----------------------------------------------------------------------


def test_a_run_is_drawn_as_a_sequence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "undo_entry", lambda m, path, node, result: None)
    result = explore(PAIR)
    assert result.broken is not None
    run = result.broken.way()
    assert as_lines(run, result.why) == [
        "  1 events → the start",
        "             troth → shop: book",
        "  2 shop   → book is done {}",
        "             troth → shop: pay",
        "  ✗ book is done, and nothing is kept to undo it",
    ]
    assert as_mermaid(run, result.why).splitlines() == [
        "sequenceDiagram",
        "  participant troth",
        "  participant p1 as events",
        "  participant p2 as shop",
        "  p1->>troth: the start",
        "  troth->>p2: book",
        "  p2->>troth: book is done {}",
        "  troth->>p2: pay",
        "  Note over troth: book is done, and nothing is kept to undo it",
    ]
