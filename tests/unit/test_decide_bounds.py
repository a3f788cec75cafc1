"""decide never exceeds its bounds: with small ones every run meets them, and none is passed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sagas.decide
from domain.commitment import Commitment
from domain.state import template_of
from sagas import defaults
from sagas.decide import flow
from sagas.decide.machine import Machine
from sagas.definition import Node
from tests.semantics import language as say
from tests.strategies.flows import documents
from tests.unit.test_decide_properties import Driver

Json = Any
MOVES_MAX = 25
SMALL = {
    "MOVES_MAX": 20, "ENTRIES_MAX": 2, "CHILDREN_MAX": 1, "HANDLER_QUEUE_MAX": 1,
    "HANDLER_RUNS_MAX": 2, "DEFERRED_MAX": 1, "PROBES_MAX": 2, "ITEMS_WIDTH_MAX": 1,
}  # fmt: skip
SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)


class _Counting(Machine):
    """A machine that tells how many moves it made."""

    __slots__ = ()
    made: list[Machine] = []  # noqa: RUF012 - one list for the run of a test

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.made.append(self)


def check_bounds(driver: Driver) -> None:
    """Nothing that has a bound is over it; one move more is what finds that the moves are over."""
    c = driver.w.now
    while _Counting.made:
        machine = _Counting.made.pop()
        assert machine.moves <= SMALL["MOVES_MAX"] + 1, f"{machine.moves} moves in a message"
        assert not machine.agenda, "something was left to move"
    assert len(c.children) <= SMALL["CHILDREN_MAX"]
    for handler, queue in c.queues.items():
        assert len(queue) <= SMALL["HANDLER_QUEUE_MAX"], handler
    for effect in c.effects.values():
        assert effect.probes <= SMALL["PROBES_MAX"], effect.node
        retry = driver.w.d.node_at(effect.node).retry
        if effect.kind == "do" and retry is not None:
            assert effect.attempt <= retry.attempts + c.debt_count + 1, effect.node
    _check_lists(driver, c)


def _check_lists(driver: Driver, c: Commitment) -> None:
    for path, instance in c.nodes.items():
        node = driver.w.d.by_template.get(template_of(path))
        if not isinstance(node, Node) or node.kind != "for_each" or path.endswith("]"):
            continue
        begun = [p for p in c.nodes if p.startswith(f"{path}[") and "]/" not in p[len(path) :]]
        assert len(begun) <= node.doc.get("width", SMALL["ITEMS_WIDTH_MAX"]), path
        assert len(instance.guards) <= node.doc.get("max_items", defaults.ITEMS_MAX), path


def test_what_is_under_way_counts_as_an_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two steps beside each other, and one that may have to be undone: the second is not begun."""
    both = (say.branch(None, say.step(name, undo=True)) for name in "ab")
    monkeypatch.setattr(defaults, "ENTRIES_MAX", 1)
    say.given(say.saga(say.parallel("p", *both))).then(offered=["p/a"], held="p/b")


@settings(max_examples=80, suppress_health_check=SLOW)
@given(documents(), st.data())
def test_decide_never_exceeds_its_bounds(document: Json, data: Any) -> None:
    """What would pass one is held for an operator, or waits, or is refused."""
    with pytest.MonkeyPatch.context() as patched:
        for name, value in SMALL.items():
            patched.setattr(defaults, name, value)
        patched.setattr(sagas.decide, "Machine", _Counting)
        driver = Driver(document)
        check_bounds(driver)
        late = False
        for _ in range(data.draw(st.integers(0, MOVES_MAX), label="moves")):
            if driver.w.now.is_over:
                return
            late |= driver.move(data.draw) == "late"
            check_bounds(driver)
            # A late answer tells of what was done long ago: that must be undone all the same.
            assert late or len(driver.w.now.entries) <= SMALL["ENTRIES_MAX"]


def test_what_is_no_json_cannot_be_kept_and_it_is_said_why() -> None:
    assert flow.too_large(2**70) == "Integer exceeds 64-bit range"
    assert flow.too_large("x" * defaults.VALUE_BYTES_MAX) == "262,146 bytes are over 262,144"
    assert flow.too_large([1]) is None
