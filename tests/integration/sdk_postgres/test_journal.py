"""The participant's journal in PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from tests.unit.sdk.conftest import apart
from tests.unit.sdk.fake_engine import FakeEngine
from tests.unit.sdk.journal_contract import (
    DONE,
    Connect,
    JournalContract,
    answer,
    begin,
    one,
    outcome_of,
)
from tests.unit.sdk.parties import R1_CLASSES
from tools.servers import Postgres
from troth import A0, R1, S2, App, Effect, Journal, Participant, Worker
from troth._journal_rules import Begin, Run
from troth._sql import connect


class TestJournalInPostgres(JournalContract):
    @pytest.fixture
    def connect(self, fresh_database: str) -> Connect:
        return lambda: connect(fresh_database, "test")

    @pytest.fixture
    def make(self, connect: Connect) -> Callable[..., Journal]:
        return lambda **settings: Journal(connect, paramstyle="format", **settings)


def test_many_workers_make_and_write_one_journal(fresh_database: str) -> None:
    """All at once, from an empty database, the same effects in any order: each runs once."""
    found: list[Any] = []

    def work(number: int) -> None:
        journal = Journal.at(fresh_database)
        effects = [f"{(n * (number + 1)) % 101:03}" for n in range(1, 101)]
        verdicts = journal.write([Begin(e, "d", "1.0.1.1", 1, False) for e in effects])
        found.extend(e for e, said in zip(effects, verdicts, strict=True) if isinstance(said, Run))
        journal.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(found) == [f"{n:03}" for n in range(1, 101)]


def test_a_role_that_may_not_make_tables_uses_those_that_are_there(fresh_database: str) -> None:
    first = Journal.at(fresh_database)
    first.open()
    first.close()
    role = f"reader_{fresh_database.rpartition('/')[2][-12:]}".replace("-", "_")
    rights = "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public"
    with psycopg.connect(fresh_database, autocommit=True) as owner:
        owner.execute(f"CREATE ROLE {role} LOGIN".encode())
        owner.execute(f"GRANT {rights} TO {role}".encode())
        journal = Journal(lambda: psycopg.connect(fresh_database, user=role), paramstyle="format")
        assert one(journal, begin()) == Run(seen=False)
        journal.close()
        owner.execute(f"DROP OWNED BY {role}".encode())
        owner.execute(f"DROP ROLE {role}".encode())


def test_a_restarted_database_costs_nothing(own_postgres: Postgres) -> None:
    journal = Journal.at(own_postgres.address)
    assert one(journal, begin()) == Run(seen=False)
    own_postgres.kill()
    own_postgres.restart()
    assert outcome_of(one(journal, answer(DONE))) == DONE
    assert outcome_of(one(journal, begin())) == DONE
    journal.close()


def participant(handler: Callable[[Effect], Any]) -> App:
    bank = Participant("bank")
    if asyncio.iscoroutinefunction(handler):

        @bank.effect("pay", A0, R1, S2, irreversible="it is paid")
        async def pay(fx: Effect) -> str:
            return await handler(fx)
    else:

        @bank.effect("pay", A0, R1, S2, irreversible="it is paid")
        def pay_plainly(fx: Effect) -> str:
            return handler(fx)

    return App(participants=[bank])


WAYS = ["psycopg", "psycopg in a transaction", "connection", "session", "async"]
INSERT = "INSERT INTO payments VALUES ('{}')"


def handler_of(way: str, database: str) -> Callable[[Effect], Any]:
    """A handler that pays and answers in one transaction, and fails after it."""
    url = database.replace("postgresql://", "postgresql+psycopg://")

    def plain(fx: Effect) -> str:
        autocommit = way == "psycopg"
        with psycopg.connect(database, autocommit=autocommit) as own, fx.transaction(own) as reply:
            own.execute(INSERT.format(fx.key).encode())
            reply.done("receipt")
        raise TimeoutError

    def by_connection(fx: Effect) -> str:
        engine = create_engine(url)
        with engine.connect() as own, fx.transaction(own) as reply:
            own.execute(text(INSERT.format(fx.key)))
            reply.done("receipt")
        engine.dispose()
        raise TimeoutError

    def by_session(fx: Effect) -> str:
        engine = create_engine(url)
        with Session(engine) as own, fx.transaction(own) as reply:
            own.execute(text(INSERT.format(fx.key)))
            reply.done("receipt")
        engine.dispose()
        raise TimeoutError

    async def by_async(fx: Effect) -> str:
        async with await psycopg.AsyncConnection.connect(database) as own:
            await own.execute(INSERT.format(fx.key).encode())
            await fx.answer_in_async(own, "receipt")
        raise TimeoutError

    return {
        "psycopg": plain, "psycopg in a transaction": plain, "connection": by_connection,
        "session": by_session, "async": by_async,
    }[way]  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
async def test_effect_and_answer_are_one_write(
    fresh_database: str, engine: FakeEngine, way: str
) -> None:
    """With every connection people have: the answer stands, whatever comes after it."""
    with psycopg.connect(fresh_database) as setup:
        setup.execute("CREATE TABLE payments (effect TEXT PRIMARY KEY)")
    app = participant(handler_of(way, fresh_database))
    worker = Worker(
        app, url=engine.url, journal=Journal.at(fresh_database), claim_wait_s=0.1, name="w"
    )
    serving = asyncio.create_task(worker.serve())
    effect = engine.offer("bank/pay@1", {}, classes=R1_CLASSES)
    first = await apart(engine.reply_to, effect)
    engine.offer("bank/pay@1", {}, classes=R1_CLASSES, effect=effect, attempt=2, token="1.0.99.1")
    second = await apart(engine.reply_to, effect, attempt=2)
    worker.stop()
    await asyncio.wait_for(serving, 20)
    assert (first["outcome"], first["result"]) == ("done", "receipt")
    assert (second["outcome"], second["result"]) == ("done", "receipt")


async def test_a_block_without_an_answer_rolls_back(
    fresh_database: str, engine: FakeEngine, tmp_path: Path
) -> None:
    """Surely nothing happened: that is what the reply says."""
    with psycopg.connect(fresh_database) as setup:
        setup.execute("CREATE TABLE payments (effect TEXT PRIMARY KEY)")

    def pay(fx: Effect) -> str:
        with psycopg.connect(fresh_database) as own, fx.transaction(own):
            own.execute(INSERT.format(fx.key).encode())
        return "receipt"

    worker = Worker(
        participant(pay), url=engine.url, journal=Journal.at(fresh_database), claim_wait_s=0.1
    )
    serving = asyncio.create_task(worker.serve())
    effect = engine.offer("bank/pay@1", {}, classes=R1_CLASSES)
    reply = await apart(engine.reply_to, effect)
    worker.stop()
    await asyncio.wait_for(serving, 20)
    assert reply["outcome"] == "not_done"
    with contextlib.closing(psycopg.connect(fresh_database)) as look:
        assert look.execute("SELECT count(*) FROM payments").fetchone() == (0,)
