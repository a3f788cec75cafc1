"""Names: used once, and what names a node, branch or approve names one that is there."""

from __future__ import annotations

from collections.abc import Iterable

from domain.state import ENGINE_WORDS
from sagas.checks.report import Report, Where
from sagas.checks.tree import Document, Node, objects
from sagas.schema_refs import closest

__all__ = ["check_names"]


def check_names(d: Document, report: Report) -> None:
    """Add names used twice, references to nothing, and branches that wait for each other."""
    _taken(d, report)
    for node in d.nodes:
        if node.kind in ("approve", "task"):
            _approve(d, node, report)
        elif node.kind == "parallel":
            _after(node, report)
        elif node.kind == "set":
            _values(d, node, report)


def _taken(d: Document, report: Report) -> None:
    """Names of nodes, handlers, vars and named branches are unique in the definition."""
    used: dict[str, str] = {name: f"vars.{name}" for name in objects(d.doc, "vars")}

    def use(name: str, where: str, at: Where) -> None:
        if name in used:
            report.add("def.name_taken", at, f"`{name}` is used at {used[name]} and {where}")
        else:
            used[name] = where

    named: list[tuple[int, str, str, Where]] = []
    for node in d.nodes:
        named.append((node.order, node.name, node.template, node))
        for branch in node.branches:
            if branch.named:
                where = f"{node.template}/{branch.name}"
                named.append((node.order, branch.name, where, node))
    for handler in (*d.handlers, *d.updates):
        named.append((handler.order, handler.name, handler.template, handler))
    for node in d.nodes:
        for branch in node.branches:
            # In the stream a branch taken and what a block waits for stand in one place.
            if branch.named and branch.name in ENGINE_WORDS:
                text = f"`{branch.name}` is a word of the engine, and {node.name} has such a branch"
                report.add("def.name_taken", node, text, "call the branch something else")
    for _, name, where, at in sorted(named, key=lambda item: item[0]):
        use(name, where, at)


def _values(d: Document, node: Node, report: Report) -> None:
    known = objects(d.doc, "vars")
    for name in node.doc["values"]:
        if name not in known:
            text = f"{node.name} sets {name}, which is not declared{closest(name, known)}"
            report.add("def.unbound", node, text, "declare it in vars, or correct its name")


def _approve(d: Document, node: Node, report: Report) -> None:
    steps = [n.name for n in d.steps]
    _must_be(node, "for", node.doc.get("for", ()), steps, "step", report)
    others = [n.name for n in d.nodes if n.kind in ("approve", "task") and n is not node]
    _must_be(node, "not_by", node.doc.get("not_by", ()), others, "other approve or task", report)
    known = ["input", *(n.name for n in d.nodes)]
    _must_be(node, "evidence", node.doc.get("evidence", ()), known, "node", report)


def _must_be(
    node: Node, member: str, names: Iterable[str], known: list[str], what: str, report: Report
) -> None:
    for name in names:
        if name not in known:
            text = f"{member} of {node.name} names {name}: no {what} of that name"
            do = f"name {'an' if what[0] in 'aeo' else 'a'} {what} of this definition"
            report.add("def.unbound", node, text + closest(name, known), do)


def _after(node: Node, report: Report) -> None:
    names = [branch.name for branch in node.branches]
    after: dict[str, list[str]] = {}
    for branch in node.branches:
        after[branch.name] = [name for name in branch.after if name in names]
        what = f"branch {branch.name} of {node.name} comes after"
        for name in branch.after:
            if name not in names:
                do = "name a branch beside it"
                text = f"{what} {name}: no branch of that name{closest(name, names)}"
                report.add("def.unbound", node, text, do)
    if circle := _circle(after):
        waiting = "branch waits for itself" if len(circle) == 1 else "branches wait for each other"
        report.add("def.cycle", node, f"{node.name}: {waiting}: {', '.join(circle)}")


def _circle(after: dict[str, list[str]]) -> list[str]:
    """The branches that can never start, in the order of the document."""
    ready: set[str] = set()
    for _ in after:
        ready |= {name for name, before in after.items() if ready.issuperset(before)}
    stuck = {name for name in after if name not in ready}
    # Without those that only wait for the circle.
    while loose := {n for n in stuck if not any(n in after[m] for m in stuck)}:
        stuck -= loose
    return [name for name in after if name in stuck]
