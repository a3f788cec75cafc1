"""Stores on PostgreSQL in databases of their own, and names by the lane they live in."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg

from adapters.postgres import PostgresCluster, PostgresStore, migrate
from domain.ids import lane_of
from domain.ports import (
    LaneBelief,
    Store,
)
from tests.contract.store_world import (
    stream,
)
from tests.servers import Databases


class PostgresWorld:
    """A store in a database of its own; outside looks go through another connection."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.opened = 0

    def open(self) -> PostgresStore:
        return self.join(f"p{self.opened}")

    def join(self, process: str, *lanes: int) -> PostgresStore:
        """A store of another process, which owns these lanes (or all) from now on."""
        self.opened += 1
        store = PostgresStore.open(self.url, process=process)
        cluster = PostgresCluster(self.url, process=process, backend=lambda: store.backend)
        self.change("UPDATE lanes SET owner = '' WHERE lane = ANY(%s)", list(lanes or range(99)))
        for lane in lanes or range(store.lanes):
            assert cluster.claim(lane) is not None
        cluster.close()
        return store

    def change(self, sql: str, *values: Any) -> None:
        with psycopg.connect(self.url) as db:
            db.execute(sql.encode(), values)

    def take_over(self, lane: int) -> None:
        self.change("UPDATE lanes SET epoch = epoch + 1 WHERE lane = %s", lane)

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as db:
            return db.execute(sql.encode(), values).fetchall()

    def log(self, lane: int) -> list[tuple[int, UUID, int]]:
        query = "SELECT position, stream, version FROM events WHERE lane = %s ORDER BY position"
        return [(row[0], row[1], row[2]) for row in self.rows(query, lane)]

    def values(self, table: str, column: str) -> list[Any]:
        return [value for (value,) in self.rows(f"SELECT {column} FROM {table}")]

    def doubt(self, until_us: int, restored_us: int = 0) -> None:
        self.change("UPDATE store SET doubt_until_us = %s, restored_us = %s", until_us, restored_us)


# A database of its own for each test would be three quarters of a second each.
EMPTY = """
DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public'
    AND tablename NOT IN ('alembic_version', 'store', 'lanes') LOOP
    EXECUTE 'DELETE FROM ' || name;
  END LOOP;
  UPDATE store SET routing = 0, doubt_until_us = 0, restored_us = 0;
  UPDATE lanes SET owner = '', backend = '', epoch = 0, head = 0, clock_us = 0,
    chain = decode(repeat('00', 32), 'hex');
END $$
"""


def shared(databases: Databases, lanes: int) -> Iterator[str]:
    """A store of so many lanes for a module."""
    template = databases.template(f"store_{lanes}", lambda url: migrate(url, lanes))
    url = databases.create(template)
    yield url
    databases.drop(url)


def emptied(url: str) -> str:
    with psycopg.connect(url) as db:
        db.execute(EMPTY)
    return url


def beliefs(store: Store) -> list[LaneBelief]:
    return [store.belief(lane) for lane in range(store.lanes)]


def in_lane(lane: int, skip: int = 0) -> str:
    """A name whose stream lives in a lane of four."""
    names = (f"s{n}" for n in range(10_000))
    found = (name for name in names if lane_of(stream(name), 4) == lane)
    for _ in range(skip):
        next(found)
    return next(found)
