"""How a database is read here: committed rows, by plain SQL or by a query of SQLAlchemy Core."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

if TYPE_CHECKING:
    # A third of the engine's imports: not before the first list is asked for.
    from sqlalchemy import Select

__all__ = ["Reads", "Row"]

Row = tuple[Any, ...]


class Reads(Protocol):
    """Connections for reading, for any number of threads; each call sees committed rows only.

    Plain SQL has `?` for a value. A column of stream ids is read as 16 bytes. Every method raises
    StoreFailed when the database fails.
    """

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """All rows of one query."""
        ...

    def row(self, sql: str, values: Sequence[Any] = ()) -> Row | None:
        """The first row of a query, or None."""
        ...

    def core(self, query: Select[*Row]) -> list[Row]:
        """The rows of a Core query."""
        ...

    def id(self, stream: UUID) -> Any:
        """A stream id as a value of a query."""
        ...

    def state(self, stored: bytes) -> bytes:
        """The state of an event as it was written, from its column."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...
