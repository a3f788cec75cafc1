"""The partner activation of the catalogue, with its example participants and the real engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from examples.partner_activation.systems import Faults, crm, registry
from sagas.catalogue.partner_activation import activation, app, connect
from tests.integration.example_desk import Desk, example_desk

NO_FAULTS = Faults(errors=0, lost_replies=0, struck_off=0, risky=0, invoiced=0)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A partner that was provisioned, on the day that it applied."""
    connect(registry(NO_FAULTS), crm(tmp_path / "books.db", NO_FAULTS))
    async with example_desk(tmp_path, app, activation, "acme", event_clock=True) as made:
        await made.send("partner.applied", at_day=0, company="acme")
        await made.until("partner_signed")
        yield made


async def test_a_partner_that_signs_is_active_once_legal_said_so(desk: Desk) -> None:
    await desk.send("partner.signed", at_day=3, company="acme", signed_by="ceo")
    await desk.decide("legal", "approve", "legal", "function_head")
    await desk.until("fulfilled")
    assert desk.done() == ["activate acme", "create-account acme"]


async def test_a_partner_that_does_not_sign_within_14_days_is_undone(desk: Desk) -> None:
    """The next partner comes on day 15, and by then the time of the first is over."""
    await desk.send("partner.applied", at_day=15, company="globex")
    ended = await desk.until("compensated")
    assert ended.error is not None
    assert ended.error["class"] == "timeout"
    undone = {"create-account acme", "undo create-account acme"}
    assert undone <= set(desk.done())
