"""The view rows of a batch, folded so that one statement meets each row once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from adapters.sql.views import VIEWS
from domain.ports import ViewRow

__all__ = ["fold"]

Key = tuple[Any, ...]
Values = tuple[Any, ...]


@dataclass(slots=True)
class _Row:
    is_gone: bool = False
    kept: ViewRow | None = None


def fold(
    rows: Sequence[ViewRow],
) -> tuple[dict[str, list[Key]], dict[tuple[str, tuple[str, ...]], list[Values]]]:
    """What is deleted first (keys by table), and what is then written (by table and columns).

    It comes to the same as the rows one by one: a deletion makes those before it void, and of
    several versions the newest is written, of equal ones the first.
    """
    found: dict[tuple[str, Key], _Row] = {}
    for row in rows:
        entry = found.setdefault((row.table, tuple(row.key.values())), _Row())
        if row.columns is None:
            entry.is_gone, entry.kept = True, None
        elif entry.kept is None or _is_newer(row.columns, entry.kept.columns or {}):
            entry.kept = row
    gone: dict[str, list[Key]] = {}
    kept: dict[tuple[str, tuple[str, ...]], list[Values]] = {}
    for (table, key), entry in found.items():
        if entry.is_gone:
            gone.setdefault(table, []).append(key)
        if (row := entry.kept) is not None and row.columns is not None:
            names = (*VIEWS[table].keys, *row.columns)
            values = (*key, *map(_value, row.columns.values()))
            kept.setdefault((table, names), []).append(values)
    return gone, kept


def _is_newer(new: dict[str, Any], old: dict[str, Any]) -> bool:
    return "version" not in new or new["version"] > old["version"]


def _value(value: Any) -> Any:
    """A value of a column: JSON is its text."""
    kind = type(value)
    return orjson.dumps(value) if kind is dict or kind is list else value
