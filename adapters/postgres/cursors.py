"""How far the inputs of lanes were read, for whoever reads on: a connection of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from adapters.postgres.arrays import longs
from adapters.postgres.faults import guarded
from adapters.postgres.link import Link
from domain.ports import Cursor

__all__ = ["PostgresCursors"]

_CURSORS = """
SELECT topic, topic_id, partition, next_offset, digest FROM cursors WHERE lane = ANY(%s)
"""


class PostgresCursors:
    """Reads the cursors. They are written with what they passed: in the lanes' transactions."""

    def __init__(self, url: str, process: str) -> None:
        self._link = Link(url, f"troth {process} intake")
        self.path = self._link.path

    async def of(self, lanes: Sequence[int]) -> Sequence[Cursor]:
        """The cursors of these lanes' partitions. Raises StoreFailed."""
        return await asyncio.to_thread(self._read, lanes)

    @guarded
    def _read(self, lanes: Sequence[int]) -> Sequence[Cursor]:
        rows = self._link.db().execute(_CURSORS, (longs(lanes),), binary=True).fetchall()
        return [Cursor(*row) for row in rows]

    def close(self) -> None:
        """Close the connection."""
        self._link.drop()
