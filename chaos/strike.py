"""What every point gives: what was hit, and when."""

from __future__ import annotations

import time
from dataclasses import dataclass

__all__ = ["STRUCK_S", "Strike", "now_us"]

STRUCK_S = 15.0
"""The longest that a fault may take to be met."""


@dataclass(frozen=True, slots=True)
class Strike:
    """What was hit and when; `kills` are the processes that got SIGKILL.

    Attributes:
        timed: the time until all moves again means something: clocks were right.
        back_us: when everything that had ended was started again and answered; 0 before that.
    """

    at_us: int
    kills: int = 1
    note: str = ""
    timed: bool = True
    back_us: int = 0


def now_us() -> int:
    """The time of this machine, to be compared with what processes wrote down."""
    return time.time_ns() // 1_000
