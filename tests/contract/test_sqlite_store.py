"""The store on SQLite keeps what every store promises."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from adapters.sqlite import SqliteStore
from domain.ports import LaneWrite, Store
from tests.contract.dispatch_contract import DispatchContract
from tests.contract.doubt_contract import DoubtContract
from tests.contract.store_contract import StoreContract
from tests.contract.store_world import World, commit, dispatch


class SqliteWorld:
    """A store in a file; outside looks go through a connection of their own."""

    def __init__(self, place: Path) -> None:
        self.path = place / "troth.db"

    def open(self) -> Store:
        # What a lost flush would do is shown by the tests that kill, not by these.
        return SqliteStore.open(f"sqlite:///{self.path}", now_us=1, durable=False)

    def take_over(self, lane: int) -> None:
        with closing(sqlite3.connect(self.path)) as db, db:
            db.execute("UPDATE lanes SET epoch = epoch + 1 WHERE lane = ?", (lane,))

    def log(self, lane: int) -> list[tuple[int, UUID, int]]:
        query = "SELECT position, stream, version FROM events WHERE lane = ? ORDER BY position"
        with closing(sqlite3.connect(self.path)) as db:
            rows = db.execute(query, (lane,)).fetchall()
        return [(position, UUID(bytes=stream), version) for position, stream, version in rows]

    def values(self, table: str, column: str) -> list[Any]:
        with closing(sqlite3.connect(self.path)) as db:
            return [value for (value,) in db.execute(f"SELECT {column} FROM {table}")]

    def doubt(self, until_us: int, restored_us: int = 0) -> None:
        with closing(sqlite3.connect(self.path)) as db, db:
            change = "UPDATE store SET doubt_until_us = ?, restored_us = ?"
            db.execute(change, (until_us, restored_us))


class TestSqliteStore(StoreContract):
    def make_world(self, place: Path) -> World:
        return SqliteWorld(place)


class TestSqliteDispatch(DispatchContract):
    def make_world(self, place: Path) -> World:
        return SqliteWorld(place)


class TestSqliteDoubt(DoubtContract):
    def make_world(self, place: Path) -> World:
        return SqliteWorld(place)


@pytest.mark.parametrize(("needs_start", "reads"), [(False, 0), (True, 1)])
def test_whether_there_is_doubt_is_read_only_for_work_that_can_be_in_doubt(
    tmp_path: Path, needs_start: bool, reads: int
) -> None:
    said: list[str] = []
    with closing(SqliteStore.open(f"sqlite:///{tmp_path / 'troth.db'}", now_us=1)) as store:
        store.connection.set_trace_callback(said.append)
        commit(store, LaneWrite(offered=[dispatch("a", needs_start=needs_start)]), clock_us=1)
    assert len([text for text in said if "doubt_until_us" in text]) == reads


make: Callable[[Path], World] = SqliteWorld  # the type checker holds the class to the protocol
