"""What a definition undoes, in which order, if everything was done (semantics section 5)."""

from __future__ import annotations

from typing import Any

from sagas.checks.children import is_revoked
from sagas.checks.tree import Document, Flow, Node

__all__ = ["plan_of", "undo_order", "undoes"]

Json = Any


def plan_of(d: Document) -> list[Json]:
    """The plan, the first to be undone first.

    An item is `{"node", "contract", "participant"}`, or holds plans of its own:
    `{"beside": [...]}` for branches that are undone beside each other, `{"one_of": [...]}` for
    those of which one was taken, `{"rounds": node, "plan": [...]}` for a loop, last round first,
    `{"items": node, "plan": [...]}` for a for_each, whose items are undone beside each other,
    `{"line": node, "plan": [...]}` for `undo_order: reverse`: one by one, as they were done.
    What lies before a pivot is left out: once that is done there is only forward.
    """
    plan = _scope(d.root)
    return _line(plan, "") if "undo_order" in d.doc else plan


def undoes(node: Node) -> bool:
    """Whether a node, once done, leaves anything to undo."""
    return bool(_node(node))


def undo_order(plan: list[Json], member: str = "node") -> list[str]:
    """A plan in one line: a member of each of its items, its node or its contract."""
    names: list[str] = []
    for item in plan:
        if "node" in item:
            names.append(item[member])
        for inner in item.get("beside", item.get("one_of", [item.get("plan", [])])):
            names += undo_order(inner, member)
    return names


def _scope(node: Node) -> list[Json]:
    plan: list[Json] = []
    if node.flow is not None:
        plan += _flow(node.flow)
    return plan


def _flow(flow: Flow) -> list[Json]:
    """A list: the last one first. A pivot drops what is before it."""
    plan: list[Json] = []
    for node in reversed(flow.nodes):
        plan += _node(node)
        if node.is_pivot or (node.kind in ("scope", "approve", "lock") and _sealed(node)):
            break
    return plan


def _sealed(node: Node) -> bool:
    """Whether a block surely does a pivot: then what is before the block is dropped too."""
    nodes = node.flow.nodes if node.flow is not None else []
    sure = [inner for inner in nodes if "when" not in inner.doc]
    return any(n.is_pivot or (n.kind in ("scope", "approve", "lock") and _sealed(n)) for n in sure)


def _node(node: Node) -> list[Json]:
    if node.doc.get("keep"):
        return []
    plan = _inside(node)
    return _line(plan, node.template) if "undo_order" in node.doc else plan


def _line(plan: list[Json], at: str) -> list[Json]:
    """Which comes first is known only once it is done: by completion, the last one first."""
    return [{"line": at, "plan": plan}] if plan else []


def _inside(node: Node) -> list[Json]:
    match node.kind:
        case "child" if is_revoked(node.doc):
            return [{"node": node.template, "contract": "revoke", "participant": node.doc["saga"]}]
        case "step" | "child":
            if node.undo is None:
                return []
            undo = node.undo
            return [{"node": node.template, "contract": undo.name, "participant": undo.participant}]
        case "choose" | "race":
            flows = [branch.flow for branch in node.branches]
            flows += [node.otherwise] if node.otherwise is not None else []
            plans = [plan for flow in flows if (plan := _flow(flow))]
            return [] if not plans else plans[0] if len(plans) == 1 else [{"one_of": plans}]
        case "parallel":
            plans = [plan for b in reversed(node.branches) if (plan := _flow(b.flow))]
            return [] if not plans else plans[0] if len(plans) == 1 else [{"beside": plans}]
        case "repeat":
            plan = _scope(node)
            kept = plan and not node.doc.get("keep_rounds", False)
            return [{"rounds": node.template, "plan": plan}] if kept else []
        case "for_each":
            plan = _scope(node)
            return [{"items": node.template, "plan": plan}] if plan else []
        case "scope" if node.undo_flow is not None:
            return _forward(node.undo_flow)
        case "scope" | "approve" | "lock":
            return _scope(node)
        case _:
            return []


def _forward(flow: Flow) -> list[Json]:
    """An undo_flow: its steps in their own order."""
    plan: list[Json] = []
    for node in flow.nodes:
        if node.contract is not None:
            named = {"contract": node.contract.name, "participant": node.contract.participant}
            plan.append({"node": node.template, **named})
        elif node.kind == "choose":
            flows = [branch.flow for branch in node.branches]
            flows += [node.otherwise] if node.otherwise is not None else []
            plans = [inner for one in flows if (inner := _forward(one))]
            plan += [] if not plans else plans[0] if len(plans) == 1 else [{"one_of": plans}]
        elif node.flow is not None:
            plan += _forward(node.flow)
    return plan
