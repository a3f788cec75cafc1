"""The database's clock, read from this machine without asking each time."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from adapters.clock import wall_us

__all__ = ["DatabaseClock"]

US_PER_S = 1_000_000

SAMPLES_MAX = 60
"""Measurements that are compared: at one a second those of the last minute."""

DRIFT_MAX_US = 50_000
"""Two measurements of one clock differ by their round trips and this; by more, it was set."""


@dataclass(frozen=True, slots=True)
class _Sample:
    offset_us: int
    trip_us: int


def _monotonic_us() -> int:
    return time.monotonic_ns() // 1000


class DatabaseClock:
    """The time of the database, as far as it was measured: `now_us` never goes back.

    Before the first measurement it is the machine's wall clock. May be used from several threads.
    """

    def __init__(
        self,
        wall: Callable[[], int] = wall_us,
        steady: Callable[[], int] = _monotonic_us,
    ) -> None:
        self._wall = wall
        self._steady = steady
        self._samples: deque[_Sample] = deque(maxlen=SAMPLES_MAX)
        self._offset_us = wall() - steady()
        self._last_us = 0
        self._lock = threading.Lock()

    def steady_us(self) -> int:
        """What `measured` wants to know before and after the database was asked."""
        return self._steady()

    def measured(self, asked_us: int, database_us: int, answered_us: int) -> None:
        """Take in that the database said `database_us` between two readings of `steady_us`.

        The answer was made somewhere in between: the shortest round trip says it best.
        """
        trip_us = answered_us - asked_us
        new = _Sample(database_us - (asked_us + trip_us // 2), trip_us)
        with self._lock:
            if any(_differ(new, old) for old in self._samples):
                # The database's clock was set, or it is another database now.
                self._samples.clear()
            self._samples.append(new)
            self._offset_us = min(self._samples, key=lambda sample: sample.trip_us).offset_us

    def now_us(self) -> int:
        """Microseconds since the epoch by the database's clock."""
        with self._lock:
            self._last_us = max(self._last_us, self._steady() + self._offset_us)
            return self._last_us

    def clock_skew_s(self) -> float:
        """How far this machine's wall clock is ahead of the database's."""
        return (self._wall() - (self._steady() + self._offset_us)) / US_PER_S


def _differ(one: _Sample, other: _Sample) -> bool:
    may_us = (one.trip_us + other.trip_us) // 2 + DRIFT_MAX_US
    return abs(one.offset_us - other.offset_us) > may_us
