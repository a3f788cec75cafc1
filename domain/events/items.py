"""Events of for_each: its items, and how each closed (docs/format.md section 4)."""

from __future__ import annotations

from typing import Any, ClassVar

from domain.events.base import Event

__all__ = ["ItemClosed", "ItemsAdded", "ItemsClosed"]

Json = Any


class ItemsAdded(Event):
    """Items were copied into a for_each; `items` is a list of `{key, item, after?}`."""

    TOPIC: ClassVar[str] = "items.added"
    node: str
    items: Json


class ItemsClosed(Event):
    """An open list takes no more items."""

    TOPIC: ClassVar[str] = "items.closed"
    node: str


class ItemClosed(Event):
    """An item is over. `outcome`: done, failed, skipped, undone, kept or cut."""

    TOPIC: ClassVar[str] = "item.closed"
    node: str
    item: str
    outcome: str
    out: Json = None
