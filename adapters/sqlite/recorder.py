"""The one lane of a store on SQLite, for the recorders of adapters/sql/recorder.py."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from threading import RLock
from typing import Any
from urllib.parse import quote
from uuid import UUID

from eventsourcing import persistence

from adapters.sql.reads import Row
from adapters.sql.recorder import Lane, Statements
from adapters.sqlite.store import SqliteStore
from domain.ports import Transaction

__all__ = ["SqliteLane"]

LANE = 0


class SqliteLane(Lane):
    """A connection for reading, and the store where it may be written."""

    faults = (sqlite3.Error,)

    def __init__(self, path: str, store: SqliteStore | None = None) -> None:
        """`path` is the database file. Raises the library's OperationalError if it is not there."""
        super().__init__(LANE, store)
        self._file = store
        self._reading = RLock()
        try:
            uri = f"file:{quote(path)}?mode=ro"
            self._db = sqlite3.connect(uri, uri=True, check_same_thread=False)
        except sqlite3.Error as error:
            raise persistence.OperationalError(f"{path}: {error}") from error

    def read(self, sql: str, values: Sequence[Any]) -> list[Row]:
        """Committed rows."""
        with self._reading:
            try:
                return self._db.execute(sql, values).fetchall()
            except sqlite3.Error as error:
                raise persistence.OperationalError(str(error)) from error

    def id(self, stream: UUID) -> bytes:
        """Its 16 bytes."""
        return stream.bytes

    def state(self, stored: bytes) -> bytes:
        """The state, as it lies there."""
        return stored

    def statements(self, transaction: Transaction) -> Statements:  # noqa: ARG002 - there is one
        """The writer's connection."""
        assert self._file is not None, "only a writable lane has transactions"
        return self._file.connection

    def is_integrity(self, error: BaseException | None) -> bool:
        """Whether a row was there already."""
        return isinstance(error, sqlite3.IntegrityError)

    def close(self) -> None:
        """Close both."""
        with self._reading:
            self._db.close()
        if self._file is not None:
            self._file.close()
