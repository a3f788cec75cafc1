"""Outbox and inbox in SQLite, and the commands around them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from troth import inbox, outbox
from troth._errors import TrothError
from troth._sql import Connection, begun, connect
from troth.cli._main import run as troth

from .outbox_contract import OutboxContract


class TestOutboxInSqlite(OutboxContract):
    @pytest.fixture
    def database(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/shop.db"


def test_the_statements_for_migrations_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert troth(["outbox", "ddl"]) == 0
    postgres = capsys.readouterr().out
    assert "GENERATED ALWAYS AS IDENTITY" in postgres
    assert all(
        f"CREATE TABLE IF NOT EXISTS {name} (" in postgres
        for name in ("troth_outbox", "troth_outbox_relay", "troth_inbox", "troth_journal")
    )
    assert troth(["outbox", "ddl", "sqlite"]) == 0
    assert "AUTOINCREMENT" in capsys.readouterr().out


def test_refused_events_are_listed_and_sent_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/shop.db"
    connection = connect(url, "test")
    outbox.create(connection, "sqlite")
    with begun(connection):
        outbox.publish(connection, "order.placed", {}, id="a")
        connection.cursor().execute("UPDATE troth_outbox SET error = 'TR312 no'")
    connection.close()
    assert troth(["outbox", "list", "--database", url]) == 0
    assert capsys.readouterr().out == "a  TR312 no\n"
    assert troth(["outbox", "again", "a", "--database", url]) == 0
    assert troth(["outbox", "again", "a", "--database", url]) == 3


async def test_async_sessions_of_sqlalchemy_publish(tmp_path: Path) -> None:
    """AsyncConnection and AsyncSession hand the work to the plain one that they hold."""
    own = connect(f"sqlite:///{tmp_path}/shop.db", "test")
    outbox.create(own, "sqlite")
    inbox.create(own)

    class AsyncSession:
        async def run_sync(self, work: Callable[[Connection], int]) -> int:
            return work(own)

    assert await outbox.publish_async(AsyncSession(), "order.placed", {}, id="a") == "a"
    assert await inbox.once_async(AsyncSession(), "e1")
    assert not await inbox.once_async(AsyncSession(), "e1")
    own.rollback()
    own.close()


def test_an_outbox_that_nobody_named_says_where_to_name_it() -> None:
    assert troth(["outbox", "list"]) == 2


def test_another_database_is_refused() -> None:
    with pytest.raises(TrothError, match="TR711"):
        outbox.Relay("mysql://x/y")


@pytest.mark.parametrize("module", ["troth", "troth.outbox", "troth.inbox", "troth.cli"])
def test_no_driver_is_imported_before_it_is_used(module: str) -> None:
    script = (
        f"import sys, {module}\n"
        "print([one for one in ('aiokafka', 'psycopg', 'sqlalchemy') if one in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"
