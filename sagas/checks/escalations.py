"""Escalations: whom they call could decide there, and the call comes before the time is over."""

from __future__ import annotations

from domain.durations import duration_us
from domain.seats import LEVELS, may_stand_in
from sagas.checks.report import Report
from sagas.checks.tree import Document, Node

__all__ = ["check_escalations"]


def check_escalations(d: Document, report: Report) -> None:
    """Add calls that come too late, and calls of a seat that may not decide at the level."""
    for node in d.nodes:
        for call in node.doc.get("escalate", ()):
            _late(node, call["after"], report)
            if node.kind == "approve":
                _powerless(node, call["to"], report)


def _late(node: Node, after: str, report: Report) -> None:
    within = node.doc.get("within")
    if within is not None and duration_us(after) >= duration_us(within):
        text = f"escalate of {node.name} comes after {after}, when its within of {within} is over"
        report.add("def.escalate", node, text, "escalate earlier")


def _powerless(node: Node, to: str, report: Report) -> None:
    """A called seat takes one of its own, one beyond the level, or one of a level below it."""
    level: str = node.doc["level"]
    of_level = any(to in roles for roles in LEVELS[level])
    if of_level or may_stand_in(to, level) or node.doc.get("needs") or not LEVELS[level]:
        return
    text = f"escalate of {node.name} calls {to}, who may not decide at {level}"
    wanted = " and ".join(" or ".join(roles) for roles in LEVELS[level])
    report.add("def.escalate", node, text, f"call {wanted}, or a seat above that")
