"""Reads of committed state on PostgreSQL, beside the writers and without ever waiting for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.postgres.pool import ReadPool
from adapters.sql.reader import Render, SqlReader

if TYPE_CHECKING:
    from adapters.sql.lists import Lists

__all__ = ["PostgresReader"]


class PostgresReader(SqlReader):
    """Implements `domain.requests.Reader` on a database."""

    def __init__(self, url: str, render: Render) -> None:
        """`url` is that of a store that is there; `render` makes the lines of the history."""
        pool = ReadPool(url)
        try:
            super().__init__(pool, render)
        except BaseException:
            pool.close()
            raise

    def _make_lists(self) -> Lists:
        from adapters.postgres.tables import metadata
        from adapters.sql.lists import Lists

        return Lists(self._reads, metadata)
