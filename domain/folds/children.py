"""Folds of the events of children."""

from __future__ import annotations

from typing import Any

from domain import events as ev
from domain.folds.effects import enter
from domain.folds.parts import close, put
from domain.state import Child, Instance, changed

__all__ = ["asked", "ended", "left", "opened", "revoke_asked", "revoke_ended", "stop_asked"]


def asked(c: Any, e: ev.ChildAsked) -> None:
    c.nodes[e.node] = Instance("child", c.clock_us)
    c.children[e.node] = Child(e.saga, e.key, e.originator_version, e.wait, e.leave)
    if e.due_us is not None:
        c.timers[f"{e.node}:within"] = e.due_us


def opened(c: Any, e: ev.ChildOpened) -> None:
    if not e.done:
        c.children[e.node] = changed(c.children[e.node], id=e.child, run=e.run)
        return
    del c.children[e.node]
    _close(c, e, "done", e.child)


def stop_asked(c: Any, e: ev.ChildStopAsked) -> None:
    for node in e.nodes:
        c.children[node] = changed(c.children[node], stop=True)


def left(c: Any, e: ev.ChildLeft) -> None:
    for node in e.nodes:
        del c.children[node]
        if node in c.nodes and node not in c.stops:
            close(c, node, "stopped", e.originator_version)


def ended(c: Any, e: ev.ChildEnded) -> None:
    del c.children[e.node]
    is_done = e.status == "fulfilled"
    _close(c, e, "done" if is_done else "failed", e.result if is_done else None)


def _close(c: Any, e: ev.ChildOpened | ev.ChildEnded, state: str, value: Any) -> None:
    """Close the node, unless it is stopping by itself (its time is over): then that closes it."""
    if e.node in c.nodes and e.node not in c.stops:
        close(c, e.node, state, e.originator_version)
        if value is not None:
            put(c, e.node, "results", value)
    if e.undo is not None:
        enter(c, e.node, e.undo["effect"], e.undo, e.originator_version)


def revoke_asked(c: Any, e: ev.ChildRevokeAsked) -> None:
    c.entries[e.node] = changed(c.entries[e.node], state="undoing")


def revoke_ended(c: Any, e: ev.ChildRevokeEnded) -> None:
    """Undone, it is no entry any more; else a person must see to it."""
    if e.status == "revoked":
        del c.entries[e.node]
        c.undone += 1
    else:
        c.entries[e.node] = changed(c.entries[e.node], state="debt")
