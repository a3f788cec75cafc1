"""The machine's clock behind `domain.ports.Clock`."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["SystemClock", "boot_us", "wall_us"]

US_PER_S = 1_000_000


def wall_us() -> int:
    """Microseconds since the epoch, by the machine's clock; an administrator can set it."""
    return time.time_ns() // 1000


def boot_us() -> int:
    """Microseconds since the machine started, also those it slept; nobody can set it."""
    source = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime_ns(source) // 1000


class SystemClock:
    """The machine's time, never going back.

    `wall` and `boot` give microseconds; tests hand in their own.
    """

    def __init__(
        self, wall: Callable[[], int] = wall_us, boot: Callable[[], int] = boot_us
    ) -> None:
        self._wall = wall
        self._boot = boot
        self._offset_us = wall() - boot()
        self._last_us = 0

    def now_us(self) -> int:
        """The time, or the last one answered when the machine's clock was set back."""
        self._last_us = max(self._last_us, self._wall())
        return self._last_us

    def clock_skew_s(self) -> float:
        """How far the wall clock ran away from the boot-time clock since this object was made.

        Positive when the wall clock was set forward. Timers are held while it is over five seconds
        either way: a clock that jumped would fire them early, or accept after a deadline.
        """
        return (self._wall() - self._boot() - self._offset_us) / US_PER_S
