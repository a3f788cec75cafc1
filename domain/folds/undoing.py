"""Folds of the events of stopping, undoing and debts."""

from __future__ import annotations

from typing import Any

from domain import events as ev
from domain.folds.parts import close, forget_inside
from domain.state import (
    UNDO_RUN,
    Debt,
    Stop,
    Undoing,
    changed,
    in_flight,
    is_kept,
    is_spared,
    is_under,
)

__all__ = [
    "ALSO_MAX", "begun", "debt_opened", "debt_retried", "debt_settled", "ended", "sealed",
    "stopped", "stopping",
]  # fmt: skip

# A part that stops has no timers but those of what must still be settled or undone.
_SETTLING_TIMERS = frozenset({"retry", "undo_retry", "probe_retry", "undo_deadline"})
ALSO_MAX = 100


def stopping(c: Any, e: ev.PartStopping) -> None:
    """Nothing is left in the part but what is in flight; a pending stop changes nothing yet."""
    keep = tuple(e.keep or ())
    c.stops[e.target] = Stop(e.cause, keep, e.pending)
    if e.pending:
        return
    busy = {f.node for f in c.effects.values() if f.kind == "do" and in_flight(f)}
    busy |= c.children.keys()

    def goes(path: str) -> bool:
        if is_spared(path, e.target):
            return False
        return is_under(path, e.target) and not is_kept(path, keep)

    for path in [p for p in c.nodes if goes(p) and p != e.target and p not in busy]:
        close(c, path, "stopped", e.originator_version)
    for timer in list(c.timers):
        node, _, name = timer.rpartition(":")
        if name not in _SETTLING_TIMERS and goes(node):
            del c.timers[timer]
    for data in (c.subs, c.queues, c.bindings):
        for path in [p for p in data if goes(p)]:
            del data[path]
    for path in [p for p in c.stops if goes(p) and p != e.target]:
        del c.stops[path]


def stopped(c: Any, e: ev.PartStopped) -> None:
    stop = c.stops.pop(e.target, None)
    if e.refused and stop is not None and stop.cause["kind"] == "cancel":
        c.cancelling = None


def begun(c: Any, e: ev.UndoBegun) -> None:
    for inner in e.takes or ():
        c.undoing.pop(inner, None)
        c.timers.pop(f"{inner}:undo_deadline", None)
    if e.takes:  # a lock that is still there, of a flow that has stopped, is kept for a debt
        for path in [p for p, h in c.locks.items() if is_under(p, e.target) and not h.undo]:
            c.locks[path] = changed(c.locks[path], undo=True)
    c.undoing[e.target] = Undoing(e.why, e.cause)
    if e.due_us is not None:
        c.timers[f"{e.target}:undo_deadline"] = e.due_us


def ended(c: Any, e: ev.UndoEnded) -> None:
    c.undoing.pop(e.target, None)
    c.timers.pop(f"{e.target}:undo_deadline", None)


def sealed(c: Any, e: ev.UndoSealed) -> None:
    for path in e.dropped:
        c.entries.pop(path, None)


def debt_opened(c: Any, e: ev.DebtOpened) -> None:
    c.debt_count += 1
    c.debts[e.debt] = Debt(e.node, e.kind, e.error, e.owner, c.clock_us, e.due_us, e.effect)
    if e.kind != "undo":
        return
    for target, undoing in c.undoing.items():
        first = undoing.cause.get("error")
        if first is not None and is_under(e.node, target):
            also = [*first.get("also", []), e.error][:ALSO_MAX]
            cause = {**undoing.cause, "error": {**first, "also": also}}
            c.undoing[target] = changed(undoing, cause=cause)


def debt_retried(c: Any, e: ev.DebtRetried) -> None:
    """What is to be undone waits for its turn again; the debt stays until it is undone."""
    node = c.debts[e.debt].node
    entry = c.entries.get(node)
    if entry is not None and entry.state == "debt":
        c.entries[node] = changed(entry, state="open")


def debt_settled(c: Any, e: ev.DebtSettled) -> None:
    """Settled by a person, an undo counts as undone: somebody saw to it."""
    debt = c.debts.pop(e.debt)
    if debt.kind == "undo" and debt.node in c.entries:
        del c.entries[debt.node]
        c.undone += 1
        forget_inside(c, debt.node + UNDO_RUN)
