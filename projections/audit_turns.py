"""Lines of the audit trail about turns in throttles, and of streams of throttles and locks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from domain.durations import duration_text

__all__ = ["LINES"]

_State = Mapping[str, Any]


def _throttle(state: _State) -> str:
    return f"{state['throttle']}, key {state['key']}" if state["key"] else state["throttle"]


LINES: Mapping[str, Callable[[_State], str]] = {
    "turn.wanted": lambda s: (
        f"{s['node']} waits for its turn in throttle {_throttle(s)}, "
        f"{s['max']} in {duration_text(s['per_us'])}"
    ),
    "turn.refused": lambda s: f"{s['node']} gets no turn: too many wait",
    "turn.given": lambda s: f"it is the turn of {s['node']}",
    "throttles.opened": lambda s: f"first request for a turn in throttle {_throttle(s)}",
    "throttles.queued": lambda s: f"{s['node']} of {s['commitment'][:8]} waits for its turn",
    "throttles.passed": lambda s: f"{s['node']} of {s['commitment'][:8]} has its turn",
    "throttles.dropped": lambda s: f"{s['node']} of {s['commitment'][:8]} no longer waits",
    "locks.opened": lambda s: f"first request for lock {s['lock']}",
    "locks.queued": lambda s: f"{s['node']} of {s['commitment'][:8]} waits for the lock",
    "locks.passed": lambda s: (
        f"{s['node']} of {s['commitment'][:8]} holds the lock, fence {s['fence']}"
    ),
    "locks.freed": lambda s: f"{s['node']} of {s['commitment'][:8]} no longer wants the lock",
}
