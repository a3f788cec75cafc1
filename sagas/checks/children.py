"""Children: none starts its own saga without end, and what undoes one needs no decision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagas.checks.contracts import classes_of
from sagas.checks.report import Report
from sagas.checks.tree import Document, Flow, Node
from sagas.schema_refs import closest

__all__ = ["always_started", "cannot_be_revoked", "check_children", "is_revoked", "pivot_in"]

Json = Any


def check_children(d: Document, report: Report) -> None:
    """Add children that start their own saga always, and undos of children that cannot be."""
    for child in (node for node in d.nodes if node.kind == "child"):
        if child.doc["saga"] == d.doc["saga"] and is_always_reached(child):
            text = f"child {child.name} starts {d.doc['saga']} without when"
            report.add("def.recursion", child, text, "give it a when, or put it into a branch")
        if "undo" in child.doc:
            _undo(d, child, report)
        elif is_revoked(child.doc) and child.doc["saga"] == d.doc["saga"]:
            pivot = pivot_in(d)
            if pivot is not None:
                report.add("def.revoke", child, cannot_be_revoked(child.name, pivot))


def _undo(d: Document, child: Node, report: Report) -> None:
    undo, name = child.undo, child.doc["undo"]["contract"]
    if undo is None:
        text = f"{child.name}: contract {name} is not in the document"
        report.add("def.contract", child, text + closest(name, list(d.contracts)))
        return
    classes_of(child, undo, report)
    if undo.r == "R3":
        report.add("def.undo_r3", child, f"undo {name} of {child.name} is R3")
    elif undo.gated:
        text = f"{undo.classes} undo {name} of child {child.name} is reached without a decision"
        do = "undo it by a step that needs none; what needs one belongs into the child"
        report.add("def.no_approval", child, text, do)


def is_revoked(child: Mapping[str, Json]) -> bool:
    """Whether a child undoes itself: what one that says nothing does."""
    return child.get("on_undo", "contract" if "undo" in child else "revoke") == "revoke"


def pivot_in(d: Document) -> str | None:
    """A step of a saga after which it can no longer be undone."""
    return next((step.name for step in d.steps if step.is_pivot), None)


def cannot_be_revoked(child: str, pivot: str) -> str:
    """What to say of a child that may be past a pivot when it is to undo itself."""
    return f"child {child} cannot be revoked: its step {pivot} is a pivot"


def always_started(d: Document) -> dict[str, Node]:
    """The sagas that every run of this one starts as children, with the node that does."""
    found: dict[str, Node] = {}
    for node in d.nodes:
        if node.kind == "child" and is_always_reached(node):
            found.setdefault(node.doc["saga"], node)
    return found


def is_always_reached(node: Node) -> bool:
    """Whether no guard, branch, handler or failure decides if the node is reached."""
    if "when" in node.doc:
        return False
    return not any(_decides(flow) for flow in node.above())


def _decides(flow: Flow) -> bool:
    owner = flow.owner
    if "when" in owner.doc and owner.kind != "wait_for":
        return True
    if flow.role in ("else", "clause", "handler"):
        return True
    if flow.branch is not None:
        return owner.kind != "parallel" or "when" in flow.branch.doc
    if owner.kind in ("for_each", "approve"):
        return True
    return owner.kind == "repeat" and "while" in owner.doc
