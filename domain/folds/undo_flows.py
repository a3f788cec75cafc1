"""Folds of the events of `domain.events.undo_flows`."""

from __future__ import annotations

from typing import Any

from domain import events as ev
from domain.folds.effects import enter
from domain.folds.parts import close, forget_inside
from domain.state import Instance, changed, is_under

__all__ = ["begun", "ended", "replaced"]

UNDO = "undo"
"""The branch of the block that the run of an undo_flow is."""


def replaced(c: Any, e: ev.UndoReplaced) -> None:
    for path in [p for p in c.entries if is_under(p, e.node)]:
        if c.entries[path].state == "open":
            del c.entries[path]
    enter(c, e.node, e.undo["effect"], e.undo, e.originator_version)


def begun(c: Any, e: ev.UndoFlowBegun) -> None:
    """The run sees what the entry holds, before all else, and the error that it is undone for.

    One that runs again sees what was done in it before, too.
    """
    entry = c.entries[e.node]
    c.entries[e.node] = changed(entry, state="undoing")
    c.nodes[e.run] = Instance("block", c.clock_us, branch=UNDO)
    seen = dict(entry.args or {})
    done = c.frames.get(e.run, {}).get("results")
    if done:
        seen["results"] = {**seen.get("results", {}), **done}
    c.frames[e.run] = seen
    c.errors[e.run] = e.why


def ended(c: Any, e: ev.UndoFlowEnded) -> None:
    """Undone, it is no entry any more; else a person must see to it.

    What was done in it stays: when it runs again, it goes on behind that.
    """
    for path in [p for p in c.nodes if is_under(p, e.run)]:
        close(c, path, "stopped", e.originator_version)
    c.trail.pop(e.run, None)
    if e.error is None:
        forget_inside(c, e.run)
        del c.entries[e.node]
        c.undone += 1
        return
    c.errors.pop(e.run, None)
    c.entries[e.node] = changed(c.entries[e.node], state="debt")
