"""The integration milestones of the catalogue, with their office and the real engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from examples.pmi.systems import office
from sagas.catalogue.pmi import app, connect, milestone, pmi
from tests.integration.example_desk import Desk, example_desk

LATE = "2024-01-01T00:00:00Z"
FAR = (datetime.now(UTC) + timedelta(days=90)).isoformat()


def planned(name: str, *after: str, due: str = FAR) -> dict[str, Any]:
    return {"name": name, "owner": f"{name}-lead", "due": due, "after": list(after)}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """An office, and nothing planned yet; the first reply to a plan will be lost."""
    connect(office(tmp_path / "books.db", frozenset({"register-plan"})))
    async with example_desk(tmp_path, app, pmi, "d-1") as made:
        yield made


async def hand_in(desk: Desk, name: str, *sources: str) -> None:
    """The owner does the task of a milestone."""
    owner, own = desk.client("owner"), desk.about(milestone, f"d-1/{name}")
    at = await own.until("work/reach/reports#1/report", "work/reach/reports#2/report")
    for task in (await owner.tasks()).items:
        if task["commitment"] == at.id and task["status"] == "offered":
            await owner.claim_task(task["id"])
            await owner.complete_task(
                task["id"], {"claimed": f"{name} is done", "sources": [*sources]}
            )


async def test_what_is_reached_stays_when_another_milestone_slips_for_good(desk: Desk) -> None:
    """Ledger is reached, payroll slips for twelve weeks, and what needs both never begins."""
    plan = [planned("ledger"), planned("payroll", due=LATE), planned("close", "ledger", "payroll")]
    await desk.send("pmi.planned", deal="d-1", milestones=plan)
    payroll = desk.about(milestone, "d-1/payroll")
    await hand_in(desk, "ledger", "somebody said so")
    await desk.about(milestone, "d-1/ledger").until("work/reach/reports#2/report")
    await hand_in(desk, "ledger", "/ledger/2023-12")
    reached = await desk.about(milestone, "d-1/ledger").until("fulfilled")
    assert reached.result == {"name": "ledger", "actual": "ledger is done", "slips": 0}
    given_up = await payroll.until("failed")
    assert given_up.error is not None
    assert given_up.error["code"] == "slipped"
    ended = await desk.until("fulfilled")
    assert ended.result == {"reached": ["ledger"], "failed": ["payroll"], "skipped": ["close"]}
    assert desk.done() == [*["escalate payroll"] * 12, "register-plan d-1"]


async def test_a_plan_in_a_circle_is_refused_before_anything_begins(desk: Desk) -> None:
    plan = [planned("chicken", "egg"), planned("egg", "chicken")]
    await desk.send("pmi.planned", deal="d-1", milestones=plan)
    ended = await desk.until("failed")
    assert ended.error is not None
    assert ended.error["code"] == "circular"
    assert desk.done() == []


async def test_a_cancel_withdraws_the_plan_and_cancels_what_is_open(desk: Desk) -> None:
    await desk.send("pmi.planned", deal="d-1", milestones=[planned("ledger"), planned("payroll")])
    await hand_in(desk, "ledger", "/ledger/2023-12")
    await desk.about(milestone, "d-1/ledger").until("fulfilled")
    running = await desk.until("milestones[payroll]/pmi_milestone")
    await desk.client("operator").control(running.id, "cancel", reason="the deal is off")
    await desk.until("cancelled")
    assert (await desk.about(milestone, "d-1/payroll").step()).status == "cancelled"
    assert (await desk.about(milestone, "d-1/ledger").step()).status == "fulfilled"
    assert desk.done() == ["register-plan d-1", "withdraw-plan d-1"]
