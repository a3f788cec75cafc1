"""Folds of a step that waits before it is dispatched."""

from __future__ import annotations

from typing import Any

from domain import events as ev
from domain.folds.parts import arm
from domain.state import HOURS, TURN, Instance

__all__ = ["dispatched", "hours_awaited"]


def _waits(c: Any, node: str, branch: str, ends_us: int | None) -> None:
    """It is active since it was entered, however often it waits."""
    old = c.nodes.get(node)
    since_us = old.since_us if old is not None and old.branch in (HOURS, TURN) else c.clock_us
    c.nodes[node] = Instance("step", since_us, branch=branch)
    if ends_us is not None:
        arm(c, node, {"within": ends_us})


def hours_awaited(c: Any, e: ev.HoursAwaited) -> None:
    _waits(c, e.node, HOURS, e.ends_us)
    arm(c, e.node, {"hours": e.due_us})


def dispatched(c: Any, node: str) -> int:
    """The step's command is out: what it waited for is over. Returns since when it is active."""
    old = c.nodes.get(node)
    if old is None or old.branch not in (HOURS, TURN):
        return c.clock_us
    c.timers.pop(f"{node}:within", None)
    c.timers.pop(f"{node}:hours", None)
    return old.since_us
