"""From what SQLite says to the codes of the product."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from adapters.sql.guarding import guarding
from domain.ports import StoreFailed

__all__ = ["FAULTS", "guarded", "store_failed"]

FAULTS = (sqlite3.Error, OverflowError, UnicodeEncodeError)
"""What a statement can raise: the database's errors, and values that have no form in it."""

_PRIMARY = 0xFF
_ALIAS = {
    sqlite3.SQLITE_FULL: "store.full",
    sqlite3.SQLITE_CORRUPT: "store.corrupt",
    sqlite3.SQLITE_NOTADB: "store.corrupt",
    sqlite3.SQLITE_BUSY: "store.locked",
}


def store_failed(error: Exception, path: str) -> StoreFailed:
    """The failure of the product for an error of the driver. `path` is the database file."""
    if not isinstance(error, sqlite3.Error):
        return StoreFailed("store.failed", f"a value that cannot be stored: {error}")
    code = getattr(error, "sqlite_errorcode", 0)
    alias = _ALIAS.get(code & _PRIMARY, "store.failed")
    # A full disk shows as an I/O error where the write-ahead log's index could not grow.
    if code & _PRIMARY == sqlite3.SQLITE_IOERR and _disk_is_full(path):
        alias = "store.full"
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return StoreFailed(alias, f"{path}: {error} ({name})")


guarded = guarding(FAULTS, store_failed)
"""A method of an object with `path`, whose driver errors come out as those of the port."""


def _disk_is_full(path: str) -> bool:
    try:
        found = os.statvfs(Path(path).parent)
    except OSError:
        return False
    return found.f_bavail == 0
