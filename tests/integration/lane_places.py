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

__all__ = ["PROCESS", "Place", "PostgresPlace", "SqlitePlace"]

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
    """Opens its store again and again, and looks into it from outside with SQL."""

    lanes: int

    def open(self, now_us: int) -> Any:
        """The store, with all its lanes claimed; whoever had it open before has lost them."""
        ...

    def rows(self, sql: str, values: Sequence[Any]) -> list[Any]:
        """The committed rows of a query with ? for its values; UUIDs go in as they are."""
        ...


class SqlitePlace:
    """A file."""

    lanes = 1

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
    """A database with so many lanes; `empty` makes a new store of it."""

    def __init__(self, databases: Databases, lanes: int) -> None:
        self.lanes = lanes
        template = databases.template(f"store_{lanes}", lambda url: migrate(url, lanes))
        self.url = databases.create(template)
        self._databases = databases
        self._db = psycopg.connect(self.url, autocommit=True)
        self._store: PostgresStore | None = None
        self._cluster = self.cluster(PROCESS, lambda: self._store)

    def cluster(self, process: str, store: Any) -> PostgresCluster:
        """The cluster as a process sees it; `store` tells its open store."""
        return PostgresCluster(self.url, process=process, backend=lambda: store().backend)

    def empty(self) -> None:
        """Take everything out, and every lane from whoever owned it."""
        self._db.execute(_EMPTY)

    def open(self, now_us: int) -> PostgresStore:
        self._store = PostgresStore.open(self.url, process=PROCESS)
        for lane in range(self.lanes):
            assert self._cluster.claim(lane) is not None, lane
        return self._store

    def rows(self, sql: str, values: Sequence[Any]) -> list[Any]:
        found = self._db.execute(sql.replace("?", "%s").encode(), values)
        return [] if found.description is None else found.fetchall()

    def close(self) -> None:
        """Drop the database."""
        self._cluster.close()
        self._db.close()
        self._databases.drop(self.url)
