"""An event loop on simulated time: nothing blocks, time moves only when everything waits."""

from __future__ import annotations

import asyncio
from asyncio.base_events import BaseEventLoop
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

__all__ = ["EPOCH_US", "Deadlock", "SimLoop"]

EPOCH_US = 1_800_000_000_000_000
"""What every simulated clock shows when the simulation begins."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RESOLUTION_S = 1e-6
"""Timers closer than this are one: sums of floats must not make the loop turn in place."""
EXECUTOR_S_MAX = 0.02


class Deadlock(AssertionError):
    """Every task waits and nothing will ever wake one."""


class SimLoop(BaseEventLoop):
    """One thread, one clock. `draw` gives chance from 0 up to 1 for what an executor takes."""

    def __init__(self, draw: Callable[[], float]) -> None:
        super().__init__()
        self.now_s = 0.0
        self._draw = draw
        self._selector = _Waiting(self)
        self._clock_resolution = _RESOLUTION_S

    def time(self) -> float:
        return self.now_s

    def now_us(self) -> int:
        """The time as every clock of the simulation shows it."""
        return EPOCH_US + int(self.now_s * 1_000_000)

    def now(self) -> datetime:
        return _EPOCH + timedelta(microseconds=self.now_us())

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:
        """Run it on this very thread, a moment later: there are no others."""
        del executor
        future: asyncio.Future[Any] = self.create_future()
        self.call_later(self._draw() * EXECUTOR_S_MAX, _resolve, future, func, args)
        return future

    def _process_events(self, event_list: Any) -> None:
        del event_list

    def _write_to_self(self) -> None:
        pass


class _Waiting:
    """Stands where a selector stands: waiting is letting time pass."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop

    def select(self, timeout_s: float | None) -> list[Any]:
        if timeout_s is None:
            raise Deadlock("every task waits, and no timer is set")
        self._loop.now_s += timeout_s
        return []


def _resolve(future: asyncio.Future[Any], func: Callable[..., Any], args: tuple[Any, ...]) -> None:
    if future.done():
        return
    try:
        future.set_result(func(*args))
    except Exception as error:  # noqa: BLE001 - whatever it is belongs to who awaits it
        future.set_exception(error)
