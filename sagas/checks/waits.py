"""Waits end, and what triggers a race has no effect of its own."""

from __future__ import annotations

from sagas.checks.report import Report
from sagas.checks.tree import Document, Flow, Node

__all__ = ["check_waits"]

_TRIGGERS = frozenset({"wait_for", "sleep", "await", "approve", "task"})
_RESTING = frozenset({"wait_for", "await", "approve", "task"})


def check_waits(d: Document, report: Report) -> None:
    """Add waits that may last for ever, triggers that are effects, and a choose without else."""
    for node in d.nodes:
        rests = node.kind in _RESTING or bool(node.doc.get("open"))  # a list that takes more
        if rests and not _ends(node):
            text = f"{_word(node)} {node.name} has no within and no scope with a deadline"
            report.add("def.endless", node, text)
        if node.kind == "race":
            _triggers(node, report)
        if node.kind == "choose" and node.otherwise is None:
            report.add("def.no_else", node, f"choose {node.name} has no else")


def _word(node: Node) -> str:
    return {"wait_for": "wait", "for_each": "open list"}.get(node.kind, node.kind)


def _ends(node: Node) -> bool:
    """Whether some time limits the wait: its own, a block's, a deadline, or a rival in a race."""
    if "within" in node.doc:
        return True
    for flow in node.above():
        owner = flow.owner
        # An approve's own time is for the decision, not for the flow behind it; that of a block
        # whose losers run on ends when it is joined.
        runs_on = owner.doc.get("losers") == "run_on"
        if "within" in owner.doc and owner.kind != "approve" and not runs_on:
            return True
        # In on_failure the deadline of that scope may be what failed.
        if "deadline" in owner.doc and flow.role != "clause":
            return True
        if flow.role == "trigger" and _rival_ends(flow, node):
            return True
    return False


def _rival_ends(flow: Flow, node: Node) -> bool:
    triggers = [b.trigger for b in flow.owner.branches if b.trigger is not None]
    rivals = [t for t in triggers if t is not node and t.kind in _TRIGGERS]
    return node in triggers and any(t.kind == "sleep" or "within" in t.doc for t in rivals)


def _triggers(node: Node, report: Report) -> None:
    for branch in node.branches:
        trigger = branch.trigger
        if trigger is None:
            continue
        if trigger.kind not in _TRIGGERS:
            text = f"trigger of race {node.name} is a {trigger.kind}"
            do = (
                "use parallel any" if trigger.kind == "step" else "use what waits, such as wait_for"
            )
            report.add("def.race_effect", trigger, text, do)
        elif trigger.flow is not None:
            text = (
                f"trigger {trigger.name} of race {node.name} has a flow, which would run too soon"
            )
            report.add(
                "def.race_effect", trigger, text, "put the flow into the branch, and use for"
            )
