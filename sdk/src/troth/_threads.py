"""Threads for plain handlers: started when needed, and never in the way of an ending process."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

__all__ = ["Threads"]

_Job = tuple["asyncio.Future[Any]", contextvars.Context, Callable[[], Any]]


class Threads:
    """At most `limit` daemon threads that run plain functions for one event loop.

    Daemons, so that a handler that hangs cannot hold a worker that drains: an executor's threads
    are joined when the interpreter ends. Results come back together, with one wake-up of the loop
    for many: a wake-up costs more than most quick handlers.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: int) -> None:
        self._loop = loop
        self._limit = limit
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._done: deque[tuple[asyncio.Future[Any], bool, Any]] = deque()
        self._waking = False
        self._started = 0
        self._open = 0

    def run(self, function: Callable[[], Any]) -> asyncio.Future[Any]:
        """Run it in a thread, in a copy of the current context."""
        future: asyncio.Future[Any] = self._loop.create_future()
        self._jobs.put((future, contextvars.copy_context(), function))
        self._open += 1
        if self._open > self._started and self._started < self._limit:
            self._started += 1
            threading.Thread(target=self._work, name="troth-handler", daemon=True).start()
        return future

    def close(self) -> None:
        """Let idle threads end; one that is busy ends after its handler, or with the process."""
        for _ in range(self._started):
            self._jobs.put(None)
        self._started = 0

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, context, function = job
            try:
                ended = (future, True, context.run(function))
            except BaseException as error:  # noqa: BLE001  whatever it is belongs to the caller
                ended = (future, False, error)
            del job, context, function
            self._done.append(ended)
            del ended, future
            if not self._waking:
                self._waking = True
                try:
                    self._loop.call_soon_threadsafe(self._deliver)
                except RuntimeError:
                    return  # the loop is closed: nobody waits for this any more

    def _deliver(self) -> None:
        # Reset first: what is appended from here on wakes the loop again.
        self._waking = False
        while self._done:
            future, succeeded, value = self._done.popleft()
            self._open -= 1
            if future.done():
                continue
            if succeeded:
                future.set_result(value)
            elif isinstance(value, StopIteration):
                future.set_exception(RuntimeError("a handler raised StopIteration"))
            else:
                future.set_exception(value)
