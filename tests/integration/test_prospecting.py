"""Prospecting of the catalogue, with its example participants and the real engine.

Its days pass by the times of the events, as in `troth-engine dev --clock events`. Day 4 is Monday,
5 January 2026; events come at midnight UTC, when the office in Berlin is closed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from examples.prospecting.systems import crm, outreach, research
from sagas.catalogue.prospecting import app, connect, prospecting
from tests.integration.example_desk import Desk, example_desk

LEAD = {"lead": "l-1", "company": "Acme", "email": "ann@acme.example", "phone": ""}
AT = "contact/outreach"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A lead without a phone; it was found on a Sunday, and writing to it is allowed."""
    books = tmp_path / "books.db"
    connect(research, outreach(books), crm(books))
    async with example_desk(tmp_path, app, prospecting, "l-1", event_clock=True) as made:
        await made.send("lead.found", at_day=3, **LEAD)
        await made.decide(AT, "approve", "function_head")
        yield made


async def day(desk: Desk, number: int) -> None:
    """A day begins, with a lead that nobody will write to."""
    other = LEAD | {"lead": f"day-{number}", "company": "a competitor"}
    await desk.send("lead.found", at_day=number, **other)


async def test_a_lead_that_does_not_answer_is_tried_on_every_way(desk: Desk) -> None:
    """The touches are open days apart, and the CRM is told."""
    await desk.until(f"{AT}/whatsapp_refused/whatsapp")
    await day(desk, 5)  # Monday is over: there was no number to write to
    await desk.until(f"{AT}/before_mail")
    await day(desk, 8)
    await desk.until(f"{AT}/before_touch")
    assert desk.done() == ["mail l-1"]
    for begun, waits in ((14, "before_call"), (21, "last_chance")):
        await day(desk, begun)
        await desk.until(f"{AT}/{waits}", f"picked_up/{waits}", f"{AT}/picked_up/{waits}")
    await day(desk, 30)
    ended = await desk.until("fulfilled")
    assert ended.result == {"ended": "no-answer", "touches": 4}
    assert desk.done() == ["linkedin l-1", "mail l-1", "sync l-1"]


async def test_a_lead_that_opts_out_is_not_written_to_again(desk: Desk) -> None:
    await day(desk, 5)
    await desk.until(f"{AT}/before_mail")
    await day(desk, 8)
    await desk.until(f"{AT}/before_touch")
    await desk.send("lead.opted-out", at_day=9, lead="l-1", channel="mail")
    ended = await desk.until("fulfilled")
    assert ended.result == {"ended": "opted-out", "touches": 2}
    assert desk.done() == ["mail l-1", "suppress l-1", "sync l-1"]
