"""Decisions: a gated step is reached on no path without one, and its action is known when asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sagas.checks.facts import State, covers_well, yields
from sagas.checks.flow import Walk
from sagas.checks.paths import selections_of
from sagas.checks.report import Report
from sagas.checks.tree import Contract, Document, Node, frame_of, objects
from sagas.checks.undo_flows import in_undo_flow
from sagas.expressions import Expr, Read

__all__ = ["Gate", "check_gates", "gates_of"]

# What has another value when the step runs than when the decision was asked for.
_MOVING = frozenset({("meta", "now")})
# What is put in for the decision when people are asked: that they approve, or how they edit.
_PUT_IN = frozenset({("decision",), ("payload",), ("expired",)})


@dataclass(frozen=True, slots=True)
class Gate:
    """The approve that covers a step."""

    name: str
    level: str

    def __str__(self) -> str:
        return f"{self.name}({self.level})"


def gates_of(d: Document) -> dict[str, Gate]:
    """The first approve that covers each gated step, by the step's name, in document order."""
    found: dict[str, Gate] = {}
    for step in d.steps:
        approve = next(_approves(d, step), None)
        if approve is not None and step.contract is not None and step.contract.gated:
            found[step.name] = Gate(approve.name, approve.doc["level"])
    return found


def check_gates(
    d: Document, found: Walk, exprs: Mapping[tuple[Node, str], Expr], report: Report
) -> None:
    """Add gated steps that some path reaches without a decision, and decisions asked too early."""
    for step in d.steps:
        gated = None if in_undo_flow(step) else _gated_by(step)  # refused there altogether
        if gated is not None and ("covered", step.name) not in found.before[step].sure:
            _no_approval(d, found, step, *gated, report)
    for approve in d.nodes:
        if approve.kind in ("approve", "task"):
            _behind(d, found, approve, report)
        if approve.kind == "approve":
            for step in approve.covers:
                _late(found, approve, step, exprs, report)


def _behind(d: Document, found: Walk, approve: Node, report: Report) -> None:
    """Evidence, and who must not decide again, come before the question."""
    for member in ("evidence", "not_by"):
        for name in approve.doc.get(member, ()):
            node = d.by_name.get(name)
            facts = yields(node) if node is not None and name != "input" else ()
            if facts and not found.before[approve].maybe.issuperset(facts):
                text = f"{member} of {approve.name}: {name} is not known when it is asked"
                report.add("def.not_visible", approve, text, f"move {approve.name} behind {name}")


def _gated_by(step: Node) -> tuple[str, Contract] | None:
    """Which contract of the step wants a decision: its own, or its undo's."""
    if step.contract is not None and step.contract.gated:
        return f"step {step.name}", step.contract
    if step.undo is not None and step.undo.gated:
        return f"undo {step.undo.name} of {step.name}", step.undo
    return None


def _approves(d: Document, step: Node) -> Iterator[Node]:
    return (n for n in d.nodes if n.kind == "approve" and step in n.covers)


def _no_approval(
    d: Document, found: Walk, step: Node, what: str, contract: Contract, report: Report
) -> None:
    text = f"{contract.classes} {what} is reached without a decision"
    covering = list(_approves(d, step))
    enough = [a for a in covering if covers_well(a, step)]
    way = found.lacks.get(("covered", step.name))
    if covering and not enough:
        approve = covering[0]
        if frame_of(approve) != frame_of(step):
            text += f": {approve.name} is asked outside of {_frame(step, approve)}"
        else:
            text += f": {approve.name} is only {approve.doc['level']}"
    elif enough and way is not None:
        text += f" by {way}"
    elif enough:
        text += f": {enough[0].name} is not on the way to it"
    level = contract.a if contract.a not in (None, "A0") else "A1"
    do = f'put the step inside: with approve("NAME", level={level}, evidence=[...], within="3d"):'
    report.add("def.no_approval", step, text, do)


def _frame(step: Node, approve: Node) -> str:
    """The repeat or handler that only one of the two is in."""
    outer = frame_of(approve)
    inner = [part for part in frame_of(step) if part not in outer]
    return inner[0].name if inner else f"what {step.name} is in"


def _late(
    found: Walk, approve: Node, step: Node, exprs: Mapping[tuple[Node, str], Expr], report: Report
) -> None:
    """Asking, every argument of the step must be known, but for the decision itself."""
    asked = found.before[approve].with_sure(*yields(approve))
    then = found.before.get(step)
    if then is None or frame_of(approve) != frame_of(step):
        return
    for around in _lists_between(approve, step):
        for member in ("items", "key"):
            expr = exprs.get((around, member))
            late = None if expr is None else next(_later(expr, asked, then), None)
            if late is not None:
                text = (
                    f"{approve.name} covers {step.name}, and the items of {around.name} are known"
                    f" only later: they read {late}"
                )
                report.add("def.approval_late", around, text, f"move {approve.name} behind it")
    for member in (f"args.{name}" for name in objects(step.doc, "args")):
        expr = exprs.get((step, member))
        late = None if expr is None else next(_later(expr, asked, then), _decided(expr, approve))
        if late is not None:
            argument = member.partition(".")[2]
            text = (
                f"{approve.name} covers {step.name}, whose argument {argument} is known only"
                f" later: it reads {late}"
            )
            report.add("def.approval_late", step, text, f"move {approve.name} behind it")


def _lists_between(approve: Node, step: Node) -> Iterator[Node]:
    """The for_each that the step is in and the approve is not: it allows each item by its key."""
    outer = {flow.owner for flow in approve.above()}
    for flow in step.above():
        if flow.owner.kind == "for_each" and flow.owner not in outer:
            yield flow.owner


def _later(expr: Expr, asked: State, then: State) -> Iterator[str]:
    for read in expr.reads:
        if read in _MOVING:
            yield "meta.now"
        elif _changes(read, asked, then):
            yield f"{read[0]}.{read[1]}"


def _decided(expr: Expr, approve: Node) -> str | None:
    """What is known of a decision only once it is taken, such as who took it."""
    for path in selections_of(expr.text).read:
        of_this = path.root == "decisions" and path.name == approve.name
        if of_this and path.steps[:1] not in _PUT_IN:
            return ".".join([f"decisions.{approve.name}", *map(str, path.steps[:1])])
    return None


def _changes(read: Read, asked: State, then: State) -> bool:
    """Whether the name may be set between the question and the step."""
    fact = (read[0], read[1] or "")
    if fact in asked.sure:
        return False
    return fact in then.sure or (fact in then.maybe and fact not in asked.maybe)
