"""Every run of a small definition for each part of the language: none breaks a promise.

Which ends are found shows that nothing was passed over.
"""

from __future__ import annotations

from typing import Any

import pytest

from sagas.explore import LEFT, NARROW, WIDE, Bounds, Result, bounded, explore
from tests.semantics.language import (
    approve,
    branch,
    cancel,
    child,
    choose,
    each,
    fail,
    finish,
    fulfil,
    handler,
    lock,
    milestone,
    on_failure,
    parallel,
    put,
    race,
    repeat,
    saga,
    scope,
    sleep,
    step,
    task,
    undo,
    update,
    wait,
)

Json = Any
OK = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
A, B, C = (step(name, undo=True) for name in "abc")
LAST = step("last")
REVOKED = child("kid") | {"on_undo": "revoke"}
ALL = {"fulfilled", "failed", "compensated", "cancelled"}

PARTS: dict[str, Json] = {
    "task": saga(A, task("look", form=OK, within="1d"), LAST),
    "lock": saga(A, lock("held", B), LAST),
    "lock held too long": saga(A, lock("held", wait("w"), max_hold="1h"), LAST),
    "child": saga(A, child("kid"), LAST),
    "child taken back by a contract": saga(child("kid", undo=True), LAST),
    "child that undoes itself": saga(REVOKED, LAST),
    "child beside": saga(parallel("p", branch("x", REVOKED), branch("y", B))),
    "update": saga(A, LAST, updates=[update("change", B, schema=OK)]),
    "handler": saga(A, wait("w"), handlers=[handler("h", "rings", B)]),
    "handler that interrupts": saga(
        A, scope("s", wait("w"), handlers=[handler("h", "rings", B, interrupt=True)]), LAST
    ),
    "probe": saga(step("a", risk="R1", unknown="probe", probe=True, undo=True), LAST),
    "outcome that a person finds out": saga(
        step("a", risk="R1", unknown="ask", undo={"args": {"why": "result"}}, why=True), LAST
    ),
    "race": saga(
        A, race("r", branch("x", B, on=wait("w")), branch("y", C, on=sleep("s", "1d"))), LAST
    ),
    "deadline": saga(
        A,
        scope(
            "s", B, wait("w"), deadline={"after": "2d"}, on_failure=[on_failure("deadline", C)]
        ),
        LAST,
    ),
    "on_failure": saga(A, scope("s", B, step("d"), on_failure=[on_failure("*", C)]), LAST),
    "on_failure of the whole": saga(A, LAST, on_failure=[on_failure("business", C)]),
    "collected branches": saga(
        parallel("p", branch("x", A), branch("y", B), on_branch="collect"), LAST
    ),
    "branches in order": saga(parallel("p", branch("x", A), branch("y", B, after=["x"])), LAST),
    "undo in one line": saga(
        parallel("p", branch("x", A), branch("y", B)), LAST, undo_order="reverse"
    ),
    "undo in one line in a part": saga(
        scope("s", parallel("q", branch("l", A), branch("m", B)), undo_order="reverse"), LAST
    ),
    "pivot": saga(A, step("p", irreversible="pivot"), LAST),
    "undo that the flow asks for": saga(scope("s", A, B), undo("back", "s"), LAST),
    "undo flow": saga(scope("s", A, undo_flow=[step("u")]), LAST),
    "cancel of a part": saga(
        parallel("p", branch("x", scope("s", A, wait("w"))),
                 branch("y", wait("v"), cancel("stop", "s")))
    ),
    "repeat": saga(repeat("r", step("a", undo=True, result=OK), max=3, until="results.a.ok"), LAST),
    "items in order": saga(
        each("e", A, items="['p', 'q']", after="each.e.key == 'q' ? ['p'] : []"), LAST
    ),
    "debts passed over": saga(A, B, LAST, on_debt="continue"),
}  # fmt: skip
FEWER: dict[str, tuple[Json, set[str]]] = {
    "undo of what was only attempted": (
        saga(step("a", undo={"when": "attempted"}), LAST), {"fulfilled", "compensated", "cancelled"}
    ),
    "finish of a part": (
        saga(
            parallel("p", branch("x", scope("s", wait("w"))),
                     branch("y", wait("v"), finish("f", "s")))
        ),
        {"fulfilled", "cancelled"},
    ),
    "await": (
        saga(
            parallel("p", branch("x", milestone("m", "vars.n == 1"), LAST),
                     branch("y", put("note", n="1"))),
            vars={"n": {"schema": {"type": "integer"}, "initial": 0}},
        ),
        {"fulfilled", "failed", "cancelled"},
    ),
    "collected events": (
        saga(wait("w", collect={"until": "size(events.w) >= 2"}), LAST),
        {"fulfilled", "failed", "cancelled"},
    ),
    "equal branches that wait for people": (
        saga(parallel("p", branch("x", task("x_look")), branch("y", task("y_look")))),
        {"fulfilled", "cancelled"},
    ),
    "throttle that is full": (
        saga(A, step("b", throttle={"name": "crm", "max": 1, "per": "1h"})),
        ALL | {"held for an operator"},
    ),
    "decision that goes out of date": (
        saga(approve("ok", step("pay", risk="R1", level="A1"), fresh_for="1h")),
        {"fulfilled", "failed", "cancelled"},
    ),
}  # fmt: skip
BOUNDS = Bounds(attempts=1, states=6_000)


