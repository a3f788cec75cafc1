"""What the SDK traces is what the engine reads: every form of it, and the sagas users are shown."""

from collections.abc import Callable
from typing import Any

import jsonschema_rs
import pytest

import schemas
from sagas.checks import check
from sagas.loading import load
from tests.typing.right import invoices, partner
from tests.unit.sdk import (
    test_trace_approvals,
    test_trace_blocks,
    test_trace_handlers,
    test_trace_steps,
    test_trace_values,
)
from tests.unit.sdk.world import Order, document_of
from troth import Saga

FORM = jsonschema_rs.Draft202012Validator(schemas.load("definition.v1.json"), offline=True)
FLOWS: list[Callable[[Order], None]] = [
    flow
    for module in (
        test_trace_approvals,
        test_trace_blocks,
        test_trace_handlers,
        test_trace_steps,
        test_trace_values,
    )
    for flow, _ in module.CASES
]

# Rules about what a flow means, which single forms need not keep.
OF_MEANING = frozenset({
    "def.no_approval", "def.unknown_policy", "def.stranded", "def.endless", "def.dead",
    "def.maybe_unset",
})  # fmt: skip


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.__name__)
def test_every_form_is_read_by_the_engine(flow: Callable[[Order], None]) -> None:
    document = document_of(flow)
    assert [str(error) for error in FORM.iter_errors(document)] == []
    assert load(document, "00").saga == "test"
    faults = [fault for fault in check(document) if fault.alias not in OF_MEANING]
    assert [fault.message for fault in faults] == []


@pytest.mark.parametrize("saga", [partner.activation, invoices.pay_invoice], ids=repr)
def test_the_sagas_users_are_shown_may_be_registered(saga: Saga[Any, Any]) -> None:
    assert check(saga.document()) == []
