"""Folds of what a commitment knows of its locks."""

from __future__ import annotations

from typing import Any

from domain import events as ev
from domain.folds.parts import arm, put
from domain.state import Hold, Instance, changed

__all__ = ["LOCKING", "granted", "released", "wanted"]

LOCKING = "locking"
"""The branch of a lock's node while it waits for its turn."""


def wanted(c: Any, e: ev.LockWanted) -> None:
    c.locks[e.node] = Hold(e.lock, e.originator_version, e.undo)
    if e.undo:
        return
    c.nodes[e.node] = Instance("block", c.clock_us, branch=LOCKING)
    if e.due_us is not None:
        arm(c, e.node, {"within": e.due_us})


def granted(c: Any, e: ev.LockGranted) -> None:
    hold = c.locks[e.node]
    c.locks[e.node] = changed(hold, fence=e.fence)
    if hold.undo or e.node not in c.nodes:
        return
    c.nodes[e.node] = changed(c.nodes[e.node], branch=None)
    c.timers.pop(f"{e.node}:within", None)
    if e.due_us is not None:
        arm(c, e.node, {"max_hold": e.due_us})
    put(c, e.node, "results", {"fence": e.fence})


def released(c: Any, e: ev.LockReleased) -> None:
    del c.locks[e.node]
