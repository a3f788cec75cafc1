"""What is left out of an exploration loses nothing: without it the same ends and faults are found.

Small definitions are explored twice: with every reduction, and with each state counted for itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings

from domain.events import EffectRetried
from sagas.decide import approvals, effects, kept, stopping, undoing
from sagas.decide.machine import Machine
from sagas.definition import Contract
from sagas.explore import NARROW, Bounds, Result, explore
from tests.semantics.language import (
    approve,
    branch,
    cancel,
    child,
    choose,
    each,
    fail,
    handler,
    on_failure,
    parallel,
    put,
    race,
    repeat,
    saga,
    scope,
    step,
    undo,
    update,
    wait,
)
from tests.strategies.definitions import KINDS, definitions
from tests.unit.explore.test_catalogue import FILES

Json = Any
Plant = Callable[[pytest.MonkeyPatch], None]
STATES_MAX = 700
"""States of a drawn definition, each counted for itself; what has more is drawn anew."""
OK = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
SMALL = Bounds(attempts=1, rounds=1, beside=1, retried_debts=0, values=3, states=20_000)


def both(document: Json, bounds: Bounds) -> tuple[Result, Result]:
    return explore(document, bounds), explore(document, bounds, is_reduced=False)


def length(result: Result) -> int | None:
    """The messages of the run that breaks, but for starts and the times of next attempts.

    One of the searches has no starts, and in it a next attempt begins at once.
    """
    if result.broken is None:
        return None
    said = [one.move.text for one in result.broken.way() if one.move is not None]
    return sum(not text.endswith(" starts") and "retry of " not in text for text in said)


@given(definitions(nodes_max=4, kinds=KINDS - {"child"}))
@settings(
    max_examples=25, deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large
    ],
)  # fmt: skip
def test_drawn_definitions_have_the_same_ends(document: Json) -> None:
    bounds = Bounds(attempts=1, rounds=1, beside=1, items=2, values=2, states=STATES_MAX)
    plain = explore(document, bounds, is_reduced=False)
    assume(plain.is_complete or plain.broken is not None)
    reduced = explore(document, bounds)
    assert (reduced.why, length(reduced)) == (plain.why, length(plain))
    assert reduced.ends.keys() == plain.ends.keys()
    assert reduced.broken is not None or reduced.waits == plain.waits
    assert reduced.states <= plain.states


PAIR = [branch(name, step(f"{name}_do", undo=True)) for name in ("one", "two")]
DEFINITIONS: dict[str, Json] = {
    "branches": saga(parallel("both", *PAIR), step("last")),
    "items": saga(each("e", step("grant", undo=True), items="['p', 'q']"), step("last")),
    "items of which one is another": saga(
        each(
            "e",
            choose("way", branch("it", step("grant", undo=True), when="each.e.key == 'p'"),
                   otherwise=[step("other")]),
            items="['p', 'q']",
        )
    ),
    "a result that is read late": saga(
        step("ask", result=OK), step("book", undo=True),
        choose("way", branch("yes", step("pay"), when="results.ask.ok"), otherwise=[step("no")]),
    ),
    "a var that a handler sets": saga(
        scope("s", wait("w"), handlers=[handler("h", "rings", put("note", n="vars.n + 1"))]),
        choose("way", branch("yes", step("pay"), when="vars.n > 0"), otherwise=[step("no")]),
        vars={"n": {"schema": {"type": "integer"}, "initial": 0}},
    ),
    "a handler beside a step": saga(
        scope("s", step("a", undo=True), handlers=[handler("h", "rings", step("b", undo=True))])
    ),
    "an undo that reads a result": saga(
        step("ask", result=OK), step("book", undo={"args": {"why": "results.ask.ok"}}, why=True),
        step("last"),
    ),
    "rounds": saga(repeat("r", step("a", undo=True, result=OK), max=2, until="results.a.ok")),
    "updates": saga(step("a", undo=True), step("last"),
                    updates=[update("change", step("b", undo=True), schema=OK)]),
    "a gate": saga(approve("ok", step("pay", risk="R1", level="A1", undo=True)), step("last")),
    "a probe": saga(step("a", risk="R1", unknown="probe", probe=True, undo=True), step("last")),
    "a pivot beside a step": saga(
        parallel(
            "p", branch("x", step("a", undo=True)), branch("y", step("b", irreversible="pivot"))
        )
    ),
    "a race": saga(
        race("r", branch("x", step("a", undo=True), on=wait("w")), branch("y", on=wait("v"))),
        step("last"),
    ),
    "a part that is undone by a clause": saga(
        scope(
            "s",
            parallel("p", PAIR[0], branch("y", step("b"), fail("f", "no"))),
            on_failure=[on_failure("business:no", step("c", undo=True), undo="all")],
        ),
        step("last"),
    ),
    "an interrupt that undoes": saga(
        scope("s", step("a", undo=True), step("b"),
              handlers=[handler("h", "rings", step("c"), mode="interrupt", undo="all")]),
        step("last"),
    ),
    "items of which one is cancelled": saga(
        scope("s", each("e", step("grant", undo=True), items="['p', 'q']", on_item="collect"),
              handlers=[handler("h", "rings", cancel("drop", "e", item="'p'"))]),
    ),
    "a gate for each item": saga(
        each("e", approve("ok", step("pay", risk="R1", level="A1", undo=True), within="1d"),
             items="['p', 'q']", on_item="collect"),
    ),
    "an undo that the flow asks for": saga(step("a", undo=True), undo("back", "a"), step("last")),
    "a child": saga(step("a", undo=True), child("kid"), step("last")),
    "a late answer in a block that keeps": saga(
        scope("s", step("a", undo=True), on_failure=[on_failure("*")], keep=True), step("last")
    ),
    "rounds that are kept": saga(
        repeat(
            "r",
            parallel("p", *PAIR, join="any", losers="run_on"), step("b", undo=True),
            max=1, keep_rounds=True, on_max="continue",
        ),
        step("last"),
    ),
    "a list that keeps what runs on in it": saga(
        each("e", step("grant", undo=True), items="['p', 'q']", join="any", losers="run_on",
             keep=True),
        step("last"),
    ),
    "an undo_flow beside an undo under way": saga(
        scope("s", step("a", undo=True), on_failure=[on_failure("*", step("b"))],
              undo_flow=[step("u")]),
        step("last"),
    ),
    "an undo_flow in an update": saga(
        step("a"), updates=[update("more", scope("s", step("b", undo=True), undo_flow=[step("u")]))]
    ),
    "a handler that asks what is done": saga(
        step("a", undo=True), step("b"),
        handlers=[handler("h", "rings", step("c", when="done('a')"), step("d"))],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DEFINITIONS)
def test_every_part_of_the_language_has_the_same_ends(name: str) -> None:
    reduced, plain = both(DEFINITIONS[name], SMALL)
    assert plain.broken is None, plain.why
    assert reduced.broken is None, reduced.why
    assert plain.is_complete
    assert reduced.is_complete
    assert (reduced.ends.keys(), reduced.waits) == (plain.ends.keys(), plain.waits)
    assert reduced.states <= plain.states


TRIED: dict[str, Json] = {
    name: DEFINITIONS[name] for name in ("a gate", "a race", "an undo that the flow asks for")
} | {
    "an undo that gives no reply": saga(step("a", undo=True), step("b")),
    "a pivot tried twice": saga(step("a", undo=True), step("b", irreversible="pivot"), step("c")),
    "tried twice, undone as attempted": saga(step("a", undo={"when": "attempted"}), step("b")),
    "a debt retried beside an undo under way": saga(
        scope(
            "s",
            step("a", undo={"when": "attempted"}),
            handlers=[handler("h", "rings", step("b", undo=True))],
        ),
        on_debt="continue",
    ),
    "a handler tried beside a step": saga(
        scope("s", step("a", undo=True), handlers=[handler("h", "rings", step("b"))])
    ),
}


@pytest.mark.parametrize("name", TRIED)
def test_what_is_tried_twice_has_the_same_ends(name: str) -> None:
    """Late answers, lost undos, and stops while an effect waits for its next attempt."""
    reduced, plain = both(TRIED[name], replace(SMALL, attempts=2, retried_debts=1))
    assert (reduced.why, plain.why) == ("", "")
    assert reduced.is_complete
    if plain.is_complete:
        assert (reduced.ends.keys(), reduced.waits) == (plain.ends.keys(), plain.waits)
    assert reduced.states * 2 < plain.states


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_the_catalogue_has_the_same_ends(file: Path) -> None:
    """Of the built-in sagas those that are small enough without any reduction."""
    reduced, plain = both(
        json.loads(file.read_text("utf-8")), replace(NARROW, states=STATES_MAX * 2)
    )
    assert (reduced.why, plain.why) == ("", "")
    assert reduced.is_complete
    if plain.is_complete:
        assert (reduced.ends.keys(), reduced.waits) == (plain.ends.keys(), plain.waits)


# --- planted faults: each is found with and without, by a run that is as short ---------------


def forward(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(undoing, "ready", lambda m, base, entries: [min(entries)])


def forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(effects, "undo_entry", lambda m, path, node, result: None)


def ungated(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Contract, "gated", property(lambda self: False))


def half_seated(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(approvals, "missing_seats", lambda asked: [])


def stuck(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(stopping, "check_stops", lambda m: None)


def left_behind(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(undoing, "begin", lambda m, t, cause, _=(): stopping.after_undo(m, t, cause))


def not_entered_again(patch: pytest.MonkeyPatch) -> None:
    emit = Machine.emit

    def forgetful(m: Machine, cls: Any, **values: Json) -> None:
        emit(m, cls, **(values | {"undo": None} if cls is EffectRetried else values))

    patch.setattr(Machine, "emit", forgetful)


def unkept(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(kept, "block_is_over", lambda *_: None)


RETRIED: Json = {
    "risk": "R1", "unknown": "probe", "probe": True, "retry": {"attempts": 2, "first": "1s"},
}  # fmt: skip
PAID: Json = approve("ok", step("pay", risk="R2", level="A2", unknown="ask"), level="A2")
PLANTED: dict[str, tuple[Plant, Json, str]] = {
    "undone forwards": (
        forward, saga(step("a", undo=True), step("b", undo=True), step("c")), "while b stands"
    ),
    "undone forwards in items": (
        forward,
        saga(each("e", step("a", undo=True), step("b", undo=True), items="['p', 'q']"), step("c")),
        "stands",
    ),
    "an undo forgotten in a branch": (forgotten, DEFINITIONS["branches"], "nothing is kept"),
    "an undo forgotten in a handler": (
        forgotten, DEFINITIONS["a handler beside a step"], "nothing is kept"
    ),
    "a gate left open": (
        ungated, saga(step("a"), step("pay", risk="R2", level="A1", unknown="ask")),
        "without a decision",
    ),
    "a seat left empty": (half_seated, saga(parallel("p", *PAIR), PAID), "without a decision"),
    "a block that keeps nothing": (
        unkept, saga(scope("s", step("a", undo=True), keep=True), step("c")), "a is kept"
    ),
    "a stop without end": (stuck, DEFINITIONS["branches"], "nothing moves it"),
    "nothing undone": (left_behind, DEFINITIONS["items"], "stand"),
    "a second attempt forgotten": (
        not_entered_again, saga(step("a", undo={"when": "attempted"}, **RETRIED)), "tried again"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found_by_as_short_a_run(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant, document, why = PLANTED[name]
    plant(monkeypatch)
    reduced, plain = both(document, Bounds(states=20_000))
    assert why in reduced.why
    assert why in plain.why
    assert length(reduced) == length(plain)


def test_the_catalogue_shrinks_by_what_is_left_out() -> None:
    """A guard on the reductions themselves: a key that reads too much again shows here."""
    document = DEFINITIONS["branches"]
    reduced, plain = both(document, NARROW)
    assert reduced.states * 2 < plain.states
