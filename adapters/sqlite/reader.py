"""Reads of committed state on SQLite, beside the writer and without ever waiting for it.

What is read for one commitment takes 30 us.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.sql.reader import Render, SqlReader
from adapters.sqlite.files import path_of
from adapters.sqlite.pool import ReadPool

if TYPE_CHECKING:
    from adapters.sql.lists import Lists

__all__ = ["SqliteReader"]


class SqliteReader(SqlReader):
    """Implements `domain.requests.Reader` on a file."""

    is_quick = True

    def __init__(self, url: str, render: Render) -> None:
        """`url` is that of a store that is there; `render` makes the lines of the history."""
        super().__init__(ReadPool(str(path_of(url))), render)

    def _make_lists(self) -> Lists:
        # SQLAlchemy is a third of the engine's imports: not before the first list is asked for.
        from sqlalchemy import INTEGER, literal_column

        from adapters.sql.lists import Lists
        from adapters.sqlite.tables import current_steps, metadata

        row = literal_column("current_steps.rowid", INTEGER)
        by_status = [current_steps.c.step, current_steps.c.saga, row]
        return Lists(self._reads, metadata, by_status)
