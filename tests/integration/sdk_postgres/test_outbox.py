"""Outbox and inbox in PostgreSQL, with the connections people have."""

from __future__ import annotations

import contextlib
import threading

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from tests.unit.sdk.outbox_contract import OutboxContract
from troth import inbox, outbox
from troth._sql import begun, connect, rows


class TestOutboxInPostgres(OutboxContract):
    @pytest.fixture
    def database(self, fresh_database: str) -> str:
        return fresh_database

    def test_two_that_apply_the_same_event_at_once_apply_it_once(
        self, database: str, own: psycopg.Connection
    ) -> None:
        """The second waits for the first, and then knows."""
        found: list[bool] = []

        def second() -> None:
            with contextlib.closing(connect(database, "test")) as other, begun(other):
                found.append(inbox.once(other, "e1"))

        with begun(own):
            assert inbox.once(own, "e1")
            thread = threading.Thread(target=second)
            thread.start()
        thread.join(20)
        assert found == [False]


def ids(database: str) -> list[str]:
    with contextlib.closing(connect(database, "test")) as look:
        return [id for (id,) in rows(look, "SELECT id FROM troth_outbox ORDER BY number", ())]


@pytest.fixture
def made(fresh_database: str) -> str:
    with contextlib.closing(connect(fresh_database, "test")) as connection:
        outbox.create(connection, "postgres")
        inbox.create(connection)
    return fresh_database


def test_a_session_of_sqlalchemy_publishes(made: str) -> None:
    """Connection and Session; what is rolled back leaves nothing."""
    engine = create_engine(made.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        outbox.publish(connection, "order.placed", {}, id="a")
        assert inbox.once(connection, "e1")
    with Session(engine) as session, session.begin():
        session.execute(text("SELECT 1"))
        outbox.publish(session, "order.placed", {}, id="b")
        assert not inbox.once(session, "e1")
    with Session(engine) as session:
        outbox.publish(session, "order.placed", {}, id="c")
        session.rollback()
    engine.dispose()
    assert ids(made) == ["a", "b"]


async def test_an_async_connection_publishes(made: str) -> None:
    async with await psycopg.AsyncConnection.connect(made) as connection:
        await outbox.publish_async(connection, "order.placed", {}, id="a")
        assert await inbox.once_async(connection, "e1")
    assert ids(made) == ["a"]


def test_something_that_is_no_connection_is_refused() -> None:
    with pytest.raises(TypeError, match="no connection"):
        outbox.publish(object(), "order.placed", {})
