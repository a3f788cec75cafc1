"""Children: none starts its own saga without end, and what undoes one needs no decision."""

from __future__ import annotations

from sagas.checks.contracts import classes_of
from sagas.checks.report import Report
from sagas.checks.tree import Document, Flow, Node
from sagas.schema_refs import closest

__all__ = ["always_started", "check_children"]


def check_children(d: Document, report: Report) -> None:
    """Add children that start their own saga always, and undos of children that cannot be."""
    for child in (node for node in d.nodes if node.kind == "child"):
        if child.doc["saga"] == d.doc["saga"] and is_always_reached(child):
            text = f"child {child.name} starts {d.doc['saga']} without when"
            report.add("def.recursion", child, text, "give it a when, or put it into a branch")
        if "undo" in child.doc:
            _undo(d, child, report)


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
