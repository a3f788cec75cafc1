"""The view rows of a batch, folded so that one statement meets each row once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from domain.ports import ViewRow

__all__ = ["VIEWS", "ViewTable", "fold"]

Key = tuple[Any, ...]
Values = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ViewTable:
    """The key columns of a table that a ViewRow may name, and the type of every column."""

    keys: tuple[str, ...]
    kinds: dict[str, str]


def _kinds(words: str) -> dict[str, str]:
    """`kind: names; ...` as the kind of each name."""
    groups = [group.split(":") for group in words.split(";")]
    return {name: kind.strip() for kind, names in groups for name in names.split()}


VIEWS = {
    "current_steps": ViewTable(
        ("commitment",),
        _kinds("uuid: commitment; text: tenant saga key status step; integer: run version lane;"
               "bigint: position since_us; bytea: body"),
    ),
    "approvals": ViewTable(
        ("id",),
        _kinds("text: id tenant status; uuid: commitment; bigint: asked_us; integer: version;"
               "bytea: body"),
    ),
    "tasks": ViewTable(
        ("id",),
        _kinds("text: id tenant status; uuid: commitment; bigint: offered_us; integer: version;"
               "bytea: body"),
    ),
    "debts": ViewTable(
        ("id",),
        _kinds("text: id tenant status; uuid: commitment; bigint: opened_us; integer: version;"
               "bytea: body"),
    ),
    "parked_events": ViewTable(
        ("stream", "position"),
        _kinds("uuid: stream; bigint: position kept_us expires_us; text: tenant key type event_id"
               " reason; bytea: body"),
    ),
}  # fmt: skip
"""A test compares them with the tables."""


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
