"""Folds of the events of nodes."""

from __future__ import annotations

from typing import Any

from domain import events as ev
from domain.folds.parts import arm, close, forget_inside, put
from domain.state import (
    ITS_TURN,
    RUN_ON,
    Instance,
    Trail,
    changed,
    frame_of,
    is_kept,
    is_under,
    undo_run_of,
)

__all__ = [
    "begin_run", "branch_closed", "done", "entered", "failed", "runs_on", "set_at_once", "skipped",
    "stopped", "vars_set",
]  # fmt: skip

_ROOTS = {"wait": "events", "approve": "decisions"}


def entered(c: Any, e: ev.NodeEntered) -> None:
    """A block was entered, took a branch, or began a round."""
    if e.branch == "queued":
        handler = e.node[: e.node.rfind("@")]
        event, *rest = c.queues[handler]
        c.queues[handler] = tuple(rest)
        begin_run(c, handler, e.node, event)
        return
    old = c.nodes.get(e.node)
    if old is None or old.branch == ITS_TURN:
        old = Instance("block", c.clock_us, anchor_us=c.clock_us)
    guards = old.guards if e.guards is None else tuple(e.guards)
    if e.round is None:
        branch = old.branch if e.branch is None else e.branch
        resting = old if e.slot is None else _rests_until(old, e)
        c.nodes[e.node] = changed(resting, branch=branch, guards=guards)
    else:
        forget_inside(c, f"{e.node}#{old.round}")
        c.timers.pop(f"{e.node}:round", None)
        slot = old.slot if e.slot is None else e.slot
        c.nodes[e.node] = changed(old, branch=None, round=e.round, guards=guards, slot=slot)
    arm(c, e.node, e.timers)
    if e.error is not None:
        c.errors[e.node] = e.error


def _rests_until(old: Instance, e: ev.NodeEntered) -> Instance:
    """A repeat rests until its next round; what its first one waits for is the anchor."""
    if e.slot == 0 and e.timers:
        return changed(old, slot=0, anchor_us=e.timers["round"])
    return changed(old, slot=e.slot)


def begin_run(c: Any, handler: str, run: str, event: Any) -> None:
    c.runs[handler] = int(run[run.rfind("@") + 1 :])
    c.nodes[run] = Instance("block", c.clock_us)
    c.frames[run] = {"event": event}


def done(c: Any, e: ev.NodeDone) -> None:
    instance = close(c, e.node, "done", e.originator_version)
    if e.node in c.locks:  # kept for what is still being undone under it
        c.locks[e.node] = changed(c.locks[e.node], undo=True)
    kind = instance.kind if instance else "block"
    if e.value is not None:
        asked = instance.asked if instance else None
        anew = asked is not None and asked.gate != e.node  # of a step, which yields a result
        put(c, e.node, "results" if anew else _ROOTS.get(kind, "results"), e.value)
    if kind != "block":
        return
    on = tuple(p for p, i in c.nodes.items() if i.branch == RUN_ON and is_under(p, e.node))
    for data in (c.subs, c.queues):
        for path in [p for p in data if is_under(p, e.node) and not is_kept(p, on)]:
            del data[path]
    for path in [p for p in c.frames if "[" in p and is_under(p, e.node) and not is_kept(p, on)]:
        if undo_run_of(path) is None:  # an undo_flow in an item is forgotten when it ends
            del c.frames[path]  # of items that never began, or were stopped
    if instance is not None and instance.round:
        forget_inside(c, f"{e.node}#{instance.round}")
    if "@" in e.node and frame_of(e.node) == e.node:
        forget_inside(c, e.node)


def runs_on(c: Any, e: ev.NodeRunsOn) -> None:
    """Done as any node; its instance stays, for what is still open in it."""
    instance = close(c, e.node, "done", e.originator_version)
    assert instance is not None
    c.nodes[e.node] = changed(instance, branch=RUN_ON)
    if e.value is not None:
        put(c, e.node, "results", e.value)


def branch_closed(c: Any, e: ev.BranchClosed) -> None:
    old = c.nodes[e.node]
    outs = old.outs if e.out is None else {**old.outs, e.branch: e.out}
    c.nodes[e.node] = changed(old, branches={**old.branches, e.branch: e.outcome}, outs=outs)


def skipped(c: Any, e: ev.NodeSkipped) -> None:
    c.trail[e.node] = Trail("skipped", e.originator_version, c.clock_us, 0)


def failed(c: Any, e: ev.NodeFailed) -> None:
    close(c, e.node, "failed", e.originator_version)


def stopped(c: Any, e: ev.NodesStopped) -> None:
    for node in e.nodes:
        if node in c.nodes:
            close(c, node, "stopped", e.originator_version)
        else:  # a handler: it has a subscription only
            c.subs.pop(node, None)


def vars_set(c: Any, e: ev.VarsSet) -> None:
    c.vars.update(e.values)
    set_at_once(c, e)


def set_at_once(c: Any, e: ev.VarsSet | ev.FactEmitted) -> None:
    """A node that is done as soon as it is entered."""
    c.nodes.pop(e.node, None)  # it may have waited for its turn
    c.trail[e.node] = Trail("done", e.originator_version, c.clock_us, 0)
