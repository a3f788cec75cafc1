"""Copies of frozen records with some fields replaced: most of what folding does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from typing import Any, TypeVar

__all__ = ["changed"]

Record = TypeVar("Record")
_Parts = tuple[Callable[[Any], tuple[Any, ...]], dict[str, Callable[[Any, Any], None]]]
_PARTS: dict[type, _Parts] = {}


def changed(record: Record, **values: Any) -> Record:
    """A copy of a frozen record with some fields replaced.

    It does what `dataclasses.replace` does, in half its time: folding does little else.
    """
    cls = type(record)
    if cls not in _PARTS:
        names = [f.name for f in fields(cls)]  # pyright: ignore[reportArgumentType] - a dataclass
        _PARTS[cls] = attrgetter(*names), {n: getattr(cls, n).__set__ for n in names}
    read, setters = _PARTS[cls]
    copy = object.__new__(cls)
    for write, value in zip(setters.values(), read(record), strict=True):
        write(copy, value)
    for name, value in values.items():
        setters[name](copy, value)
    return copy
