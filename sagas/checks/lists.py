"""Lists that take more items: who adds is where the list may be open, and something closes it."""

from __future__ import annotations

from sagas.checks.report import Report
from sagas.checks.tree import Document, Flow, Node
from sagas.schema_refs import closest

__all__ = ["check_lists", "may_be_open"]


def check_lists(d: Document, report: Report) -> None:
    """Add adds to what takes nothing, open lists that nothing can close, and wrong joins."""
    closed = {node.name for node in d.nodes if "close_when" in node.doc}
    for node in d.nodes:
        if node.kind == "add":
            _add(d, node, report)
            if "close" in node.doc:
                closed.add(node.doc["to"])
    closed |= _closed_by_updates(d)
    for node in d.nodes:
        if node.kind == "for_each" and node.doc.get("open") and node.name not in closed:
            text = f"list {node.name} is open and nothing can close it"
            report.add("def.open_list", node, text)
        elif node.kind == "for_each" and "close_when" in node.doc and not node.doc.get("open"):
            text = f"list {node.name} has close_when and is not open"
            report.add("def.open_list", node, text, "write open: true, or leave close_when out")


def _closed_by_updates(d: Document) -> set[str]:
    """Lists that an update can close."""
    adds = [update.get("add") for part in (d.doc, *(n.doc for n in d.nodes))
            for update in part.get("updates", ())]  # fmt: skip
    return {add["to"] for add in adds if isinstance(add, dict) and "close" in add}


def _add(d: Document, node: Node, report: Report) -> None:
    name = node.doc["to"]
    target = d.by_name.get(name)
    if target is None or target.kind != "for_each":
        lists = [n.name for n in d.nodes if n.kind == "for_each"]
        text = f"{node.name} adds to {name}: no for_each of that name{closest(name, lists)}"
        report.add("def.unbound", node, text, "name a for_each of this definition")
    elif not target.doc.get("open"):
        text = f"{node.name} adds to {name}, which is not open"
        report.add("def.open_list", node, text, f"write open: true at {name}")
    elif not may_be_open(node, target):
        text = f"{node.name} adds to {name}, which is not open here"
        report.add("def.target", node, text, f"put it into {name}, a branch beside it or a handler")
    elif not {"items", "close"} & node.doc.keys():
        text = f"{node.name} adds nothing to {name} and does not close it"
        report.add("def.shape", node, text, "give items, close or both")


def may_be_open(node: Node, target: Node) -> bool:
    """Whether `target` may be open while the node runs: around it, or in a part beside it."""
    around = {flow.owner: flow for flow in node.above()}
    if target in around:
        return True
    for flow in target.above():
        mine = around.get(flow.owner)
        if mine is not None:
            return mine is not flow and _beside(mine, flow)
    return False


def _beside(mine: Flow, its: Flow) -> bool:
    """Whether two flows of one block may run at the same time."""
    owner = mine.owner
    if owner.kind == "parallel":
        return True
    return any(
        flow.handler is not None and not flow.handler.interrupts and other.clause is None
        and (other.handler is None or not other.handler.interrupts)
        for flow, other in ((mine, its), (its, mine))
    )  # fmt: skip
