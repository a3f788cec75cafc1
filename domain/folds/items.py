"""Folds of the events of for_each.

What an item is lies in its frame, which goes with the item; what it came after is kept as long as
something in it may be undone, because undoing goes the other way round.
"""

from __future__ import annotations

from typing import Any

from domain import events as ev
from domain.folds.parts import close, forget_inside
from domain.state import changed, item_path

__all__ = ["add_items", "added", "close_list", "closed", "item_closed"]

Json = Any


def added(c: Any, e: ev.ItemsAdded) -> None:
    add_items(c, e.node, e.items)


def add_items(c: Any, block: str, items: list[Json]) -> None:
    """Append items `{key, item, after?}` to the for_each at `block`."""
    old = c.nodes[block]
    name = block[block.rfind("/") + 1 :]
    for index, item in enumerate(items, len(old.guards)):
        value = {"item": item["item"], "key": item["key"], "index": index}
        c.frames[item_path(block, item["key"])] = {"each": {name: value}}
    after = {item["key"]: list(item["after"]) for item in items if item.get("after")}
    if after:
        c.item_after[block] = {**c.item_after.get(block, {}), **after}
    c.nodes[block] = changed(old, guards=(*old.guards, *(item["key"] for item in items)))


def closed(c: Any, e: ev.ItemsClosed) -> None:
    close_list(c, e.node)


def close_list(c: Any, block: str) -> None:
    """No more items come to the for_each at `block`."""
    c.nodes[block] = changed(c.nodes[block], branch=None)


def item_closed(c: Any, e: ev.ItemClosed) -> None:
    old = c.nodes[e.node]
    outs = old.outs if e.out is None else {**old.outs, e.item: e.out}
    c.nodes[e.node] = changed(old, branches={**old.branches, e.item: e.outcome}, outs=outs)
    item = item_path(e.node, e.item)
    if item in c.nodes:
        close(c, item, e.outcome, e.originator_version)
    forget_inside(c, item)
