"""The store on SQLite keeps what every store promises."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

from adapters.sqlite import SqliteStore
from domain.ports import Store
from tests.contract.dispatch_contract import DispatchContract
from tests.contract.store_contract import StoreContract
from tests.contract.store_world import World


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


class TestSqliteStore(StoreContract):
    def make_world(self, place: Path) -> World:
        return SqliteWorld(place)


class TestSqliteDispatch(DispatchContract):
    def make_world(self, place: Path) -> World:
        return SqliteWorld(place)


make: Callable[[Path], World] = SqliteWorld  # the type checker holds the class to the protocol