@pytest.mark.parametrize("part", PARTS)
def test_no_run_breaks_a_promise_and_every_end_is_found(part: str) -> None:
    result = explore(PARTS[part], BOUNDS)
    assert result.broken is None, result.why
    assert result.is_complete
    assert set(result.ends) == ALL


@pytest.mark.parametrize("part", FEWER)
def test_no_run_breaks_a_promise_where_not_every_end_is_possible(part: str) -> None:
    document, ends = FEWER[part]
    result = explore(document, BOUNDS)
    assert result.broken is None, result.why
    assert result.is_complete
    assert set(result.ends) == ends


def test_every_input_is_explored_though_all_begin_in_the_same_place() -> None:
    """What differs in the input alone goes another way at the first condition on it."""
    way = choose("way", branch("bad", fail("f", "no"), when="!input.ok"), otherwise=[fulfil()])
    for first in ([], [sleep("pause", "1d")], [A]):
        result = explore(saga(*first, way, input=OK), BOUNDS)
        assert {"fulfilled", "compensated" if first == [A] else "failed"} <= set(result.ends)


# --- what is not looked at is said -----------------------------------------------------------


def test_attempts_and_rounds_are_cut_to_what_is_explored_and_that_is_said() -> None:
    often: Json = {"retry": {"attempts": 9}}
    document = saga(
        step("once", retry={"attempts": 1}), step("often", **often),
        repeat("r", step("a", undo=often, **often), max=2_000),
    )  # fmt: skip
    cut, said = bounded(document, Bounds(attempts=2, rounds=3))
    assert said == [
        "attempts of each step and undo: 2 (attempts)", "rounds of r: 3 of 2,000 (rounds)"
    ]  # fmt: skip
    once, some, loop = cut["flow"]
    assert [once["retry"]["attempts"], some["retry"]["attempts"], loop["max"]] == [1, 2, 3]
    inner = loop["flow"][0]
    assert [inner["retry"]["attempts"], inner["undo"]["retry"]["attempts"]] == [2, 2]
    assert document["flow"][1]["retry"] == {"attempts": 9}, "the document itself stays as it is"


def test_values_and_runs_beside_that_are_left_out_are_said() -> None:
    number = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    way = choose("way", branch("x", A, when="input.n in [10, 20]"), otherwise=[B])
    document = saga(way, input=number, handlers=[handler(name, name, C) for name in ("one", "two")])
    said = explore(document, Bounds(attempts=1, values=2, beside=1, states=50)).reached
    assert "handlers and updates that run in one scope: 1 (beside)" in said
    assert "input: 2 (values)" in said
    none = {"type": "object", "properties": {"id": {"pattern": "^q$", "type": "string"}},
            "required": ["id"]}  # fmt: skip
    assert explore(saga(A, input=none)).cut == ["input: no value was found for it"]


def test_first_all_is_explored_once_then_twice_as_far_as_there_is_time() -> None:
    both = explore(saga(A, LAST))
    assert both.is_complete
    assert not both.cut
    narrow, wide = (explore(saga(A, LAST), bounds) for bounds in (NARROW, WIDE))
    assert both.states > narrow.states + wide.states, "between them each bound is widened alone"
    assert both.reached == wide.reached

    def until(states: int) -> Result:
        asked = iter(range(10_000))
        return explore(saga(A, LAST), over=lambda: next(asked) >= states)

    for states in (narrow.states, both.states - wide.states):
        late = until(states)
        assert late.is_complete, "what is promised is looked at"
        assert not late.cut
        assert any(text.endswith(LEFT) for text in late.reached)
    at_once = explore(saga(A, LAST), over=lambda: True)
    assert not at_once.is_complete
