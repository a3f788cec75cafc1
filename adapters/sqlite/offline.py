"""A store on SQLite, read as it was at one moment; the file is never written to."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from adapters.clock import wall_us
from adapters.sql.offline import OfflineStore
from adapters.sql.reads import Row
from adapters.sqlite.faults import FAULTS, guarded, store_failed
from adapters.sqlite.files import path_of
from adapters.sqlite.schema import HEAD, revision_of
from domain.ports import StoreFailed

__all__ = ["SqliteOffline"]


class SqliteSnapshot:
    """Implements `adapters.sql.offline.Snapshot` on an open file."""

    def __init__(self, db: sqlite3.Connection, path: str) -> None:
        self.path = path
        self._db = db

    @guarded
    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return self._db.execute(sql, values).fetchall()

    @guarded
    def row(self, sql: str, values: Sequence[Any] = ()) -> Row | None:
        return self._db.execute(sql, values).fetchone()

    def each(self, sql: str, values: Sequence[Any] = ()) -> Iterator[Row]:
        try:
            yield from self._db.execute(sql, values)
        except FAULTS as error:
            raise store_failed(error, self.path) from error

    def id(self, stream: UUID) -> bytes:
        return stream.bytes

    def state(self, stored: bytes) -> bytes:
        return stored

    def close(self) -> None:
        self._db.close()


class SqliteOffline(OfflineStore):
    """A file that is only read. Raises StoreFailed when there is none, or it is no store."""

    waits_for = """
    SELECT 1 FROM json_each(c.body, '$.waits_for') w WHERE json_extract(w.value, '$.kind')
    """

    def __init__(self, url: str) -> None:
        path = path_of(url)
        if not path.is_file():
            raise StoreFailed("http.not_found", f"{path} is not there")
        try:
            db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        except FAULTS as error:
            raise store_failed(error, str(path)) from error
        try:
            revision = revision_of(db)
            if revision != HEAD:
                raise StoreFailed("store.format", f"{path} has revision {revision}, not {HEAD}")
            db.isolation_level = None
            db.execute("BEGIN")
            super().__init__(str(path), SqliteSnapshot(db, str(path)))
        except FAULTS as error:
            db.close()
            raise store_failed(error, str(path)) from error
        except StoreFailed:
            db.close()
            raise

    def now_us(self) -> int:
        """The machine's clock."""
        return wall_us()

    def damage(self) -> list[str]:
        """What SQLite finds wrong with the file."""
        found = [str(row[0]) for row in self._db.rows("PRAGMA quick_check(1)")]
        return [] if found == ["ok"] else found
