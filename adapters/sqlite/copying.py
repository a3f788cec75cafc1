"""A store on SQLite as the source or the target of a copy (adapters/sql/copying.py).

The target is filled under another name, `PATH.unfinished-copy`, and gets its own when it is whole:
no engine ever opens half a store. What a killed copy left under that name is nobody's, and the next
one begins it anew.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adapters.sql.copying import Identity, Place
from adapters.sql.offline import LaneRow
from adapters.sqlite.faults import FAULTS, guarded, store_failed
from adapters.sqlite.files import FileLock, path_of
from adapters.sqlite.offline import SqliteOffline
from adapters.sqlite.schema import create, revision_of
from adapters.sqlite.store import FORMAT, LANES
from adapters.sqlite.tables import metadata
from domain.ports import StoreFailed

__all__ = ["UNFINISHED", "SqliteSource", "SqliteTarget"]

UNFINISHED = ".unfinished-copy"
PAGE_CACHE_KIB = 65_536

_IDENTITY = "SELECT id, incarnation, created_us, doubt_until_us, restored_us FROM store"
_FORMATS = "SELECT DISTINCT format FROM lanes"
_NUMBER = "SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = ?"
_PLACE = "SELECT lane, position FROM events WHERE stream = ? AND version = ?"


def _columns(table: str) -> Sequence[str]:
    found = metadata.tables.get(table)
    return () if found is None else tuple(column.name for column in found.columns)


class SqliteSource:
    """Implements `adapters.sql.copying.Source`; it holds the lock that keeps engines out."""

    def __init__(self, url: str) -> None:
        """Raises StoreFailed: http.not_found, store.locked, store.format, store.corrupt."""
        path = path_of(url)
        if not path.is_file():
            raise StoreFailed("http.not_found", f"{path} is not there")
        self._lock = FileLock(path)
        try:
            self.store = SqliteOffline(url)
            try:
                self.identity = self._identity(path)
            except BaseException:
                self.store.close()
                raise
        except BaseException:
            self._lock.release()
            raise

    def _identity(self, path: Path) -> Identity:
        formats = [form for (form,) in self.store.each(_FORMATS)]
        found = next(self.store.each(_IDENTITY), None)
        if found is None or formats != [FORMAT]:
            raise StoreFailed("store.format", f"{path} has formats {formats}, not {FORMAT}")
        return Identity(*found)

    def columns(self, table: str) -> Sequence[str]:
        return _columns(table)

    def last_number(self, table: str) -> int:
        ((last,),) = self.store.each(_NUMBER, (table,))
        return last

    def check(self) -> None:
        """Nothing: the lock is held for as long as this process lives."""

    def close(self) -> None:
        self.store.close()
        self._lock.release()


class SqliteTarget:
    """Implements `adapters.sql.copying.Target` with a file of its own name at the end."""

    has_bus = False

    def __init__(self, url: str) -> None:
        """Raises StoreFailed: store.locked, store.full, store.failed."""
        self._file = path_of(url)
        self.path = str(self._file)
        self._part = self._file.with_name(self._file.name + UNFINISHED)
        self._db: sqlite3.Connection | None = None
        self._lock = FileLock(self._file)

    @property
    def _open(self) -> sqlite3.Connection:
        assert self._db is not None, "begin comes first"
        return self._db

    def begin(self, source: Identity) -> None:  # noqa: ARG002 - of the port
        self._refuse_present()
        try:
            self._part.unlink(missing_ok=True)
            self._db = sqlite3.connect(self._part, isolation_level=None)
            # Until it has its name nothing in it counts: neither a journal nor flushes are needed.
            self._db.execute("PRAGMA journal_mode = OFF")
            self._db.execute("PRAGMA synchronous = OFF")
            self._db.execute(f"PRAGMA cache_size = -{PAGE_CACHE_KIB}")
            create(self._db)
            self._db.execute("BEGIN")
        except OSError as error:
            raise StoreFailed("store.failed", f"{self._part}: {error.strerror}") from error
        except FAULTS as error:
            raise store_failed(error, self.path) from error

    def _refuse_present(self) -> None:
        if self._file.exists():
            raise StoreFailed("store.not_empty", f"{self.path} is there already: {self._what()}")

    def _what(self) -> str:
        if not self._file.is_file():
            return "it is no file"
        try:
            db = sqlite3.connect(f"{self._file.resolve().as_uri()}?mode=ro", uri=True)
            try:
                is_empty = revision_of(db) is None
            finally:
                db.close()
        except (*FAULTS, StoreFailed):
            return "it is no store"
        return "an empty database" if is_empty else "a store"

    def columns(self, table: str) -> Sequence[str]:
        return _columns(table)

    @guarded
    def add(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        marks = ", ".join("?" * len(columns))
        names = ", ".join(columns)
        insert = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - names of our own
        self._open.executemany(insert, rows)

    @guarded
    def places(self, events: Sequence[Place]) -> Mapping[Place, tuple[int, int]]:
        found = {event: self._open.execute(_PLACE, event).fetchone() for event in events}
        return {event: place for event, place in found.items() if place is not None}

    @guarded
    def number_from(self, table: str, last: int) -> None:
        self._open.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
        self._open.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, last))

    @guarded
    def finish(self, identity: Identity, lanes: Sequence[LaneRow]) -> None:
        rows = [
            (r.lane, "", "", r.epoch, r.head.position, r.head.chain, r.clock_us, FORMAT)
            for r in lanes
        ]
        db = self._open
        db.executemany("INSERT INTO lanes VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        values = (
            identity.id, LANES, identity.incarnation, identity.created_us,
            identity.doubt_until_us, identity.restored_us,
        )  # fmt: skip
        db.execute("INSERT INTO store VALUES (1, ?, ?, ?, ?, ?, ?)", values)
        db.execute("COMMIT")
        db.close()
        self._db = None
        try:
            _flush(self._part)
            self._refuse_present()
            self._part.rename(self._file)
            _flush(self._file.resolve().parent)
        except OSError as error:
            raise StoreFailed("store.failed", f"{self.path}: {error.strerror}") from error

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._part.unlink(missing_ok=True)
        self._lock.release()


def _flush(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
