"""Tables in words, for queries of SQLAlchemy Core: the migrations make them, a test compares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Column, Index, MetaData, PrimaryKeyConstraint, Table, column, text
from sqlalchemy.types import TypeEngine

__all__ = ["Tables", "index"]


class Tables:
    """Makes tables of one database. `kinds` are its types by letter."""

    def __init__(self, kinds: Mapping[str, type[TypeEngine[Any]]]) -> None:
        self.metadata = MetaData()
        self._kinds = kinds

    def table(self, name: str, columns: str, key: str, *indexes: Index) -> Table:
        """A table from words: `name:kind`, with `?` for a column that may be null."""
        made: list[Column[object]] = []
        for word in columns.split():
            title, _, kind = word.partition(":")
            made.append(Column(title, self._kinds[kind[0]], nullable=kind.endswith("?")))
        return Table(name, self.metadata, *made, PrimaryKeyConstraint(*key.split()), *indexes)


def index(name: str, columns: str, *, unique: bool = False, where: str | None = None) -> Index:
    """An index over columns, perhaps of some rows only."""
    condition = None if where is None else text(where)
    names = [column(title) for title in columns.split()]
    return Index(name, *names, unique=unique, sqlite_where=condition, postgresql_where=condition)
