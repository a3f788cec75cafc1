"""Folds of a step that waits before it is dispatched, or before its next attempt."""

from __future__ import annotations

from typing import Any

from domain import events as ev
from domain.folds.parts import arm
from domain.state import HOURS, TURN, Instance, Place, changed

__all__ = ["dispatched", "given", "hours_awaited", "refused", "wanted"]


def _waits(c: Any, node: str, branch: str, ends_us: int | None) -> None:
    """It is active since it was entered, however often it waits; a retry waits in its backoff."""
    old = c.nodes.get(node)
    if old is None or old.effect is None:
        waited = old is not None and old.branch in (HOURS, TURN)
        since_us = old.since_us if old is not None and waited else c.clock_us
        c.nodes[node] = Instance("step", since_us, branch=branch)
    if ends_us is not None:
        arm(c, node, {"within": ends_us})


def hours_awaited(c: Any, e: ev.HoursAwaited) -> None:
    _waits(c, e.node, HOURS, e.ends_us)
    c.places.pop(e.node, None)  # a turn that came outside of the hours is asked for again
    c.timers.pop(f"{e.node}:retry", None)
    arm(c, e.node, {"hours": e.due_us})


def wanted(c: Any, e: ev.TurnWanted) -> None:
    _waits(c, e.node, TURN, e.ends_us)
    c.timers.pop(f"{e.node}:retry", None)
    c.places[e.node] = Place(e.throttle, e.key, e.originator_version)


def given(c: Any, e: ev.TurnGiven) -> None:
    c.places[e.node] = changed(c.places[e.node], given=True)


def refused(c: Any, e: ev.TurnRefused) -> None:
    c.places.pop(e.node, None)


def dispatched(c: Any, node: str) -> int:
    """The step's command is out: what it waited for is over. Returns since when it is active."""
    old = c.nodes.get(node)
    c.places.pop(node, None)
    c.timers.pop(f"{node}:hours", None)
    if old is None or (old.effect is None and old.branch not in (HOURS, TURN)):
        return c.clock_us
    c.timers.pop(f"{node}:within", None)
    return c.clock_us if old.branch not in (HOURS, TURN) else old.since_us
