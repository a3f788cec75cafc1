"""After a pivot there is only forward: every failure behind one, or beside one, goes somewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from sagas.checks.flow import Walk
from sagas.checks.order import split
from sagas.checks.report import Report
from sagas.checks.tree import Branch, Clause, Document, Flow, Node, objects

__all__ = ["check_pivots"]

_RESTING = frozenset({"step", "approve", "task", "wait_for", "sleep", "child", "await"})


@dataclass(frozen=True, slots=True)
class _Failure:
    """A failure that a node may have; `code` is None where it can be any."""

    class_: str
    code: str | None


def check_pivots(d: Document, found: Walk, report: Report) -> None:
    """Add failures behind a pivot that go nowhere, and branches that may fail beside one."""
    for node in [d.root, *d.nodes]:
        pivot = _pivot_before(node, found)
        if pivot is not None:
            _stranded(node, pivot, report)
        if node.kind == "parallel" and node.doc.get("on_branch") != "collect":
            _beside(node, report)


def _pivot_before(node: Node, found: Walk) -> str | None:
    """A pivot that may be done when the node fails: before it, or inside of a block."""
    state = found.before.get(node)
    before = _pivots(state.maybe if state is not None else ())
    if before:
        return before[0]
    # An approve is decided before its own flow begins.
    for inner in node.inside() if node.kind != "approve" else ():
        if inner.kind in _RESTING and inner in found.before:
            behind = _pivots(found.before[inner].maybe)
            if behind:
                return behind[0]
    return None


def _pivots(facts: frozenset[tuple[str, str]] | tuple[()]) -> list[str]:
    return sorted(name for kind, name in facts if kind == "pivot")


def _stranded(node: Node, pivot: str, report: Report) -> None:
    lost = [f.class_ for f in _failures(node) if not _goes_somewhere(node, f)]
    if lost:
        which = " and ".join(dict.fromkeys(lost))
        verb = "go" if len(set(lost)) > 1 else "goes"
        noun = "failures" if len(set(lost)) > 1 else "failure"
        text = f"{node.label} follows pivot {pivot} and its {which} {noun} {verb} nowhere"
        report.add("def.stranded", node if node.parent else None, text)


# --- what may fail, and where it is caught ------------------------------------------------------


def _failures(node: Node) -> Iterator[_Failure]:
    """The failures a node raises by itself, without those that need no place to go."""
    if node.kind == "step":
        yield from _of_step(node)
    elif "within" in node.doc and not node.continues:
        yield _Failure("timeout", node.name)
    match node.kind:
        case "approve" if node.doc.get("on_reject") != "continue":
            yield _Failure("rejected", node.name)
        case "fail":
            yield _Failure("business", node.doc["code"])
        case "lock" if "max_hold" in node.doc and node.continues:
            yield _Failure("timeout", node.name)
        case "child":
            yield _Failure("business", None)
        case "repeat" if node.doc.get("on_max") != "continue" and (
            "while" in node.doc or "until" in node.doc
        ):
            yield _Failure("business", "repeat.max")
        case "parallel" if isinstance(node.doc.get("join"), dict) or (
            node.doc.get("on_branch") == "collect" and node.doc.get("join", "all") != "all"
        ):
            yield _Failure("business", "join.unreachable")
        case "for_each" if node.doc.get("join", "all") != "all":
            yield _Failure("business", "join.unreachable")
        case "add":
            yield _Failure("business", "items.closed")
        case "scope":
            if "deadline" in node.doc:
                yield _Failure("deadline", node.name or "deadline")
            if "while" in node.doc:
                yield _Failure("deadline", "while")
        case _:
            pass


def _of_step(step: Node) -> Iterator[_Failure]:
    """With `retry` and `within` a step is tried until a person looks at it."""
    persists = "retry" in step.doc and "within" in step.doc
    again: list[str] = objects(step.doc, "retry").get("on", []) if persists else []
    if step.contract is not None:
        for code in step.contract.doc.get("failures", []):
            if code not in again:
                yield _Failure("business", code)
        if step.contract.gated:
            yield _Failure("rejected", None)
    if not persists:
        yield _Failure("transient", None)
        if not step.continues:
            yield _Failure("timeout", None)


def _goes_somewhere(node: Node, failure: _Failure, top: Flow | None = None) -> bool:
    """Whether a clause with a flow, or a collected branch, takes the failure below `top`."""
    if failure.class_ == "deadline":
        clause = _clause(node, failure)
        if clause is not None:
            return bool(clause.flow.nodes)
    for flow in node.above():
        if "collect" in (flow.owner.doc.get("on_branch"), flow.owner.doc.get("on_item")):
            return True
        if flow is top:
            return False
        if flow.role == "undo":  # there it is a debt
            return True
        interrupts = flow.handler is not None and flow.handler.interrupts
        if flow.owner.kind == "scope" and flow.role != "clause" and not interrupts:
            clause = _clause(flow.owner, failure)
            if clause is not None:
                return bool(clause.flow.nodes)
    return False


def _clause(scope: Node, failure: _Failure) -> Clause | None:
    for clause in scope.clauses:
        if any(_catches(pattern, failure) for pattern in clause.on):
            return clause
    return None


def _catches(pattern: str, failure: _Failure) -> bool:
    classes, glob = split(pattern)
    if failure.class_ not in classes:
        return False
    return glob == "*" if failure.code is None else fnmatchcase(failure.code, glob)


# --- beside -----------------------------------------------------------------------------------


def _beside(node: Node, report: Report) -> None:
    for branch in node.branches:
        pivot = next((n for n in _inside(branch) if n.is_pivot), None)
        for other in node.branches if pivot is not None else ():
            ordered = other is branch or _waits(node, other, branch) or _waits(node, branch, other)
            if not ordered and _may_fail(other):
                text = (
                    f"branch {other.name} may fail beside the pivot in branch {branch.name}:"
                    f" catch it in {other.name}"
                )
                report.add("def.pivot_beside", node, text)


def _inside(branch: Branch) -> Iterator[Node]:
    for node in branch.flow.nodes:
        yield node
        yield from node.inside()


def _may_fail(branch: Branch) -> bool:
    return any(
        not _goes_somewhere(node, failure, branch.flow)
        for node in _inside(branch)
        for failure in _failures(node)
    )


def _waits(node: Node, branch: Branch, other: Branch) -> bool:
    """Whether `branch` begins only once `other` is over."""
    after = {b.name: b.after for b in node.branches}
    seen: set[str] = set()
    waiting = list(branch.after)
    while waiting:
        name = waiting.pop()
        if name == other.name:
            return True
        if name not in seen:
            seen.add(name)
            waiting.extend(after.get(name, ()))
    return False
