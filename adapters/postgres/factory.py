"""The library's infrastructure on a database: `PERSISTENCE_MODULE=adapters.postgres.factory`."""

from __future__ import annotations

from adapters.postgres.recorder import PostgresLane

# The library takes the one factory that a module names: the base must not be a second one.
from adapters.sql import factory
from adapters.sql.recorder import Lane

__all__ = ["PostgresFactory"]


class PostgresFactory(factory.LaneFactory):
    """Recorders on a lane of the store `STORE_URL`, postgresql://USER@HOST:PORT/DATABASE."""

    def open_lane(self, url: str, lane: int, *, writable: bool) -> Lane:
        """Open the lane, and claim it where it is to be written."""
        return PostgresLane(url, lane, is_writable=writable)
