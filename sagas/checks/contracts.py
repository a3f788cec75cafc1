"""Contracts and events: known, with classes, and a policy for an unknown outcome that may be."""

from __future__ import annotations

from collections.abc import Iterator

from sagas.checks.report import Report, Where
from sagas.checks.tree import Contract, Document, Node
from sagas.checks.undo_flows import in_undo_flow
from sagas.schema_fit import declared
from sagas.schema_refs import closest

__all__ = ["check_contracts", "check_events", "classes_of"]

_CLASSES = (("A", "approval"), ("R", "reversibility"), ("S", "sensitivity"))


def check_contracts(d: Document, report: Report) -> None:
    """Add unknown contracts, missing classes, and what a step may not say about its effect."""
    told: set[str] = set()
    for step in d.steps:
        for name, contract in _used(step):
            if contract is None:
                text = f"{step.name}: contract {name} is not in the document"
                report.add("def.contract", step, text + closest(name, list(d.contracts)))
            elif name not in told:
                told.add(name)
                classes_of(step, contract, report)
        if step.contract is not None:
            _unknown(step, step.contract, report)
            _undo(step, step.contract, report)
    for name, contract in d.contracts.items():
        if name not in told:
            classes_of(None, contract, report)


def _used(step: Node) -> Iterator[tuple[str, Contract | None]]:
    yield step.doc["contract"], step.contract
    if "undo" in step.doc:
        yield step.doc["undo"]["contract"], step.undo


def classes_of(step: Node | None, contract: Contract, report: Report) -> None:
    """Add the classes that an external contract lacks."""
    missing = [word for letter, word in _CLASSES if letter not in contract.doc]
    if contract.external and missing:
        text = f"external step {contract.name} has no {' and no '.join(missing)}"
        report.add("def.class", step, text)


def _unknown(step: Node, contract: Contract, report: Report) -> None:
    """Retry is for R0 and R1 with an idempotent participant, probe for one that can be asked."""
    risky = contract.r in ("R2", "R3")
    policy = step.doc.get("unknown", "ask" if risky else "retry")
    said = "unknown: " + policy if "unknown" in step.doc else "retry (nothing is said)"
    if policy == "retry" and risky:
        text = f"retry is for R0 and R1, {step.name} is {contract.r}"
        report.add("def.unknown_policy", step, text)
    elif policy == "retry" and not contract.doc.get("idempotent", True):
        text = f"{step.name}: {said}, but {contract.name} is not idempotent"
        report.add("def.unknown_policy", step, text)
    elif policy == "probe" and not contract.doc.get("probe", False):
        text = f"{step.name}: {said}, but {contract.name} has no probe"
        report.add("def.unknown_policy", step, text, "declare @step.probe, or use ask")


def _undo(step: Node, contract: Contract, report: Report) -> None:
    """An external step has an undo, or says that it is irreversible; an undo is never R3."""
    irreversible = step.doc.get("irreversible")
    silent = "undo" not in step.doc and irreversible is None
    if contract.external and silent and contract.r != "R3" and not in_undo_flow(step):
        report.add("def.no_undo", step, f"{step.name} has neither undo nor irreversible")
    if "undo" in step.doc and irreversible is not None:
        text = f"{step.name} has an undo and is irreversible: {irreversible}"
        report.add("def.no_undo", step, text, "leave out one of the two")
    if step.undo is not None and step.undo.r == "R3":
        report.add("def.undo_r3", step, f"undo {step.undo.name} of {step.name} is R3")


# --- events --------------------------------------------------------------------------------------


def check_events(d: Document, report: Report) -> None:
    """Add event types that the document does not have, and keys that are no field of the event."""
    starts = d.doc.get("starts_on", ())
    for start in starts:
        _known(d, start["event"], None, report)
    for node in d.nodes:
        types = node.doc["events"] if node.kind == "wait_for" else ()
        types = (node.doc["type"],) if node.kind == "emit" else types
        for type_ in types:
            _known(d, type_, node, report)
    for handler in d.handlers:
        for type_ in handler.doc["events"]:
            _known(d, type_, handler, report)
    for type_, event in d.events.items():
        fields = declared(event["schema"])
        if fields and event["key"] not in fields:
            text = (
                f"event {type_}: its key {event['key']} is no field{closest(event['key'], fields)}"
            )
            report.add("def.schema", None, text, "name a field of the event's schema as its key")


def _known(d: Document, type_: str, at: Where | None, report: Report) -> None:
    if type_ not in d.events:
        text = f"unknown event {type_}{closest(type_, list(d.events))}"
        report.add("def.event", at, text)
