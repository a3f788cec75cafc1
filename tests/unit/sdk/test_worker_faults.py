"""A worker whose surroundings fail: no engine, a journal that breaks, its own transaction."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from troth import A0, A2, R1, R2, S2, App, Effect, Journal, Participant, Worker

from .conftest import Serve, apart
from .fake_engine import FakeEngine
from .parties import R1_CLASSES, R2_CLASSES, World, app_of

ACME = {"company": {"name": "acme", "risk": 1}}


def paying(handler: Callable[[Effect], Awaitable[str]]) -> App:
    """An app with one R2 effect that does what the test wants."""
    bank = Participant("bank")

    @bank.effect("pay", A2, R2, S2, unknown="ask", irreversible="money is gone")
    async def pay(fx: Effect) -> str:
        return await handler(fx)

    return App(participants=[bank])


async def test_a_worker_may_be_there_before_the_engine(engine: FakeEngine, serve: Serve) -> None:
    engine.kill()
    async with serve(app_of(World())):
        await apart(engine.start)
        effect = engine.offer("registry/check-company@1", ACME)
        assert (await apart(engine.reply_to, effect))["outcome"] == "done"


async def test_a_worker_stops_while_the_engine_is_away(engine: FakeEngine, serve: Serve) -> None:
    """There is nothing to wait for: no claim is under way."""
    async with serve(app_of(World()), drain_timeout_s=60.0):
        await apart(engine.wait, lambda: engine.calls["claims"] >= 2)
        await apart(engine.kill)


async def test_a_journal_that_fails_afterwards_does_not_hide_what_happened(
    engine: FakeEngine, serve: Serve, journal_file: Path
) -> None:
    """The handler did it: the engine is told, though this side cannot write it down."""

    async def pay(fx: Effect) -> str:
        with sqlite3.connect(journal_file) as connection:
            connection.execute("DROP TABLE troth_journal")
        connection.close()
        return "paid"

    effect = engine.offer("bank/pay@1", {}, classes=R2_CLASSES)
    async with serve(paying(pay)):
        reply = await apart(engine.reply_to, effect)
    assert (reply["outcome"], reply["result"]) == ("done", "paid")


async def test_what_the_handler_recorded_in_its_own_transaction_counts(
    engine: FakeEngine, serve: Serve, tmp_path: Path
) -> None:
    """The payment and its answer are one write; the exception after it changes nothing."""
    file = tmp_path / "bank.db"
    with sqlite3.connect(file) as setup:
        setup.execute("CREATE TABLE payments (id TEXT)")
    setup.close()
    journal = Journal(lambda: sqlite3.connect(file))

    async def pay(fx: Effect) -> str:
        own = sqlite3.connect(file)
        own.execute("INSERT INTO payments VALUES (?)", (fx.key,))
        fx.answer_in(own, "receipt 17")
        own.commit()
        own.close()
        raise TimeoutError("the line went dead afterwards")

    effect = engine.offer("bank/pay@1", {}, classes=R2_CLASSES)
    async with serve(paying(pay), journal=journal):
        reply = await apart(engine.reply_to, effect)
    assert (reply["outcome"], reply["result"]) == ("done", "receipt 17")


async def test_an_undo_that_comes_while_its_do_commits_rolls_it_back(
    engine: FakeEngine, serve: Serve, tmp_path: Path
) -> None:
    """Barred in the journal, the participant's own transaction cannot record: nothing happened."""
    file = tmp_path / "bank.db"
    journal = Journal(lambda: sqlite3.connect(file))
    running, go_on = asyncio.Event(), asyncio.Event()

    async def pay(fx: Effect) -> str:
        running.set()
        await go_on.wait()
        own = sqlite3.connect(file)
        try:
            fx.answer_in(own, "paid")
            own.commit()
        finally:
            own.close()
        return "paid"

    app = paying(pay)
    bank = app.participants[0]

    @bank.effect("reserve", A0, R1, S2)
    async def reserve(fx: Effect) -> str:
        return "reserved"

    @reserve.undo
    async def release(fx: Effect, reserved: str) -> None: ...

    do = engine.offer("bank/pay@1", {}, classes=R2_CLASSES)
    async with serve(app, journal=journal):
        await asyncio.wait_for(running.wait(), 10)
        undo = engine.offer(
            "bank/reserve@1:undo", {"reserved": "x"}, kind="undo", undoes=do, classes=R1_CLASSES
        )
        await apart(engine.reply_to, undo)
        go_on.set()
        reply = await apart(engine.reply_to, do)
    assert (reply["outcome"], reply["code"]) == ("not_done", "not-done")


async def test_a_stale_undo_does_not_run(engine: FakeEngine, serve: Serve) -> None:
    """A newer command for its `do` is known: this undo was given up by the engine."""
    world = World()
    do = engine.offer("crm/create-account@1", ACME, classes=R1_CLASSES, token="2.0.1.1")
    async with serve(app_of(world)):
        await apart(engine.reply_to, do)
        undo = engine.offer(
            "crm/create-account@1:undo", {"account": {"account_id": "1"}}, kind="undo",
            undoes=do, token="1.0.9.9", classes=R1_CLASSES,
        )  # fmt: skip
        reply = await apart(engine.reply_to, undo)
    assert (reply["outcome"], reply["code"]) == ("not_done", "journal.token")
    assert world.calls == {"create-account": 1}


async def test_progress_outlives_a_heartbeat_that_failed(engine: FakeEngine, serve: Serve) -> None:
    engine.problems["heartbeats"] = [(503, "TR720"), (503, "TR720")]
    engine.offer("registry/long@1", {"name": "a"})
    async with serve(app_of(World()), drain_timeout_s=0.05):
        await apart(engine.next_beat)
    assert engine.beats[0]["progress"] == "40 %"


async def test_starts_that_are_refused_as_a_whole_let_the_claims_go(
    engine: FakeEngine, serve: Serve
) -> None:
    """Nothing was begun, so nothing is answered; the engine offers them again."""
    engine.problems["starts"] = [(422, "TR400")]
    account = {"account": {"account_id": "1"}}
    first = engine.offer("crm/activate@1", account, classes=R2_CLASSES)
    async with serve(app_of(World())):
        await apart(engine.wait, lambda: engine.calls["starts"])
        second = engine.offer("crm/activate@1", account, classes=R2_CLASSES)
        await apart(engine.reply_to, second)
    assert first not in {reply["effect"] for reply in engine.replies}


async def test_deps_that_cannot_be_made_end_the_worker(engine: FakeEngine) -> None:
    """It says so at once, instead of failing every step."""

    def broken() -> Any:
        raise ConnectionError("no database")

    crm = Participant("crm", deps=broken)

    @crm.step("look")
    def look(fx: Effect[Any]) -> str:
        return "x"

    with pytest.raises(ConnectionError, match="no database"):
        await Worker(App(participants=[crm]), url=engine.url).serve()
