"""Folds of the events of a commitment's life."""

from __future__ import annotations

from typing import Any

from domain import events as ev

__all__ = [
    "cancel_asked", "deferred", "ended", "held", "nothing", "opened", "paused", "released",
    "resumed", "revoke_asked", "revoke_waived",
]  # fmt: skip

_DICTS = (
    "nodes", "trail", "frames", "effects", "children", "locks", "places", "entries", "timers",
    "subs", "taken", "listened", "bindings", "deciders", "runs", "queues", "errors", "stops",
    "undoing", "debts", "item_after",
)  # fmt: skip


def opened(c: Any, e: ev.CommitmentOpened) -> None:
    c.tenant, c.saga, c.saga_version = e.tenant, e.saga, e.saga_version
    c.definition, c.key, c.run = e.definition, e.key, e.run
    c.input, c.params, c.parent, c.start = e.input, e.params or {}, e.parent, e.start
    c.started_us = c.clock_us
    c.vars = dict(e.vars or {})
    for name in _DICTS:
        setattr(c, name, {})
    c.pivots, c.deferred, c.undone, c.debt_count = (), (), 0, 0
    c.events_taken = int("id" in (e.start or {}))  # the event that started it is the first
    c.paused, c.held, c.cancelling, c.ended = False, None, None, None
    c.revoking = None


def paused(c: Any, e: ev.CommitmentPaused) -> None:
    c.paused = True


def resumed(c: Any, e: ev.CommitmentResumed) -> None:
    c.paused = False
    c.deferred = ()


def deferred(c: Any, e: ev.MessageDeferred) -> None:
    c.deferred = (*c.deferred, e.message)


def held(c: Any, e: ev.CommitmentHeld) -> None:
    """The first fault holds; others of the same message are kept beside it, to be retried too."""
    fault = {"node": e.node, "error": e.error}
    if c.held is None:
        c.held = fault
    else:
        c.held = {**c.held, "also": [*c.held.get("also", []), fault]}


def released(c: Any, e: ev.CommitmentReleased) -> None:
    c.held = None
    c.deferred = ()


def cancel_asked(c: Any, e: ev.CancelAsked) -> None:
    c.cancelling = {"reason": e.reason, "by": e.ctx["actor"]}


def nothing(c: Any, e: ev.Event) -> None:
    """An event for the audit alone."""


def ended(c: Any, e: ev.CommitmentEnded) -> None:
    c.paused, c.held, c.deferred = False, None, ()
    c.ended = {"status": e.status, "result": e.result, "error": e.error, "at_us": c.clock_us}
    for data in (
        c.nodes,
        c.children,
        c.locks,
        c.places,
        c.timers,
        c.subs,
        c.bindings,
        c.queues,
        c.stops,
        c.undoing,
    ):
        data.clear()
    may_be_revoked = c.parent is not None and c.parent.get("revoke", False)
    if e.status == "fulfilled" and not may_be_revoked:
        c.entries.clear()


def revoke_asked(c: Any, e: ev.RevokeAsked) -> None:
    """A fulfilled commitment opens again; what it had done is still there to be undone."""
    if e.answer is None:
        c.revoking = {"parent": e.parent, "node": e.node, "reopened": c.ended is not None}
        c.ended = None


def revoke_waived(c: Any, e: ev.RevokeWaived) -> None:
    """A commitment that is fulfilled forgets what undid it, one that is not will do so."""
    c.parent = {name: value for name, value in c.parent.items() if name != "revoke"}
    if c.ended is not None and c.ended["status"] == "fulfilled":
        c.entries.clear()
