"""What may stand in an undo_flow: what runs by itself, ends soon, and leaves nothing to undo."""

from __future__ import annotations

from sagas.checks.report import Report
from sagas.checks.tree import Document, Node

__all__ = ["check_undo_flows", "in_undo_flow"]

ALLOWED = frozenset({"step", "emit", "sleep", "choose", "repeat", "scope", "fail"})
_OF_A_PART = ("deadline", "while", "handlers", "updates", "undo_flow")
_ADVICE = "leave it out: a person settles what an undo cannot do by itself"


def check_undo_flows(d: Document, report: Report) -> None:
    """Add nodes of undo_flows that wait for others, want a decision, or would have to be undone."""
    for node in d.nodes:
        if node.undo_flow is not None and node.doc.get("keep"):
            text = f"{node.name} keeps what was done, and has an undo_flow"
            report.add("def.undo_flow", node, text, "leave out one of the two")
        if in_undo_flow(node):
            _check(node, report)


def in_undo_flow(node: Node) -> bool:
    """Whether a node runs only to undo a scope around it."""
    return any(flow.role == "undo" for flow in node.above())


def _check(node: Node, report: Report) -> None:
    if node.kind not in ALLOWED:
        text = f"{node.name}: a {node.kind} cannot stand in an undo_flow"
        report.add("def.undo_flow", node, text, _ADVICE)
    for member in _OF_A_PART if node.kind == "scope" else ():
        if member in node.doc:
            text = f"{member} of {node.name} cannot stand in an undo_flow"
            report.add("def.undo_flow", node, text, _ADVICE)
    if node.kind == "step":
        _step(node, report)


def _step(step: Node, report: Report) -> None:
    if "undo" in step.doc:
        text = f"{step.name} undoes, and has an undo of its own"
        report.add("def.undo_flow", step, text, "leave out its undo")
    elif step.contract is not None and step.contract.r == "R3":
        report.add("def.undo_r3", step, f"step {step.name} of an undo_flow is R3")
    elif step.is_pivot:
        report.add(
            "def.undo_flow", step, f"pivot {step.name} cannot stand in an undo_flow", _ADVICE
        )
    elif step.contract is not None and step.contract.gated:
        text = f"{step.contract.classes} step {step.name} of an undo_flow wants a decision"
        report.add("def.undo_flow", step, text, "undo by a step that needs none")
