"""What never runs: nodes behind an end, clauses and handlers that others come before."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from sagas.checks.flow import Walk
from sagas.checks.report import Report
from sagas.checks.tree import Document, Handler, Node

__all__ = ["CLASSES", "COMMON", "check_order", "split"]

CLASSES = ("business", "transient", "timeout", "rejected", "deadline",
           "cancelled", "contradicted", "internal")  # fmt: skip
COMMON = frozenset(CLASSES[:5])
"""The classes that `*` means."""


def split(pattern: str) -> tuple[frozenset[str], str]:
    """The classes of a pattern of `on`, and its glob over codes; `*` alone is the common ones."""
    if pattern == "*":
        return COMMON, "*"
    class_, _, glob = pattern.partition(":")
    return frozenset({class_}), glob or "*"


def check_order(d: Document, found: Walk, report: Report) -> None:
    """Add nodes, clauses, branches and handlers that can never run."""
    for node, ended in found.dead:
        report.add("def.dead", node, f"nothing after {ended.name} runs: {node.name}")
    for node in [d.root, *d.nodes]:
        _clauses(node, report)
        _handlers(node, report)
        if node.kind == "choose":
            _branches(node, report)


def _clauses(node: Node, report: Report) -> None:
    earlier: list[str] = []
    for clause in node.clauses:
        for pattern in clause.on:
            if not split(pattern)[0] <= frozenset(CLASSES):
                text = f"on_failure of {node.label}: {pattern} is no class of failures"
                report.add("def.shape", node, text, f"write {', '.join(CLASSES)} or *")
        if all(any(_within(pattern, other) for other in earlier) for pattern in clause.on):
            text = f"clause {clause.number} of {node.label} is never reached"
            report.add("def.shadowed", node, text)
        earlier += clause.on


def _within(pattern: str, other: str) -> bool:
    """Whether everything that `pattern` catches is caught by `other`."""
    classes, glob = split(pattern)
    others, other_glob = split(other)
    # A glob read as a text: `too-*` lies within `*`; what it cannot tell stays untold.
    return classes <= others and (glob == other_glob or fnmatchcase(glob, other_glob))


def _branches(node: Node, report: Report) -> None:
    certain: str | None = None
    for branch in node.branches:
        if certain is not None:
            text = f"branch {branch.name} of {node.name} is never reached: {certain} is always true"
            report.add("def.shadowed", node, text)
        elif str(branch.doc["when"]).strip() == "true":
            certain = branch.name


def _handlers(node: Node, report: Report) -> None:
    """An event goes to one taker: interrupt before beside, then document order."""
    takers = sorted(node.handlers, key=lambda handler: not handler.interrupts)
    for place, handler in enumerate(takers):
        for earlier in takers[:place]:
            if earlier.doc["key"] == handler.doc["key"] and set(_always(earlier)).issuperset(
                handler.doc["events"]
            ):
                text = f"handler {handler.name} is never reached: {earlier.name} takes its events"
                report.add("def.shadowed", handler, text, "give the first one a when")
                break


def _always(handler: Handler) -> Iterator[str]:
    """The events that a handler takes whatever they hold, whenever they come."""
    limited = "max" in handler.doc or handler.doc.get("early") == "transient"
    pivots = handler.interrupts and not handler.doc.get("after_pivot", False)
    if "when" not in handler.doc and not limited and not pivots:
        yield from handler.doc["events"]
