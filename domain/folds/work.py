"""Folds of the events of `domain.events.work`."""

from __future__ import annotations

from typing import Any

from domain import events as ev
from domain.state import Instance

__all__ = ["await_opened"]


def await_opened(c: Any, e: ev.AwaitOpened) -> None:
    c.nodes[e.node] = Instance("await", c.clock_us)
    if e.due_us is not None:
        c.timers[f"{e.node}:within"] = e.due_us
