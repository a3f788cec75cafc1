"""Targets: what cancel, finish, move and undo name is there when they run."""

from __future__ import annotations

from sagas.checks.report import Report
from sagas.checks.tree import Document, Flow, Node, Update, objects
from sagas.schema_refs import closest

__all__ = ["check_targets", "cut_in"]

MEMBERS = {"cancel": "target", "finish": "target", "move": "timer", "undo": "of"}
"""The member by which each kind names another node."""


def cut_in(d: Document) -> frozenset[Node]:
    """The nodes that may end without being done, for another one cancels or finishes them."""
    cuts = (n for n in d.nodes if n.kind in ("cancel", "finish") and "item" not in n.doc)
    found = (d.by_name.get(cut.doc["target"]) for cut in cuts)
    return frozenset(node for node in found if node is not None)


def check_targets(d: Document, report: Report) -> None:
    """Add targets that are not there, are not open, or belong to somebody else."""
    for update in d.updates:
        _check_update(d, update, report)
    for node in d.nodes:
        member = MEMBERS.get(node.kind)
        if member is None:
            continue
        name = node.doc[member]
        target = d.by_name.get(name)
        if target is None:
            text = f"{member} of {node.name} names {name}: no node of that name"
            do = "name a node of this definition"
            report.add("def.unbound", node, text + closest(name, d.by_name), do)
        else:
            _check(node, target, report)


def _check_update(d: Document, update: Update, report: Report) -> None:
    """What an update sets, moves and adds to is there."""
    for name in objects(update.doc, "set"):
        known = objects(d.doc, "vars")
        if name not in known:
            text = f"{update.name} sets {name}, which is not declared{closest(name, known)}"
            report.add("def.unbound", update, text, "declare it in vars, or correct its name")
    for move in update.moves:
        target = d.by_name.get(move["timer"])
        if target is None:
            text = f"{update.name} moves {move['timer']}: no node of that name"
            do = "name a node of this definition"
            report.add("def.unbound", update, text + closest(move["timer"], d.by_name), do)
        elif not _timed(target) or not _is_in_reach(target, update.scope):
            text = f"{update.name} moves {target.name}, which has no time that it can reach"
            report.add("def.target", update, text, "name a node whose time runs")
    to = objects(update.doc, "add").get("to")
    target = d.by_name.get(to or "")
    if to is not None and (target is None or not target.doc.get("open")):
        text = f"{update.name} adds to {to}, which is no open list"
        report.add("def.target", update, text, "name a for_each that is open")


def _check(node: Node, target: Node, report: Report) -> None:
    says = f"{node.kind} {node.name} names {target.name}"
    around = next((flow for flow in node.above() if flow.owner is target), None)
    if node.kind == "move" and not _timed(target):
        report.add("def.target", node, f"{says}, which has no within, deadline or sleep",
                   "name a node whose time runs")  # fmt: skip
    elif "item" in node.doc and target.kind != "for_each":
        report.add("def.target", node, f"{says}, which has no items", "name a for_each")
    elif around is not None and _is_own(around) and node.kind != "undo":
        how = "on_failure" if around.role == "clause" else "an interrupt"
        text = f"{says} from {how} of its own"
        report.add("def.own_flow", node, text)
    elif node.kind == "undo" and not (around is not None or _is_before(target, node)):
        text = f"{says}, which is not done before it"
        report.add("def.target", node, text, "name a node before it, or a block around it")
    elif node.kind != "undo" and around is None and not _is_beside(target, node):
        report.add("def.target", node, f"{says}, not open here")


def _timed(node: Node) -> bool:
    return "within" in node.doc or node.kind == "sleep" or "deadline" in node.doc


def _is_own(flow: Flow) -> bool:
    """Whether the flow runs because its scope has stopped."""
    handler = flow.handler
    return flow.role == "clause" or (handler is not None and handler.interrupts)


def _meet(one: Node, other: Node) -> tuple[Flow, Flow] | None:
    """The flows, of the innermost block around both, in which they lie."""
    mine = {flow.owner.template: flow for flow in one.above()}
    for flow in other.above():
        found = mine.get(flow.owner.template)
        if found is not None:
            return found, flow
    return None


def _frame(node: Node) -> list[str]:
    """The rounds, items and runs around a node, the outermost first."""
    frame: list[str] = []
    for flow in node.above():
        if flow.handler is not None:
            frame.append(flow.handler.template)
        elif flow.owner.kind in ("repeat", "for_each"):
            frame.append(flow.owner.template)
    return frame[::-1]


def _is_in_reach(target: Node, node: Node) -> bool:
    """Whether the node knows which instance of the target is meant: no round or run is between."""
    around = _frame(target)
    return _frame(node)[: len(around)] == around


def _is_beside(target: Node, node: Node) -> bool:
    """Whether the target may be open while the node runs."""
    if not _is_in_reach(target, node) or _is_trigger(target):
        return False
    met = _meet(target, node)
    if met is None or met[0] is met[1]:
        return False
    theirs, mine = met
    if mine.owner.kind == "parallel":
        return not _ordered(theirs, mine)
    return mine.owner.kind == "scope" and theirs.role == "main" and _runs_beside(mine)


def _runs_beside(flow: Flow) -> bool:
    return flow.handler is not None and not flow.handler.interrupts


def _is_trigger(node: Node) -> bool:
    return node.parent is not None and node.parent.role == "trigger"


def _ordered(one: Flow, other: Flow) -> bool:
    """Whether one of two branches begins only once the other is over."""
    after = {b.name: b.after for b in one.owner.branches}

    def waits(name: str, for_: str) -> bool:
        seen: set[str] = set()
        todo = [name]
        while todo:
            for before in after.get(todo.pop(), ()):
                if before not in seen:
                    seen.add(before)
                    todo.append(before)
        return for_ in seen

    first, second = one.branch, other.branch
    if first is None or second is None:
        return True
    return waits(first.name, second.name) or waits(second.name, first.name)


def _is_before(target: Node, node: Node) -> bool:
    """Whether the target may be done when the node runs: before it in a list, or in the scope."""
    if not _is_in_reach(target, node):
        return False
    met = _meet(target, node)
    if met is None:
        return False
    theirs, mine = met
    if theirs is mine:
        return _place(target, theirs) < _place(node, mine)
    if mine.owner.kind == "parallel":
        return _ordered(theirs, mine)
    return mine.owner.kind == "scope" and theirs.role == "main"


def _place(node: Node, flow: Flow) -> int:
    """The place in `flow` of the node, or of the block around it."""
    inner = node
    for around in node.above():
        if around is flow:
            break
        inner = around.owner
    return inner.index
