"""From what PostgreSQL says to the codes of the product."""

from __future__ import annotations

import psycopg

from adapters.sql.guarding import guarding
from domain.ports import StoreConflict, StoreFailed

__all__ = ["FAULTS", "guarded", "is_locked", "store_failed"]

FAULTS = (psycopg.Error, OverflowError, UnicodeEncodeError)
"""What a statement can raise: the database's errors, and values that have no form in it."""

LOCKED = "55P03"
_CONFLICTS = frozenset({"40001", "40P01", LOCKED})
_ALIAS = {
    "53100": "store.full",
    # Damaged pages, files and indexes.
    "XX001": "store.corrupt",
    "XX002": "store.corrupt",
}
_GONE = frozenset({"57P01", "57P02", "57P03", "57P05", "25P03", "53300", "25006"})
"""Ended by an administrator, crashed, starting, idle too long, no room for us, a standby."""
_GONE_CLASSES = ("08", "28", "3D")
"""The connection, who may log in, and a database that is not there."""

_GONE_ADVICE = "check that the server runs and can be reached, and the URL in store_url"


def store_failed(error: Exception, where: str) -> StoreFailed | StoreConflict:
    """The failure of the product for an error of the driver. `where` names the database."""
    if not isinstance(error, psycopg.Error):
        return StoreFailed("store.failed", f"a value that cannot be stored: {error}")
    state = error.sqlstate or ""
    text = " ".join(str(error).split())
    if state in _CONFLICTS:
        return StoreConflict(f"{where}: {text} ({state})")
    if _is_gone(error, state):
        return StoreFailed("store.gone", f"{where}: {text}; {_GONE_ADVICE}")
    alias = _ALIAS.get(state, "store.failed")
    return StoreFailed(alias, f"{where}: {text} ({state or type(error).__name__})")


def is_locked(error: psycopg.Error) -> bool:
    """Whether a row was held by somebody for longer than this statement may wait."""
    return error.sqlstate == LOCKED


def _is_gone(error: psycopg.Error, state: str) -> bool:
    if state in _GONE or state.startswith(_GONE_CLASSES):
        return True
    # A connection that broke has no state to tell of it.
    return not state and isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))


guarded = guarding(FAULTS, store_failed)
"""A method of an object with `path`, whose driver errors come out as those of the port."""
