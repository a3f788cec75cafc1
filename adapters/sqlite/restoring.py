"""A store on SQLite that was restored from a copy of its file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from adapters.clock import wall_us
from adapters.sql.restoring import Restored, mark
from adapters.sqlite.faults import FAULTS, store_failed
from adapters.sqlite.files import FileLock, path_of
from adapters.sqlite.schema import HEAD, revision_of
from domain.ports import StoreFailed

__all__ = ["mark_restored"]


def mark_restored(url: str, doubt_us: int) -> Restored:
    """Tell the store. Raises StoreFailed, store.locked while an engine runs on it."""
    path = path_of(url)
    if not path.is_file():
        raise StoreFailed("http.not_found", f"{path} is not there")
    lock = FileLock(path)
    try:
        return _marked(path, doubt_us)
    except FAULTS as error:
        raise store_failed(error, str(path)) from error
    finally:
        lock.release()


def _marked(path: Path, doubt_us: int) -> Restored:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        revision = revision_of(db)
        if revision != HEAD:
            raise StoreFailed("store.format", f"{path} has revision {revision}, not {HEAD}")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("BEGIN IMMEDIATE")
        now_us = wall_us()
        restored = mark(
            lambda sql, values: db.execute(sql, values).rowcount,
            lambda sql: int(db.execute(sql).fetchone()[0]),
            true="1", now_us=now_us, doubt_until_us=now_us + doubt_us,
        )  # fmt: skip
        db.execute("COMMIT")
        return restored
