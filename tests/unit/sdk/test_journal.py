"""The participant's journal in SQLite, and what is said of it elsewhere."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from troth._errors import TrothError
from troth._journal import Journal
from troth._journal_rules import Run
from troth._journal_sql import DDL

from .journal_contract import Connect, JournalContract, begin, one

FORMAT = Path(__file__).resolve().parents[3] / "docs" / "format.md"


class TestJournalInSqlite(JournalContract):
    """A file, opened by each side for itself."""

    @pytest.fixture
    def connect(self, tmp_path: Path) -> Connect:
        return lambda: sqlite3.connect(tmp_path / "crm.db")

    @pytest.fixture
    def make(self, connect: Connect) -> Callable[..., Journal]:
        return lambda **settings: Journal(connect, **settings)


def test_other_drivers_mark_parameters_otherwise() -> None:
    """psycopg wants %s; the statements are the same."""
    said: list[str] = []

    class Spy:
        rowcount = 1

        def execute(self, sql: str, parameters: Any) -> None:
            said.append(sql)

        def fetchone(self) -> tuple[int]:
            return (0,)

        def close(self) -> None: ...

    class Connection:
        def cursor(self) -> Spy:
            return Spy()

        def commit(self) -> None: ...
        def rollback(self) -> None: ...
        def close(self) -> None: ...

    journal = Journal(Connection, paramstyle="format")
    assert one(journal, begin()) == Run(seen=False)
    assert said[-1].count("%s") == 7
    assert "?" not in said[-1]


@pytest.mark.parametrize("url", ["mysql://u:secret@x/y", "sqlite://", "journal.db"])
def test_a_url_that_is_not_understood_says_what_to_write(url: str) -> None:
    with pytest.raises(TrothError, match="TR711") as caught:
        Journal.at(url)
    assert "postgresql://" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_connection_that_broke_is_made_anew(tmp_path: Path) -> None:
    """A database that was restarted costs nothing: what was not committed is written again."""
    made: list[sqlite3.Connection] = []

    def connect() -> sqlite3.Connection:
        made.append(sqlite3.connect(tmp_path / "j.db"))
        return made[-1]

    journal = Journal(connect)
    journal.open()
    made[0].close()
    assert one(journal, begin()) == Run(seen=False)
    assert len(made) == 2
    journal.close()


def test_the_tables_are_those_of_the_format() -> None:
    told = FORMAT.read_text("utf-8").partition("<!-- journal: begin -->")[2]
    sql = told.partition("```sql")[2].partition("```")[0]
    said = [_words(one) for one in sql.split(";") if one.strip()]
    assert said == [_words(one.replace("IF NOT EXISTS ", "")) for one in DDL]


def _words(sql: str) -> list[str]:
    return re.findall(r"\w+|[(),]", sql)
