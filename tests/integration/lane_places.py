"""Where the store of a lane test lies: in a file, or in a PostgreSQL database of 1 or 4 lanes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import psycopg

from adapters.postgres import PostgresCluster, PostgresStore, migrate
from adapters.sqlite import SqliteStore
from tests.servers import Databases

__all__ = ["Place", "PostgresPlace", "Share", "SqlitePlace"]

PROCESS = "p1"

# Copying and dropping a database for every test took 130 ms, emptying one 2.
_EMPTY = """
DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public'
    AND tablename NOT IN ('alembic_version', 'store', 'lanes') LOOP
    EXECUTE 'DELETE FROM ' || name;
  END LOOP;
  PERFORM setval('dead_letters_id_seq', 1, false);
  UPDATE store SET routing = 0;
  UPDATE lanes SET owner = '', backend = '', epoch = 0, head = 0, clock_us = 0,
    chain = decode(repeat('00', 32), 'hex');
END $$
"""


class Place(Protocol):
    """Opens its store again and again, and looks into it from outside with SQL.

    `lanes` is how many the store has; `mine` are those that `process` claims when it opens.
    """

    lanes: int
    mine: Sequence[int]
    process: str

    def open(self, now_us: int) -> Any:
        """The store, with lanes claimed; whoever had it open before has lost them."""
        ...

    def rows(self, sql: str, values: Sequence[Any]) -> list[Any]:
        """The committed rows of a query with ? for its values; UUIDs go in as they are."""
        ...


class SqlitePlace:
    """A file."""

    lanes = 1
    mine: Sequence[int] = (0,)
    process = PROCESS

    def __init__(self, path: Path) -> None:
        self._url = f"sqlite:///{path}"
        self._store: SqliteStore | None = None

    def open(self, now_us: int) -> SqliteStore:
        self._store = SqliteStore.open(self._url, now_us=now_us, durable=False)
        return self._store

    def rows(self, sql: str, values: Sequence[Any]) -> list[Any]:
        assert self._store is not None
        plain = [value.bytes if isinstance(value, UUID) else value for value in values]
        return self._store.connection.execute(sql, plain).fetchall()


class PostgresPlace:
    """A database with so many lanes, all of them claimed; `empty` makes a new store of it."""

    process = PROCESS

    def __init__(self, databases: Databases, lanes: int) -> None:
        self.lanes = lanes
        self.mine: Sequence[int] = range(lanes)
        template = databases.template(f"store_{lanes}", lambda url: migrate(url, lanes))
        self.url = databases.create(template)
        self._databases = databases
        self._db = psycopg.connect(self.url, autocommit=True)
        self._share = Share(self, PROCESS, self.mine)

    def empty(self) -> None:
        """Take everything out, and every lane from whoever owned it."""
        self._db.execute(_EMPTY)

    def open(self, now_us: int) -> PostgresStore:
        return self._share.open(now_us)

    def rows(self, sql: str, values: Sequence[Any]) -> list[Any]:
        found = self._db.execute(sql.replace("?", "%s").encode(), values)
        return [] if found.description is None else found.fetchall()

    def close(self) -> None:
        """Drop the database."""
        self._share.close()
        self._db.close()
        self._databases.drop(self.url)


class Share:
    """Some lanes of a PostgreSQL store: what one of several processes owns."""

    def __init__(self, whole: PostgresPlace, process: str, mine: Sequence[int]) -> None:
        self.lanes = whole.lanes
        self.mine = mine
        self.process = process
        self.rows = whole.rows
        self._url = whole.url
        self._store: PostgresStore | None = None
        self.cluster = PostgresCluster(whole.url, process=process, backend=self._backend)

    def _backend(self) -> str:
        return "" if self._store is None else self._store.backend

    def open(self, now_us: int) -> PostgresStore:
        self._store = PostgresStore.open(self._url, process=self.process)
        # As the file of the embedded tests: whether the disk has it is tested elsewhere.
        tx = self._store.begin()
        tx.connection.execute("SET synchronous_commit = off")
        tx.commit()
        for lane in self.mine:
            assert self.cluster.claim(lane) is not None, lane
        return self._store

    def close(self) -> None:
        """Close the connection that claims."""
        self.cluster.close()
