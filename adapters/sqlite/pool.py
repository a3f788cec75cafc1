"""Connections for reading: each in one thread's hands at a time, none ever writes."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import UUID

from adapters.sql.reads import Row
from adapters.sqlite.faults import FAULTS, store_failed

if TYPE_CHECKING:
    from sqlalchemy import Select

__all__ = ["ReadPool"]

BUSY_TIMEOUT_S = 5.0
PAGE_CACHE_KIB = 8_192


class ReadPool:
    """Implements `adapters.sql.reads.Reads`.

    As many read-only connections as there are reads at one time; they are kept for the next.

    Every read sees the latest commit as of its first statement and never waits for the writer.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._free: deque[sqlite3.Connection] = deque()
        self._closed = False

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """A connection for the block. Driver errors come out as StoreFailed."""
        try:
            db = self._take()
            try:
                yield db
            finally:
                self._give(db)
        except FAULTS as error:
            raise store_failed(error, self.path) from error

    def rows(self, sql: str, values: Sequence[Any] | dict[str, Any] = ()) -> list[Row]:
        """All rows of one query."""
        with self.connection() as db:
            return db.execute(sql, values).fetchall()

    def row(self, sql: str, values: Sequence[Any] = ()) -> Row | None:
        """The first row of a query, or None."""
        with self.connection() as db:
            return db.execute(sql, values).fetchone()

    def core(self, query: Select[*Row]) -> list[Row]:
        """The rows of a Core query."""
        from sqlalchemy.dialects import sqlite

        dialect = sqlite.dialect(paramstyle="named")
        compiled = query.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        return self.rows(str(compiled), dict(compiled.params))

    def id(self, stream: UUID) -> bytes:
        """A stream id as its column holds it."""
        return stream.bytes

    def state(self, stored: bytes) -> bytes:
        """The state, as it lies there."""
        return stored

    def close(self) -> None:
        """Close what is free now, and the rest when its read is over."""
        self._closed = True
        while self._free:
            self._free.pop().close()

    def _take(self) -> sqlite3.Connection:
        try:
            return self._free.pop()
        except IndexError:
            db = sqlite3.connect(
                f"file:{quote(self.path)}?mode=ro",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
                timeout=BUSY_TIMEOUT_S,
            )
            db.execute(f"PRAGMA cache_size = -{PAGE_CACHE_KIB}")
            return db

    def _give(self, db: sqlite3.Connection) -> None:
        if self._closed:
            db.close()
        else:
            self._free.append(db)
