"""Locks are taken in one order, and once: else two flows, or one alone, wait for ever."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping

from sagas.checks.report import Report
from sagas.checks.tree import Document, Node
from sagas.checks.undo import undoes

__all__ = ["Pair", "check_locks", "check_undo_under_locks", "locks_around", "orders",
           "way_of"]  # fmt: skip

Pair = tuple[str, str]
"""A lock, and one that is taken inside it."""


def check_locks(d: Document, report: Report) -> None:
    """Add a lock inside itself, some that lie inside each other, one with two counts of holders."""
    counted: dict[str, Node] = {}
    for node in (node for node in d.nodes if node.kind == "lock"):
        _count(counted.setdefault(node.doc["lock"], node), node, report)
    check_undo_under_locks(d, report)
    _orders(d, report)


def orders(d: Document) -> dict[Pair, Node]:
    """Which lock is taken inside which, also to undo, and the first node at which it is."""
    return _orders(d, Report({}))


def _orders(d: Document, report: Report) -> dict[Pair, Node]:
    first: dict[Pair, Node] = {}
    for node in (node for node in d.nodes if node.kind == "lock"):
        inner = node.doc["lock"]
        for outer in locks_around(node):
            if outer == inner:
                text = f"{inner} inside itself: {node.name} would wait for its own commitment"
                report.add("def.locks", node, text, "take it once, around both")
                continue
            way = way_of(first, inner, outer)
            if way:
                text = f"{inner} inside {outer} here, {_told(first, way)}"
                report.add("def.locks", node, text, "take them in the same order everywhere")
            first.setdefault((outer, inner), node)
    _order_of_undoing(d, first, report)
    return first


def locks_around(node: Node) -> list[str]:
    """The names of the locks around a node, the innermost first."""
    return [flow.owner.doc["lock"] for flow in node.above() if flow.owner.kind == "lock"]


def way_of(pairs: Iterable[Pair], start: str, end: str) -> list[Pair]:
    """The shortest way from a lock to one that is taken somewhere inside it; empty if none is."""
    inside: dict[str, list[str]] = {}
    for outer, inner in pairs:
        inside.setdefault(outer, []).append(inner)
    ways: deque[list[Pair]] = deque([[]])
    seen = {start}
    while ways:
        way = ways.popleft()
        last = way[-1][1] if way else start
        for inner in inside.get(last, ()):
            if inner == end:
                return [*way, (last, inner)]
            if inner not in seen:
                seen.add(inner)
                ways.append([*way, (last, inner)])
    return []


def _told(first: Mapping[Pair, Node], way: Iterable[Pair]) -> str:
    return ", ".join(f"{b} inside {a} at {first[a, b].template}" for a, b in way)


def check_undo_under_locks(d: Document, report: Report) -> None:
    """Add each undo under a lock of what was done under that lock another time.

    It would take the lock again, and wait for itself.
    """
    for node in (node for node in d.nodes if node.kind == "undo"):
        _undo(d, node, report)


def _order_of_undoing(d: Document, first: dict[Pair, Node], report: Report) -> None:
    """Add each undo that takes a lock again under another one, where the order is the other way.

    `first` says where each lock is first taken inside another; what undoing takes is added.
    """
    for node in (node for node in d.nodes if node.kind == "undo"):
        target = d.by_name.get(node.doc["of"])
        held = set(locks_around(node))
        again = {lock.doc["lock"] for lock in _taken_again(node, target)} if target else set[str]()
        for outer, inner in sorted((a, b) for a in held for b in again - held):
            first.setdefault((outer, inner), node)
            way = way_of(first, inner, outer)
            if way:
                text = f"{node.name} undoes under {outer} what was done under {inner}, "
                text += _told(first, way)
                report.add("def.locks", node, text, "put the undo behind the lock")


def _taken_again(undo: Node, target: Node) -> Iterator[Node]:
    """The locks that undoing `target` takes: those inside, and those around it alone."""
    for lock in target.inside():
        if lock.kind == "lock" and undoes(lock):
            yield lock
    if not undoes(target):
        return
    around = [flow.owner for flow in undo.above()]
    owners = [target, *(flow.owner for flow in target.above())]
    for owner in owners:
        if owner.kind == "lock" and not any(owner is one for one in around):
            yield owner


def _undo(d: Document, node: Node, report: Report) -> None:
    target = d.by_name.get(node.doc["of"])
    around = {f.owner.doc["lock"]: f.owner for f in node.above() if f.owner.kind == "lock"}
    for name, held in around.items():
        for other in (n for n in d.nodes if n.kind == "lock" and n.doc["lock"] == name):
            if target is not None and _is_another(target, held, other):
                text = f"{node.name} undoes under {name} what was done under {name} before"
                report.add("def.locks", node, text, f"put the undo behind {held.name}")
                return


def _is_another(target: Node, held: Node, other: Node) -> bool:
    """Whether undoing `target` takes the lock of `other`, while it is held by `held`."""
    if other is target:
        return other is not held
    if any(flow.owner is other for flow in target.above()):
        return other is not held and undoes(target)
    flows = list(other.above())
    place = next((i for i, flow in enumerate(flows) if flow.owner is target), None)
    if place is None:
        return False
    between = flows[: place + 1]
    again = any(f.handler is not None or f.owner.kind in ("repeat", "for_each") for f in between)
    return other is not held or again


def _count(first: Node, node: Node, report: Report) -> None:
    """A lock has as many holders everywhere: the smaller count would hold for both."""
    before, here = first.doc.get("permits", 1), node.doc.get("permits", 1)
    if before != here:
        text = f"{node.doc['lock']} permits {here} here, {before} at {first.template}"
        report.add("def.locks", node, text, "write the same permits everywhere")
