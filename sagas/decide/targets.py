"""cancel, finish, undo and move: nodes that act on other parts of the commitment (section 3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from domain import events as ev
from domain.state import RUN_ON, Entry, in_flight, is_spared, is_under, item_path
from sagas.decide import flow, joins, stopping, undoing, waits
from sagas.decide.machine import Machine, path_of, to_us
from sagas.definition import Node

__all__ = [
    "CUT", "FINISH", "UNDO", "after_cut", "after_undo_node", "enter_cut", "enter_move",
    "enter_undo", "finish_by_hand", "may_stop", "timer_of", "waiting_for",
]  # fmt: skip

Json = Any
CUT, FINISH, UNDO = "cut", "finish", "undo"
"""Causes: a cancel and a finish of a part, and an undo that the flow asks for."""
TIMERS = ("within", "deadline", "sleep")
"""The times of a node that have one due time, in the order in which `deadline()` looks."""
UNDOING = "undoing"


# --- cancel and finish ---------------------------------------------------------------------------


def enter_cut(m: Machine, path: str, node: Node) -> None:
    """Stop an open block or item. What is not open is left alone, and the flow goes on.

    The node is done before its target stops, for it may lie in it.
    """
    kind = CUT if node.kind == "cancel" else FINISH
    cause: dict[str, Any] = {"kind": kind, "by": path}
    if "evidence" in node.x:
        cause["evidence"] = flow.bounded(path, m.value(node.x["evidence"], path))
    target = path_of(m, path, node.doc["target"]) or ""
    key = waits.key_text(path, m.value(node.x["item"], path)) if "item" in node.x else None
    flow.finish(m, path, node)
    if key is not None:
        _cut_item(m, target, key, cause)
    elif may_stop(m, target):
        _stop(m, target, cause)


def _is_open(m: Machine, target: str) -> bool:
    """Whether a block is open. One that runs on is done: only its items are open."""
    instance = m.c.nodes.get(target)
    return instance is not None and instance.branch != RUN_ON


def may_stop(m: Machine, target: str) -> bool:
    """Whether a block or item is open, and is not on its way to its end by another stop."""
    return _is_free(m, target) and _is_open(m, target)


def _is_free(m: Machine, target: str) -> bool:
    return stopping.stop_over(m, target) is None and not _ends(m, target)


def _ends(m: Machine, target: str) -> bool:
    """Whether a part has stopped and is being undone; one that `undo` is of goes on meanwhile."""
    return any(
        is_under(target, t) and not is_spared(target, t) and part.cause["kind"] != UNDO
        for t, part in m.c.undoing.items()
    )  # fmt: skip


def _stop(m: Machine, target: str, cause: Json) -> None:
    done = next((p for p in m.c.pivots if is_under(p, target)), None)
    if done is not None and cause["kind"] == CUT:
        text = f"{target} is not cancelled: {done} cannot be undone"
        m.emit(ev.MessageRefused, code="cancel.past_pivot", detail=text)
    else:
        stopping.request_stop(m, target, cause)


def _cut_item(m: Machine, block: str, key: str, cause: Json) -> None:
    instance = m.c.nodes.get(block)
    if instance is None or key not in instance.guards or key in instance.branches:
        return
    target = item_path(block, key)
    if may_stop(m, target):
        _stop(m, target, {**cause, "block": block, "item": key})
    elif target not in m.c.nodes and _is_free(m, block):
        # It has not begun: there is nothing to stop.
        joins.closed(m, block, m.node(block), key, joins.CUT)


def finish_by_hand(m: Machine, target: str, by: str, evidence: Json, value: Json) -> None:
    """An operator completes an open block: what is done stays, and `value` is what it yields."""
    cause = {"kind": FINISH, "by": by, "evidence": evidence, "value": value}
    stopping.request_stop(m, target, cause)


def after_cut(m: Machine, target: str, cause: Json) -> None:
    """The part has stopped: its parent goes on, as after a skip, or as if it were done."""
    if "item" in cause:
        outcome = joins.CUT if cause["kind"] == CUT else "done"
        joins.closed(m, cause["block"], m.node(cause["block"]), cause["item"], outcome)
        return
    value = cause.get("value")
    if cause["kind"] == FINISH and (target in m.c.nodes or value is not None):
        flow.finish(m, target, m.node(target), value)
        return
    if target in m.c.nodes:
        m.emit(ev.NodesStopped, nodes=[target])
    flow.done(m, target, m.node(target))


# --- undo ----------------------------------------------------------------------------------------


def enter_undo(m: Machine, path: str, node: Node) -> None:
    """Undo a node that is done, or what is done in a block around this node; then go on."""
    target = path_of(m, path, node.doc["of"]) or ""
    is_around = is_under(path, target)
    if target in m.c.undoing:  # another one undoes it already: this one waits for the same end
        m.emit(ev.NodeEntered, node=path, branch=UNDOING)
        return
    paths = [
        p for p, e in m.c.entries.items()
        if e.state == "open" and is_under(p, target) and not _is_under_way(m, e)
    ]  # fmt: skip
    if not paths or (_is_open(m, target) and not is_around):
        flow.finish(m, path, node)
        return
    m.emit(ev.NodeEntered, node=path, branch=UNDOING)
    text = f"{node.name} undoes {node.doc['of']}"
    undoing.begin(m, target, {"kind": UNDO, "reason": text, "paths": paths})


def _is_under_way(m: Machine, entry: Entry) -> bool:
    """Whether it is not known yet if it is done; what is undone as attempted is entered before."""
    effect = m.c.effects.get(entry.effect)
    return effect is not None and in_flight(effect)


def waiting_for(m: Machine, target: str) -> Iterator[str]:
    """The nodes that asked for a part to be undone, and wait for it."""
    for path, instance in m.c.nodes.items():
        if instance.kind != "block" or instance.branch != UNDOING:
            continue
        node = m.node(path)
        if node.kind == "undo" and path_of(m, path, node.doc["of"]) == target:
            yield path


def after_undo_node(m: Machine, target: str) -> None:
    """A part is undone, for whatever reason: the nodes that asked for it go on."""
    for path in list(waiting_for(m, target)):
        flow.finish(m, path, m.node(path))


# --- move ----------------------------------------------------------------------------------------


def timer_of(m: Machine, path: str, name: str) -> str | None:
    """The running timer of the node called `name` as seen from `path`."""
    found = path_of(m, path, name)
    return next((t for kind in TIMERS if (t := f"{found}:{kind}") in m.c.timers), None)


def enter_move(m: Machine, path: str, node: Node) -> None:
    """Give a running timer another due time; one that does not run is left alone.

    A time in the past fires in the same transaction.
    """
    timer = timer_of(m, path, node.doc["timer"])
    if timer is None:
        flow.finish(m, path, node)
        return
    due_us = to_us(m.value(node.x["to"], path))
    flow.due_after(m, path, due_us - m.now_us)
    m.emit(ev.TimerMoved, node=path, timer=timer, due_us=due_us)
    flow.done(m, path, node)
