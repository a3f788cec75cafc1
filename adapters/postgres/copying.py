"""A store on PostgreSQL as the source or the target of a copy (adapters/sql/copying.py).

The target is filled in one transaction that locks every table of it: a copy that is killed leaves
tables without a row in them and no store, which an engine refuses (TR704), and the next copy may
use them. The rows are frozen as they come, so vacuum need not read them again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, LiteralString, cast
from uuid import UUID

import psycopg

from adapters.postgres.arrays import ints, texts, uuids
from adapters.postgres.cluster import SILENCE_MAX_US
from adapters.postgres.faults import FAULTS, guarded, is_locked, store_failed
from adapters.postgres.link import Db, connect, where
from adapters.postgres.offline import PostgresOffline
from adapters.postgres.pool import read_ids
from adapters.postgres.schema import FORMAT, HEAD, LANES_MAX, revision_of, upgrade
from adapters.postgres.states import pack
from adapters.postgres.tables import metadata
from adapters.sql.copying import Identity, Place
from adapters.sql.offline import LaneRow
from domain.ports import StoreConflict, StoreFailed

__all__ = ["SETTINGS", "PostgresSource", "PostgresTarget", "keep_out"]

WAIT_FOR_TABLES_MS = 5_000
"""How long a copy waits for a table that somebody else uses."""

# Nothing of a copy may end it in the middle because it takes long.
SETTINGS = (
    f"-c lock_timeout={WAIT_FOR_TABLES_MS} -c idle_in_transaction_session_timeout=0"
    " -c statement_timeout=0 -c synchronous_commit=on"
)
_LIVING = """
SELECT p.process, p.host, p.pid, count(l.lane) FROM processes p
LEFT JOIN lanes l ON l.owner = p.process
WHERE p.beat_us >= (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - %s
GROUP BY p.process, p.host, p.pid ORDER BY p.process LIMIT 1
"""
_IDENTITY = "SELECT id, incarnation, created_us, doubt_until_us, restored_us FROM store"
_ANY = "SELECT 1 FROM {} LIMIT 1"
_LAST = "SELECT last_value, is_called FROM {}"
_NUMBER_FROM = "SELECT setval(pg_get_serial_sequence(%s, 'id'), %s, %s)"
_PLACES = """
SELECT e.stream, e.version, e.lane, e.position FROM unnest(%s, %s) AS n (stream, version)
JOIN events e ON e.stream = n.stream AND e.version = n.version
"""
_STORE = """
INSERT INTO store (one, id, lanes, incarnation, created_us, doubt_until_us, restored_us, routing)
VALUES (1, %s, %s, %s, %s, %s, %s, 0)
"""
_PRESENT = "SELECT name FROM unnest(%s) AS n (name) WHERE to_regclass(name) IS NOT NULL"
_TYPES = {"INTEGER": "int4", "BIGINT": "int8", "BOOLEAN": "bool", "BYTEA": "bytea",
          "TEXT": "text", "UUID": "uuid"}  # fmt: skip


def _types(table: str) -> dict[str, str]:
    found = metadata.tables.get(table)
    columns = () if found is None else found.columns
    return {column.name: _TYPES[type(column.type).__name__] for column in columns}


def _sql(text: str) -> LiteralString:
    return cast(LiteralString, text)


def _lock(db: Db, path: str, tables: Iterable[str], mode: str) -> None:
    """Lock tables to the end of the transaction. Raises StoreFailed (store.locked)."""
    try:
        db.execute(_sql(f"LOCK TABLE {', '.join(tables)} IN {mode} MODE"))
    except psycopg.Error as error:
        if not is_locked(error):
            raise
        detail = f"{path}: its tables are in use; end what uses them, an engine or a session"
        raise StoreFailed("store.locked", detail) from error


def keep_out(db: Db, path: str) -> None:
    """Refuse where an engine lives; then begin a transaction in which nobody else can write.

    Raises StoreFailed (store.locked). `db` gives a lock up after a while (WAIT_FOR_TABLES_MS).
    """
    # Heartbeats go on, so that an engine that starts meanwhile says why it waits.
    written = [name for name in metadata.tables if name not in ("processes", "answers")]
    _refuse_living(db, path)
    db.execute("BEGIN")
    _lock(db, path, written, "SHARE ROW EXCLUSIVE")
    _refuse_living(db, path)


def _refuse_living(db: Db, path: str) -> None:
    row = db.execute(_LIVING, (SILENCE_MAX_US,)).fetchone()
    if row is not None:
        process, host, pid, lanes = row
        detail = f"{path}: an engine runs on it: {process}, process {pid} of {host}"
        raise StoreFailed("store.locked", f"{detail}, with {lanes} lanes")


class PostgresSource:
    """Implements `adapters.sql.copying.Source`.

    A session of its own holds locks with which nobody can write, and everybody read.
    """

    def __init__(self, url: str) -> None:
        """Raises StoreFailed: store.gone, store.locked, store.format."""
        path = where(url)
        # Also says clearly what is no store, or one of another form.
        PostgresOffline(url).close()
        try:
            self._hold = connect(url, "troth copy", SETTINGS)
        except FAULTS as error:
            raise store_failed(error, path) from error
        try:
            keep_out(self._hold, path)
            self.store = PostgresOffline(url)
            (found,) = self.store.each(_IDENTITY)
            self.identity = Identity(*found)
        except psycopg.Error as error:
            self._hold.close()
            raise _failed(error, path) from error
        except BaseException:
            self._hold.close()
            raise

    def columns(self, table: str) -> Sequence[str]:
        return tuple(_types(table))

    def last_number(self, table: str) -> int:
        ((last, is_called),) = self.store.each(_LAST.format(f"{table}_id_seq"))
        return last if is_called else 0

    def check(self) -> None:
        """The session that keeps others out must have lived until now."""
        try:
            self._hold.execute("SELECT 1")
        except psycopg.Error as error:
            raise _failed(error, self.store.path) from error

    def close(self) -> None:
        self.store.close()
        self._hold.close()


class PostgresTarget:
    """Implements `adapters.sql.copying.Target` in one transaction."""

    has_bus = True

    def __init__(self, url: str, lanes: int) -> None:
        """Raises StoreFailed: store.gone, store.lanes."""
        if not 1 <= lanes <= LANES_MAX:
            raise StoreFailed("store.lanes", f"a store has 1 to {LANES_MAX} lanes, not {lanes}")
        self.path = where(url)
        self._url = url
        try:
            self._db = connect(url, "troth copy", SETTINGS)
        except FAULTS as error:
            raise store_failed(error, self.path) from error

    def begin(self, source: Identity) -> None:
        try:
            self._begin(source)
        except FAULTS as error:
            raise _failed(error, self.path) from error

    def _begin(self, source: Identity) -> None:
        revision = revision_of(self._db)
        names = texts(["alembic_version", *metadata.tables])
        present = {name for (name,) in self._db.execute(_PRESENT, (names,))}
        wanted = set() if revision is None else {"alembic_version", *metadata.tables}
        if present != wanted:
            raise StoreFailed("store.not_empty", f"{self.path} holds tables of something else")
        if revision is not None:
            # Before anything is locked: of a living store nobody shall wait for a moment.
            self._refuse_store(source)
        if revision not in (None, HEAD):
            detail = f"{self.path} has tables of revision {revision}, not {HEAD}"
            raise StoreFailed("store.not_empty", detail)
        if revision is None:
            upgrade(self._db)
            if self._db.closed:
                self._db = connect(self._url, "troth copy", SETTINGS)
        tables = tuple(metadata.tables)
        self._db.execute("BEGIN")
        _lock(self._db, self.path, tables, "ACCESS EXCLUSIVE")
        self._refuse_store(source)
        for table in tables:
            if self._db.execute(_sql(_ANY.format(table))).fetchone() is not None:
                raise StoreFailed("store.not_empty", f"{self.path} has rows in its table {table}")
        # A table that this very transaction made anew takes rows that are frozen already.
        self._db.execute(_sql(f"TRUNCATE {', '.join(tables)}"))
        read_ids(self._db)

    def _refuse_store(self, source: Identity) -> None:
        row = self._db.execute(_IDENTITY).fetchone()
        if row is not None and tuple(row) == (source.id, source.incarnation, source.created_us):
            raise StoreFailed("store.not_empty", f"{self.path} is the store that is to be copied")
        if row is not None:
            raise StoreFailed("store.not_empty", f"{self.path} holds a store already")

    def columns(self, table: str) -> Sequence[str]:
        return tuple(_types(table))

    @guarded
    def add(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        types = _types(table)
        kinds = [types[name] for name in columns]
        made = [_MAKE.get(kind) for kind in kinds]
        if table in ("events", "snapshots"):
            made[columns.index("state")] = pack
        names = ", ".join(columns)
        sql = f"COPY {table} ({names}) FROM STDIN (FORMAT BINARY, FREEZE)"
        with self._db.cursor().copy(_sql(sql)) as copy:
            copy.set_types(kinds)
            for row in rows:
                copy.write_row(
                    [
                        value if make is None or value is None else make(value)
                        for value, make in zip(row, made, strict=True)
                    ]
                )

    @guarded
    def places(self, events: Sequence[Place]) -> Mapping[Place, tuple[int, int]]:
        if not events:
            return {}
        streams, versions = zip(*events, strict=True)
        found = self._db.execute(_PLACES, (uuids(streams), ints(versions)), binary=True)
        return {(stream, version): (lane, at) for stream, version, lane, at in found}

    @guarded
    def number_from(self, table: str, last: int) -> None:
        self._db.execute(_NUMBER_FROM, (table, max(last, 1), last > 0))

    def finish(self, identity: Identity, lanes: Sequence[LaneRow]) -> None:
        columns = ("lane", "format", "epoch", "head", "clock_us", "chain", "owner", "backend")
        rows = [
            (r.lane, FORMAT, r.epoch, r.head.position, r.clock_us, r.head.chain, "", "")
            for r in lanes
        ]
        self.add("lanes", columns, rows)
        try:
            values = (
                identity.id, len(lanes), identity.incarnation, identity.created_us,
                identity.doubt_until_us, identity.restored_us,
            )  # fmt: skip
            self._db.execute(_STORE, values)
            self._db.execute("COMMIT")
        except FAULTS as error:
            raise _failed(error, self.path) from error
        # Else the first plans, and doctor, would take every table for empty. The store is whole
        # without it, and autovacuum makes it good.
        with suppress(*FAULTS):
            self._db.execute("ANALYZE")

    def close(self) -> None:
        self._db.close()


def _uuid(value: bytes) -> UUID:
    return UUID(bytes=value)


def _text(value: str) -> str:
    # Only what was refused and kept as a dead letter can hold it; its raw bytes stay as they were.
    return value.replace("\0", "\ufffd")


_MAKE: dict[str, Any] = {"uuid": _uuid, "bool": bool, "text": _text}
"""What a neutral value becomes; the others go as they are."""


def _failed(error: Exception, path: str) -> StoreFailed:
    found = store_failed(error, path)
    return StoreFailed("store.locked", str(found)) if isinstance(found, StoreConflict) else found
