"""The rules at registration: a definition that passes means something, and says all it must.

`check` lists every fault in document order. `gates` and `undo_plan` say what a definition that
passed will ask for, and what it undoes.
"""

from __future__ import annotations

from typing import Any, cast

from domain.canonical import canonical
from sagas.checks.arguments import check_arguments
from sagas.checks.bounds import check_bounds
from sagas.checks.calendars import check_calendars
from sagas.checks.children import check_children
from sagas.checks.contracts import check_contracts, check_events
from sagas.checks.data import check_data
from sagas.checks.escalations import check_escalations
from sagas.checks.flow import walk
from sagas.checks.gates import Gate, check_gates, gates_of
from sagas.checks.lists import check_lists
from sagas.checks.locks import check_locks
from sagas.checks.names import check_names
from sagas.checks.order import check_order
from sagas.checks.pivots import check_pivots
from sagas.checks.report import Fault, Report
from sagas.checks.shape import check_shape
from sagas.checks.targets import check_targets
from sagas.checks.tree import Document
from sagas.checks.types import Typing
from sagas.checks.undo import plan_of, undo_order
from sagas.checks.undo_flows import check_undo_flows
from sagas.checks.values import check_schemas
from sagas.checks.waits import check_waits
from sagas.expressions import Expr

__all__ = ["Fault", "Gate", "check", "gates", "typed", "undo_order", "undo_plan"]

_NUMBER = b'"number"'


def check(document: Any) -> list[Fault]:
    """All faults of a definition document, in document order; empty when it may be registered.

    A fault of its form ends the checks: the other rules would only repeat it.
    """
    doc = cast(dict[str, Any], document) if isinstance(document, dict) else {}
    report = Report(doc)
    check_shape(document, report)
    if report:
        return report.faults()
    d = Document(doc)
    check_names(d, report)
    check_contracts(d, report)
    check_events(d, report)
    check_children(d, report)
    check_locks(d, report)
    check_undo_flows(d, report)
    check_calendars(d, report)
    check_bounds(d, report)
    check_waits(d, report)
    check_escalations(d, report)
    check_targets(d, report)
    check_lists(d, report)
    found = walk(d)
    check_order(d, found, report)
    schemas = check_schemas(d, report)
    exprs = {}
    if schemas is not None:
        typing = Typing(d, schemas, report)
        typing.run(found)
        exprs = typing.exprs
        check_arguments(d, found, exprs, schemas, report)
        check_data(d, found, exprs, schemas, report)
    check_gates(d, found, exprs, report)
    check_pivots(d, found, report)
    return report.faults()


def gates(document: dict[str, Any]) -> dict[str, Gate]:
    """The approve that covers each gated step, by the step's name; for a document that passed."""
    return gates_of(Document(document))


def undo_plan(document: dict[str, Any]) -> list[Any]:
    """What is undone in which order if everything was done; for a document that passed.

    Items as in `sagas.checks.undo.plan_of`; `undo_order` makes one line of them.
    """
    return plan_of(Document(document))


def typed(document: dict[str, Any]) -> dict[tuple[str, str], Expr]:
    """The expressions of a document that passed, as they were checked, by path and member.

    Keys are such as ("pay", "args.amount"), ("size", "branches.big.when") or ("", "key"). What is
    not in it needs no types. An expression that reads fields of the kind `number` does: JSON has
    one kind of number, and without its types `input.amount * 1.5` fails for an amount of 20.
    """
    if _NUMBER not in canonical(document):
        return {}
    d, report = Document(document), Report({})
    schemas = check_schemas(d, report)
    if schemas is None:
        return {}
    typing = Typing(d, schemas, report)
    typing.run(walk(d))
    return typing.typed
