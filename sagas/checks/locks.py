"""Locks are taken in one order: two flows that take them in two orders wait for each other."""

from __future__ import annotations

from sagas.checks.report import Report
from sagas.checks.tree import Document, Node

__all__ = ["check_locks"]


def check_locks(d: Document, report: Report) -> None:
    """Add a lock inside itself, two that lie inside each other, one with two counts of holders."""
    first: dict[tuple[str, str], Node] = {}
    counted: dict[str, Node] = {}
    for node in (node for node in d.nodes if node.kind == "lock"):
        inner = node.doc["lock"]
        _count(counted.setdefault(inner, node), node, report)
        for outer in (f.owner.doc["lock"] for f in node.above() if f.owner.kind == "lock"):
            if outer == inner:
                text = f"{inner} inside itself: {node.name} would wait for its own commitment"
                report.add("def.locks", node, text, "take it once, around both")
                continue
            other = first.get((inner, outer))
            if other is not None:
                text = f"{inner} inside {outer} here, {outer} inside {inner} at {other.template}"
                report.add("def.locks", node, text, "take them in the same order everywhere")
            first.setdefault((outer, inner), node)


def _count(first: Node, node: Node, report: Report) -> None:
    """A lock has as many holders everywhere: the smaller count would hold for both."""
    before, here = first.doc.get("permits", 1), node.doc.get("permits", 1)
    if before != here:
        text = f"{node.doc['lock']} permits {here} here, {before} at {first.template}"
        report.add("def.locks", node, text, "write the same permits everywhere")
