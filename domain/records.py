"""Records of a commitment's state, made again from what a snapshot holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import Any, cast

from domain.newer import only_known
from domain.state import Asked, Task

__all__ = ["restore"]

_NESTED: dict[str, Any] = {"asked": Asked, "task": Task}
_TUPLES = frozenset({"guards", "events", "needs", "not_by", "unanswered", "types", "keep",
                     "roles", "escalated"})  # fmt: skip


@cache
def _names(cls: Any) -> frozenset[str]:
    return frozenset(f.name for f in fields(cls))


def restore(cls: Any, data: Mapping[str, Any]) -> Any:
    """A record of `cls` from the JSON object that a snapshot holds.

    Raises Refusal (store.newer) for one with more in it than this release knows.
    """
    names = _names(cls)
    if not names.issuperset(data):
        data = only_known(data, names, f"a snapshot's {cls.__name__}")
    values: dict[str, Any] = {}
    for f in fields(cls):
        if f.name not in data:
            continue
        value = data[f.name]
        # Of the field `asked` there are two: the record in an instance, and a count in the record.
        if f.name in _NESTED and isinstance(value, Mapping):
            value = restore(_NESTED[f.name], cast("Mapping[str, Any]", value))
        elif f.name in _TUPLES:
            value = tuple(value)
        values[f.name] = value
    return cls(**values)
