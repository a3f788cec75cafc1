"""for_each: a flow beside itself for every item of data that was copied on entry (semantics 3).

Its items begin in the order of the data, at most `width` at a time, each once those it comes
`after` are done. An open list takes more until it is closed; only then can it be joined.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from domain import events as ev
from domain.state import Instance, is_under, item_path, template_of
from sagas import defaults
from sagas.decide import blocks, flow, joins, stopping
from sagas.decide.machine import Machine, NodeFault, error_of, path_of
from sagas.decide.standing import standing
from sagas.definition import Flow, Node

__all__ = [
    "add_items", "begin_ready", "block_of", "enter_add", "enter_for_each", "frames_read",
    "item_ended", "look", "look_at_lists", "prepare", "resume", "skip_behind",
]  # fmt: skip

Json = Any
Local = dict[Any, Any]
OPEN = "open"


def block_of(container: str) -> str:
    """The path of the for_each whose item is `container`."""
    return container[: container.rfind("[")]


def enter_for_each(m: Machine, path: str, node: Node) -> None:
    """Copy the items and begin with the first of them."""
    items = prepare(m, path, node, m.value(node.x["items"], path), owner=path)
    is_open = node.doc.get("open", False)
    m.emit(
        ev.NodeEntered, node=path, branch=OPEN if is_open else None,
        timers=blocks.within(m, path, node) or None,
    )  # fmt: skip
    if items:
        m.emit(ev.ItemsAdded, node=path, items=items)
    m.push(look, path, node)


# --- items -----------------------------------------------------------------------------------


def prepare(m: Machine, block: str, node: Node, values: Any, *, owner: str) -> list[Json]:
    """The items `{key, item, after?}` that these values become in the for_each at `block`.

    `owner` is the node that fails when they cannot: NodeFault internal:items.key, items.after,
    items.cycle or bound.items.
    """
    instance = m.c.nodes.get(block)
    known = instance.guards if instance is not None else ()
    most = node.doc.get("max_items", defaults.ITEMS_MAX)
    count = len(known) + len(values)
    if count > most:
        raise _fault(owner, "bound.items", f"{count:,} items are over {most:,}")
    flow.bounded(owner, values)
    items: list[Json] = []
    keys = dict.fromkeys(known)
    for index, (key, local) in enumerate(_keyed(m, block, node, values, len(known), owner)):
        if key in keys:
            raise _fault(owner, "items.key", f"the key {key} of {node.name} comes twice")
        keys[key] = None
        item: dict[str, Json] = {"key": key, "item": values[index]}
        if "after" in node.x:
            item["after"] = _after(m, block, node, local, owner)
        items.append(item)
    _refuse_wrong_order(node, items, keys, owner)
    return items


def _keyed(
    m: Machine, block: str, node: Node, values: Sequence[Json], first: int, owner: str,
    around: Local | None = None,
) -> Iterator[tuple[str, Local]]:  # fmt: skip
    """The key of each value, and what `each` is while its expressions are read."""
    for index, value in enumerate(values, first):
        each: dict[str, Json] = {"item": value, "index": index}
        local = {**(around or {}), ("each", node.name): each}
        key = str(index)
        if "key" in node.x:
            key = m.value(node.x["key"], block, local, owner=owner)
        each["key"] = key
        yield key, local


def _after(m: Machine, block: str, node: Node, local: Local, owner: str) -> list[str]:
    found: list[Json] = m.value(node.x["after"], block, local, owner=owner)
    if not all(type(key) in (str, int) for key in found):
        raise _fault(owner, "items.after", f"after of {node.name} gives what is no key")
    return [str(key) for key in found]


def _fault(owner: str, code: str, text: str) -> NodeFault:
    return NodeFault(owner, error_of("internal", code, text, owner))


def _refuse_wrong_order(
    node: Node, items: list[Json], keys: Mapping[str, None], owner: str
) -> None:
    """Items come after items that are there, and not after each other in a circle."""
    after = {item["key"]: item.get("after", ()) for item in items}
    for key, before in after.items():
        for other in before:
            if other not in keys:
                text = f"item {key} of {node.name} comes after {other}, which is none of its items"
                raise _fault(owner, "items.after", text)
    waits = {key: sum(1 for b in before if b in after) for key, before in after.items()}
    behind: dict[str, list[str]] = {}
    for key, before in after.items():
        for other in before:
            behind.setdefault(other, []).append(key)
    free = [key for key, count in waits.items() if not count]
    while free:
        for key in behind.get(free.pop(), ()):
            waits[key] -= 1
            if not waits[key]:
                free.append(key)
    stuck = [key for key, count in waits.items() if count]
    if stuck:
        text = f"items of {node.name} wait for each other: {', '.join(stuck[:8])}"
        raise _fault(owner, "items.cycle", text)


# --- running ---------------------------------------------------------------------------------


def look(m: Machine, path: str, node: Node) -> None:
    """Close the list if it is time, join if that is met, else begin what may begin."""
    instance = m.c.nodes.get(path)
    if instance is None or instance.branch == joins.JOINED:
        return
    if _is_to_close(m, path, node, instance):
        m.emit(ev.ItemsClosed, node=path)
    if not joins.check_join(m, path, node):
        begin_ready(m, path, node)


def begin_ready(m: Machine, path: str, node: Node) -> None:
    """Begin as many items as may run beside each other, in the order of the data."""
    width: int = node.doc.get("width", defaults.ITEMS_WIDTH_MAX)
    after = m.c.item_after.get(path)
    begun = _next(m, path, width) if after is None else _free(m, path, width, after)
    for item in begun:
        m.emit(ev.NodeEntered, node=item)
    assert node.flow is not None
    for item in reversed(begun):
        flow.start_flow(m, node.flow, item)


def _next(m: Machine, path: str, width: int) -> list[str]:
    """Items that begin now, where none comes after another.

    They begin in their order, so those that have begun come first: the last of them is searched
    for, since a long list asks whenever an item is over.
    """
    nodes, instance = m.c.nodes, m.c.nodes[path]
    keys, over = instance.guards, instance.branches
    low, high = 0, len(keys)
    while low < high:
        middle = (low + high) // 2
        if keys[middle] in over or item_path(path, keys[middle]) in nodes:
            low = middle + 1
        else:
            high = middle
    free = width - (low - len(over))
    return [item_path(path, key) for key in keys[low : low + max(0, free)]]


def _free(m: Machine, path: str, width: int, after: Mapping[str, Sequence[str]]) -> list[str]:
    """Items that begin now, where some come after others."""
    nodes, instance = m.c.nodes, m.c.nodes[path]
    over = instance.branches
    waiting = {key: item_path(path, key) for key in instance.guards if key not in over}
    free = width - sum(1 for item in waiting.values() if item in nodes)
    begun: list[str] = []
    for key, item in waiting.items():
        if len(begun) >= free:
            break
        ready = all(over.get(k) in ("done", joins.CUT) for k in after.get(key, ()))
        if ready and item not in nodes:
            begun.append(item)
    return begun


def item_ended(m: Machine, container: str, ended: Flow) -> None:
    """The flow of an item is done: keep its `out`, and go on with the next."""
    node, path = ended.owner, block_of(container)
    key: str = m.c.frames[container]["each"][node.name]["key"]
    out = None
    if "out" in node.x:
        out = flow.bounded(path, m.value(node.x["out"], f"{container}/_", owner=path))
    joins.closed(m, path, node, key, "done", out)


def skip_behind(m: Machine, path: str, key: str) -> None:
    """An item is not done: those that come after it, directly or not, are skipped."""
    behind: dict[str, list[str]] = {}
    for other, before in m.c.item_after.get(path, {}).items():
        for name in before:
            behind.setdefault(name, []).append(other)
    waiting = [key]
    while waiting:
        for other in behind.get(waiting.pop(), ()):
            if other not in m.c.nodes[path].branches:
                m.emit(ev.ItemClosed, node=path, item=other, outcome="skipped")
                waiting.append(other)


def resume(m: Machine, path: str, node: Node) -> None:
    """Go on after an internal fault: an item whose flow is done and whose `out` is missing."""
    m.push(look, path, node)
    instance, main = m.c.nodes[path], node.flow
    assert main is not None
    for key in instance.guards:
        item = item_path(path, key)
        inside = any(p != item and is_under(p, item) for p in m.c.nodes)
        if item in m.c.nodes and not inside and item not in m.c.stops and item not in m.c.undoing:
            m.push(flow.enter_flow, item, main, len(main.nodes))


# --- open lists --------------------------------------------------------------------------------


def _is_to_close(m: Machine, path: str, node: Node, instance: Instance) -> bool:
    return instance.branch == OPEN and "close_when" in node.x and m.truth(
        node.x["close_when"], path
    )  # fmt: skip


def look_at_lists(m: Machine) -> None:
    """Close each open list whose `close_when` has become true; read after every move."""
    if m.c.is_over or m.c.paused or m.c.held is not None:
        return
    for node in m.d.closing_lists:
        for path in standing(m, "list", lambda _, instance: instance.branch == OPEN):
            instance = m.c.nodes.get(path)
            if instance is None or m.d.by_template.get(template_of(path)) is not node:
                continue
            if stopping.stop_over(m, path) is None and _is_to_close(m, path, node, instance):
                m.emit(ev.ItemsClosed, node=path)
                m.push(look, path, node)


def enter_add(m: Machine, path: str, node: Node) -> None:
    """Append to an open list, or close it, or both."""
    block = path_of(m, path, node.doc["to"])
    values: list[Json] = m.value(node.x["items"], path) if "items" in node.x else []
    close = "close" in node.x and m.truth(node.x["close"], path)
    add_items(m, block or "", values, close=close, owner=path)
    flow.finish(m, path, node)


def add_items(m: Machine, block: str, values: list[Json], *, close: bool, owner: str) -> None:
    """Append values to the open list at `block`, and close it if so said.

    Raises NodeFault of `owner`: business:items.closed if the list is not open, or as `prepare`.
    """
    instance = m.c.nodes.get(block)
    if instance is None or instance.branch != OPEN or stopping.stop_over(m, block) is not None:
        text = f"{block} takes no more items"
        raise NodeFault(owner, error_of("business", "items.closed", text, owner))
    node = m.node(block)
    items = prepare(m, block, node, values, owner=owner)
    if items:
        m.emit(ev.ItemsAdded, node=block, items=items)
    if close:
        m.emit(ev.ItemsClosed, node=block)
    m.push(look, block, node)


# --- what a decision covers ----------------------------------------------------------------------


def frames_read(m: Machine, path: str, step: Node) -> Iterator[tuple[str, Local]]:
    """Where `step` will run, as seen from `path`, with what `each` is there.

    One place for each item that the lists between the two would have now; else just one.
    """
    base = path_of(m, path, step.name) or step.template
    lists: list[Node] = []
    around = step.parent
    while around is not None:
        owner = around.owner
        if owner.kind == "for_each" and f"/{owner.name}[" not in f"/{base}":
            lists.append(owner)
        around = owner.parent
    yield from _places(m, base, step, lists[::-1], {})


def _places(
    m: Machine, base: str, step: Node, lists: list[Node], local: Local
) -> Iterator[tuple[str, Local]]:
    if not lists:
        yield base, local
        return
    outer, *inner = lists
    rest = step.template[len(outer.template) :]
    block = base[: len(base) - len(rest)]
    values = m.value(outer.x["items"], block, local)
    for key, around in _keyed(m, block, outer, values, 0, block, local):
        yield from _places(m, item_path(block, key) + rest, step, inner, around)
