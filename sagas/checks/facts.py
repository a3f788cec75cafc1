"""Facts about a place of the flow, and what nodes and guards add to them.

("results", "pay"): that name can be read; ("covered", "pay"): a decision that allows this step has
been taken; ("pivot", "pay"): that pivot may be done; ("timely", "signed"): that node, which goes on
when its time is over, was in time; ("out", "size"): the way through that block gave an `out`, of a
parallel ("out", "both.left"). Sure is what holds on every path, maybe what holds on some.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sagas.checks.tree import Flow, Node, frame_of
from sagas.definition import RESULT_KINDS

__all__ = [
    "NOTHING",
    "Fact",
    "State",
    "covers_well",
    "is_late_only",
    "join",
    "narrowed",
    "nodes_of",
    "pivots_in",
    "root_of",
    "yielded",
    "yielded_inside",
    "yields",
]

Fact = tuple[str, str]


@dataclass(frozen=True, slots=True)
class State:
    """The facts at a place; `maybe` holds those that are sure too."""

    sure: frozenset[Fact]
    maybe: frozenset[Fact]

    def with_sure(self, *facts: Fact) -> State:
        return State(self.sure | frozenset(facts), self.maybe | frozenset(facts))

    def with_maybe(self, facts: Iterable[Fact]) -> State:
        return State(self.sure, self.maybe | frozenset(facts))


NOTHING = State(frozenset(), frozenset())


def root_of(node: Node) -> str:
    """Under which root a node's value is read."""
    return {"wait_for": "events", "approve": "decisions"}.get(node.kind, "results")


_YIELDING = RESULT_KINDS | {"wait_for", "approve"}


def yields(node: Node) -> tuple[Fact, ...]:
    """The name under which a node's value can be read; a scope without `out` has none."""
    if node.kind in _YIELDING:
        return ((root_of(node), node.name),)
    if node.kind == "scope" and "out" in node.doc:
        return (("results", node.name),)
    return ()


def is_late_only(node: Node) -> bool:
    """Whether it yields something, `{expired: true}`, only when its time is over."""
    return node.continues and (
        node.kind == "await" or (node.kind == "scope" and "out" not in node.doc)
    )


def covers_well(approve: Node, step: Node) -> bool:
    """Whether the approve's level is enough for the step, and its decision reaches it.

    A decision binds the actions of its own round or run: inside another it knows none.
    """
    wanted = [c.a for c in (step.contract, step.undo) if c is not None and c.a is not None]
    level = max(wanted, default="A0")
    return approve.doc["level"] >= level and frame_of(approve) == frame_of(step)


_ASKED = re.compile(
    r"\s*(!?)\s*(?:has\(\s*(?:results|events|decisions)\.(\w+)\.(\w+)\s*\)"
    r"|decisions\.(\w+)\.(expired))\s*"
)


def narrowed(state: State, guard: str) -> tuple[State, State]:
    """What holds where a guard is true, and where it is false: whether a node was in time."""
    asked = _ASKED.fullmatch(guard)
    if asked is None:
        return state, state
    timely = state.with_sure(("timely", asked[2] or asked[4]))
    if asked[3] == "out":
        timely = timely.with_sure(("out", asked[2]))
    late_when_true = ((asked[3] or asked[5]) == "expired") != bool(asked[1])
    return (state, timely) if late_when_true else (timely, state)


def yielded(flow: Flow | None) -> Iterator[Fact]:
    """What the nodes of a flow may have yielded once it ran, without ended rounds and runs."""
    for node in flow.nodes if flow is not None else ():
        yield from yields(node)
        if node.is_pivot:
            yield ("pivot", node.name)
        if is_late_only(node):
            yield ("results", node.name)
        yield from yielded_inside(node)


def yielded_inside(node: Node) -> Iterator[Fact]:
    """What a block may have yielded inside once it ran, or was stopped."""
    if node.kind in ("repeat", "for_each"):
        yield from pivots_in(node.inside())
        return
    for flow in node.flows():
        if flow.handler is None:
            yield from yielded(flow)
        else:
            yield from pivots_in(nodes_of(flow))


def nodes_of(flow: Flow) -> Iterator[Node]:
    """All nodes of a flow, also those inside of its blocks."""
    for node in flow.nodes:
        yield node
        yield from node.inside()


def pivots_in(nodes: Iterable[Node]) -> list[Fact]:
    """That the pivots among these nodes may be done."""
    return [("pivot", node.name) for node in nodes if node.is_pivot]


def join(states: Iterable[State | None]) -> State | None:
    """What holds behind ways that come together; a way that ends is none."""
    open_ = [state for state in states if state is not None]
    if not open_:
        return None
    sure = open_[0].sure.intersection(*(state.sure for state in open_))
    return State(sure, frozenset[Fact]().union(*(state.maybe for state in open_)))
