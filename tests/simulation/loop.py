"""An event loop on simulated time: nothing blocks, time moves only when everything waits."""

from __future__ import annotations

import asyncio
from asyncio.base_events import BaseEventLoop
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
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
    """One thread, one clock. `draw` gives chance from 0 up to 1 for what an executor takes.

    Timers lie in a heap of tuples: comparing handles was a tenth of what a world took.
    """

    _ready: deque[asyncio.Handle]
    _stopping: bool

    def __init__(self, draw: Callable[[], float]) -> None:
        super().__init__()
        self.now_s = 0.0
        self._draw = draw
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._count = 0

    def time(self) -> float:
        return self.now_s

    def now_us(self) -> int:
        """The time as every clock of the simulation shows it."""
        return EPOCH_US + int(self.now_s * 1_000_000)

    def now(self) -> datetime:
        return _EPOCH + timedelta(microseconds=self.now_us())

    def call_soon(
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = _Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.now_s + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = _Timer(when, callback, args, self, context)
        self._count += 1
        heappush(self._timers, (when, self._count, handle))
        return handle

    def _run_once(self) -> None:
        """What is ready runs; when nothing is, time moves to the first timer."""
        ready, timers = self._ready, self._timers
        while timers and timers[0][2]._cancelled:
            heappop(timers)
        if not ready and not self._stopping:
            if not timers:
                raise Deadlock("every task waits, and no timer is set")
            self.now_s = max(self.now_s, timers[0][0])
        until_s = self.now_s + _RESOLUTION_S
        while timers and timers[0][0] < until_s:
            ready.append(heappop(timers)[2])
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:
        """Run it on this very thread, a moment later: there are no others."""
        del executor
        future: asyncio.Future[Any] = self.create_future()
        self.call_later(self._draw() * EXECUTOR_S_MAX, _resolve, future, func, args)
        return future

    def _write_to_self(self) -> None:
        pass


class _Handle(asyncio.Handle):
    """What runs soon, without what the debug mode asks of each: there are thousands a second."""

    __slots__ = ()

    def __init__(self, callback: Any, args: Any, loop: SimLoop, context: Context | None) -> None:
        self._callback, self._args, self._loop = callback, args, loop
        self._context = copy_context() if context is None else context
        self._cancelled = False
        self._repr = self._source_traceback = None


class _Timer(asyncio.TimerHandle):
    """What runs later, without the same."""

    __slots__ = ()

    def __init__(
        self, when: float, callback: Any, args: Any, loop: SimLoop, context: Context | None
    ) -> None:
        self._when, self._callback, self._args, self._loop = when, callback, args, loop
        self._context = copy_context() if context is None else context
        self._cancelled = self._scheduled = False
        self._repr = self._source_traceback = None

    def cancel(self) -> None:
        self._cancelled = True
        self._callback, self._args = None, ()


def _resolve(future: asyncio.Future[Any], func: Callable[..., Any], args: tuple[Any, ...]) -> None:
    if future.done():
        return
    try:
        future.set_result(func(*args))
    except Exception as error:  # noqa: BLE001 - whatever it is belongs to who awaits it
        future.set_exception(error)
