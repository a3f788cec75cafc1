"""What time the writer takes it to be: the wall clock, as far as it can be trusted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import structlog

__all__ = ["DeskClock", "Times"]

US_PER_S = 1_000_000
_log = structlog.get_logger("consumers")


class DeskClock(Protocol):
    """The clock of the store; its skew says how far this machine's can be trusted."""

    def now_us(self) -> int: ...
    def clock_skew_s(self) -> float: ...


class Times:
    """Now, as far as the wall clock can be trusted; see `doubt`."""

    def __init__(self, clock: DeskClock, skew_max_s: float, boot_s: Callable[[], float]) -> None:
        self._clock = clock
        self._skew_max_s = skew_max_s
        self._boot_s = boot_s
        self._good = (clock.now_us(), boot_s())
        self._processed_s = boot_s()
        self.doubt: str | None = None

    def now_us(self) -> int:
        """The wall clock; after it jumped, the last good time and what has passed since."""
        skew_s = self._clock.clock_skew_s()
        now_s = self._boot_s()
        if abs(skew_s) > self._skew_max_s:
            if self.doubt is None:
                _log.warning("clock_jumped", skew_s=skew_s)
            self.doubt = f"the wall clock jumped by {skew_s:.1f} s: timers are held"
            good_us, at_s = self._good
            return good_us + int((now_s - at_s) * US_PER_S)
        if self.doubt is not None:
            _log.warning("clock_settled", skew_s=skew_s)
            self.doubt = None
        now_us = self._clock.now_us()
        self._good = (now_us, now_s)
        return now_us

    def was_processed(self) -> None:
        """A round ended just now."""
        self._processed_s = self._boot_s()

    def pause_s(self, least_s: float) -> float:
        """What is left of a pause since the last round."""
        return self._processed_s + least_s - self._boot_s()
