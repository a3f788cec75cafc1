"""Writing the views again beside a running engine: one lane is held at a time, and only briefly."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from adapters.sql.log_rows import DEFINITIONS, STREAM, log_rows
from adapters.sql.reads import Row
from adapters.sql.views import VIEWS
from domain.chain import LogRow
from domain.ports import ViewRow

__all__ = ["ViewWriter"]

_LANES = "SELECT count(*) FROM lanes"
_STREAMS = """
SELECT DISTINCT stream FROM events WHERE lane = ? AND stream > ? ORDER BY stream LIMIT ?
"""
_STRAYS = """
DELETE FROM {0} WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.stream = {0}.{1})
"""


class ViewWriter(ABC):
    """A store whose views are written anew. Every method raises StoreFailed.

    What is written within `hold` is written together, or not at all; the owner of the lane waits
    meanwhile, so no event of it comes between reading a stream and writing its rows.
    """

    @abstractmethod
    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Run a statement with `?` for a value; ids come as 16 bytes."""

    @abstractmethod
    def count(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run a statement that writes; how many rows it met."""

    @abstractmethod
    def id(self, stream: bytes) -> Any:
        """A stream's id as a value of a statement."""

    @abstractmethod
    def state(self, stored: bytes) -> bytes:
        """The state of an event as it was written."""

    @abstractmethod
    def hold(self, lane: int) -> AbstractContextManager[None]:
        """A transaction that keeps the owner of the lane waiting."""

    @abstractmethod
    def write(self, rows: Sequence[ViewRow]) -> None:
        """Write rows, within `hold`."""

    @abstractmethod
    def close(self) -> None: ...

    def lanes(self) -> int:
        """How many lanes the store has."""
        return int(self.rows(_LANES)[0][0])

    def definitions(self) -> list[Row]:
        """Hash and document of every registered definition."""
        return self.rows(DEFINITIONS)

    def streams(self, lane: int, after: bytes, limit: int) -> list[bytes]:
        """The next streams of a lane, in the order of their ids."""
        return [stream for (stream,) in self.rows(_STREAMS, (lane, self.id(after), limit))]

    def stream(self, stream: bytes) -> list[LogRow]:
        """The events of one stream, in order."""
        return list(log_rows(self.rows(STREAM, (self.id(stream),)), self.state))

    def replace(
        self, streams: Sequence[bytes], tables: Sequence[str], rows: Sequence[ViewRow]
    ) -> None:
        """Have these rows in place of all that the streams have in these views."""
        marks = ", ".join("?" * len(streams))
        ids = [self.id(stream) for stream in streams]
        for table in tables:
            column = VIEWS[table].stream
            sql = f"DELETE FROM {table} WHERE {column} IN ({marks})"  # noqa: S608 - our names
            self.count(sql, ids)
        self.write([row for row in rows if row.table in tables])

    def remove_strays(self, tables: Sequence[str]) -> int:
        """Remove the rows of streams that have no events; how many there were."""
        return sum(self.count(_STRAYS.format(table, VIEWS[table].stream)) for table in tables)
