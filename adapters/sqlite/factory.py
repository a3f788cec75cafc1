"""The library's infrastructure on a file: `PERSISTENCE_MODULE=adapters.sqlite.factory`."""

from __future__ import annotations

from adapters.clock import wall_us

# The library takes the one factory that a module names: the base must not be a second one.
from adapters.sql import factory
from adapters.sql.recorder import Lane
from adapters.sqlite.files import path_of
from adapters.sqlite.recorder import LANE, SqliteLane
from adapters.sqlite.store import SqliteStore
from domain.ports import StoreFailed

__all__ = ["SqliteFactory"]


class SqliteFactory(factory.LaneFactory):
    """Recorders on the store `STORE_URL`, sqlite:///PATH, which has one lane."""

    def open_lane(self, url: str, lane: int, *, writable: bool) -> Lane:
        """Open the file, and hold it where it is to be written."""
        if lane != LANE:
            raise StoreFailed("store.lanes", f"a store on SQLite has no lane {lane}")
        store = SqliteStore.open(url, now_us=wall_us()) if writable else None
        return SqliteLane(str(path_of(url)), store)
