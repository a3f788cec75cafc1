"""Self-improvement of the catalogue, with its example participants and the real engine.

Its weeks pass by the times of the events, as in `troth-engine dev --clock events`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from examples.self_improvement.systems import analyst, governance, releases, trials
from sagas.catalogue.self_improvement import app, connect, improvement
from tests.integration.example_desk import Desk, example_desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """Something shall get better; the first reply to its promotion will be lost."""
    books = tmp_path / "books.db"
    connect(analyst, trials(books), governance, releases(books, frozenset({"promote"})))
    async with example_desk(tmp_path, app, improvement, "intake", event_clock=True) as made:
        await made.send("improvement.wanted", at_day=0, subject="intake")
        yield made


async def signal(desk: Desk, day: int, text: str = "asked twice") -> None:
    await desk.send("signal.seen", at_day=day, subject="intake", kind="complaint", text=text)


async def promote(desk: Desk) -> None:
    """Heard, tried for three weeks, allowed and promoted: all before day 30."""
    await signal(desk, 1)
    await signal(desk, 2)
    await signal(desk, 6)  # nobody said anything for three days: this one is too late
    await desk.decide("experiment", "approve", "function_head")
    for day in (14, 21):
        await desk.until("weeks")
        await signal(desk, day)
    await desk.decide("better/promotion", "approve", "function_head")
    await desk.until("better/proving/proved")
    assert desk.done() == ["promote intake", "start-trial intake"]


async def test_a_change_that_proves_itself_stays(desk: Desk) -> None:
    await promote(desk)
    await signal(desk, 60)
    ended = await desk.until("fulfilled")
    assert ended.result == {"promoted": True, "weeks": 3, "uplift": 1.5}
    assert desk.done() == ["promote intake", "start-trial intake", "stop-trial intake at 10 %"]


async def test_figures_that_get_worse_roll_a_promotion_back(desk: Desk) -> None:
    await promote(desk)
    await desk.send("figures.got-worse", at_day=25, subject="intake", figure="refunds")
    ended = await desk.until("compensated")
    assert ended.error is not None
    assert ended.error["code"] == "got-worse"
    assert desk.done() == [
        "promote intake", "roll-back intake: mend asked twice", "start-trial intake",
        "stop-trial intake at 10 %",
    ]  # fmt: skip
