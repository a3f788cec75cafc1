"""Arguments against the command of their contract: none is missing, none is unknown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sagas.checks.flow import Walk
from sagas.checks.report import Report
from sagas.checks.tree import Contract, Document, Node, objects
from sagas.expressions import Expr
from sagas.schema import Schema, SchemaError, SchemaSet
from sagas.schema_fit import declared
from sagas.schema_refs import closest

__all__ = ["check_arguments", "command_of"]

IN_REACH_MAX = 8
"""Names that are offered for an argument that is bound to nothing."""


def command_of(contract: Contract, schemas: SchemaSet) -> Schema:
    """The schema of the arguments; an unusable one, which is told elsewhere, allows anything."""
    try:
        return schemas.resolve(objects(contract.doc, "command"))
    except SchemaError:
        return {}


def check_arguments(
    d: Document, found: Walk, exprs: Mapping[tuple[Node, str], Expr], schemas: SchemaSet,
    report: Report,
) -> None:  # fmt: skip
    """Add parameters that are bound to nothing, and arguments that no contract knows."""
    for step in (node for node in d.nodes if node.kind in ("step", "child")):
        if step.contract is not None:
            command = command_of(step.contract, schemas)
            _bound(step, step.name, command, objects(step.doc, "args"), found, report)
            _known(step, step.name, step.contract, command, objects(step.doc, "args"), report)
        if step.undo is not None:
            command, label = command_of(step.undo, schemas), f"undo of {step.name}"
            args = objects(step.doc["undo"], "args")
            # `why` is added when the undo is run.
            _bound(step, label, command, [*args, "why"], found, report)
            _known(step, label, step.undo, command, args, report)
            _undo_shape(step, exprs, report)


def _bound(
    step: Node, label: str, command: Schema, args: Iterable[str], found: Walk, report: Report
) -> None:
    for name in _needed(command):
        if name not in args:
            reach = ", ".join(["input", *_in_reach(step, found)])
            text = f"{label}: argument `{name}` is bound to nothing; in reach: {reach}"
            report.add("def.unbound", step, text)


def _needed(command: Schema) -> list[str]:
    names = command.get("required")
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _in_reach(step: Node, found: Walk) -> list[str]:
    """The names that are surely there, the last ones of them."""
    roots = ("results", "events", "decisions")
    return sorted(n for root, n in found.before[step].sure if root in roots)[-IN_REACH_MAX:]


def _known(
    step: Node, label: str, contract: Contract, command: Schema, args: Iterable[str], report: Report
) -> None:
    known = declared(command)
    if not known or command.get("additionalProperties"):
        return
    for name in args:
        if name not in known:
            text = f"{label}: {contract.name} has no parameter `{name}`{closest(name, known)}"
            report.add("def.schema", step, text, "leave it out, or correct its name")


def _undo_shape(step: Node, exprs: Mapping[tuple[Node, str], Expr], report: Report) -> None:
    """An attempted step may have failed: its undo must do without the result."""
    if step.doc["undo"].get("when") != "attempted":
        return
    for name in objects(step.doc["undo"], "args"):
        expr = exprs.get((step, f"undo.args.{name}"))
        read = ("result", None)
        if expr is not None and read in expr.reads and read not in expr.guarded:
            text = f"undo of {step.name} wants `result`, which an attempted step may lack"
            report.add("def.undo_shape", step, text)
