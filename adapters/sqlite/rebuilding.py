"""The views of a store on SQLite, written anew."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from adapters.sql.reads import Row
from adapters.sql.rebuilding import ViewWriter
from adapters.sqlite.faults import guarded
from adapters.sqlite.files import path_of
from adapters.sqlite.schema import HEAD, revision_of
from adapters.sqlite.writes import write_views
from domain.ports import StoreFailed, ViewRow

__all__ = ["SqliteViews"]

BUSY_TIMEOUT_MS = 10_000
"""How long a batch of the engine is waited for."""


class SqliteViews(ViewWriter):
    """Beside a running engine too: its next batch waits until a few streams are written."""

    def __init__(self, url: str) -> None:
        path = path_of(url)
        if not path.is_file():
            raise StoreFailed("http.not_found", f"{path} is not there")
        self.path = str(path)
        self._open()

    @guarded
    def _open(self) -> None:
        self._db = sqlite3.connect(self.path, isolation_level=None)
        self._db.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        self._db.execute("PRAGMA synchronous = FULL")
        revision = revision_of(self._db)
        if revision != HEAD:
            self._db.close()
            raise StoreFailed("store.format", f"{self.path} has revision {revision}, not {HEAD}")

    @guarded
    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return self._db.execute(sql, values).fetchall()

    @guarded
    def count(self, sql: str, values: Sequence[Any] = ()) -> int:
        return self._db.execute(sql, values).rowcount

    def id(self, stream: bytes) -> bytes:
        return stream

    def state(self, stored: bytes) -> bytes:
        return stored

    @contextmanager
    def hold(self, lane: int) -> Iterator[None]:  # noqa: ARG002 - there is one writer in all
        self.count("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.rollback()
            raise
        self.count("COMMIT")

    @guarded
    def write(self, rows: Sequence[ViewRow]) -> None:
        write_views(self._db, rows)

    def close(self) -> None:
        self._db.close()
