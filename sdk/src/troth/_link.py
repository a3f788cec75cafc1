"""The worker's way to the engine: the same call again and again until it is answered."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random

from ._problems import EngineError
from ._transport import Answer, Call, Transport

__all__ = ["Link", "Stopping"]

BACKOFF_FIRST_S = 0.05
"""The wait before a call is made again for the first time; it doubles."""
BACKOFF_MAX_S = 5.0
"""The longest wait of what an engine refused for now."""
AWAY_MAX_S = 0.5
"""The longest wait where no engine answers: one that is back is noticed within it."""
DOUBLINGS_MAX = 10

log = logging.getLogger("troth.worker")


class Stopping(Exception):
    """The worker stops, and the call has not been answered yet."""


class Link:
    """Calls that outlive restarts of the engine. `stopping` is set when the worker drains."""

    def __init__(self, transport: Transport, participant: str, stopping: asyncio.Event) -> None:
        self._transport = transport
        self._stopping = stopping
        self._path = f"/v1/participants/{participant}/"

    async def once(self, what: str, body: object, *, timeout_s: float) -> Answer:
        """One try. Raises EngineError."""
        call = Call("POST", self._path + what, body, timeout_s=timeout_s, again=True)
        return await self._transport.send(call)

    async def ask(
        self,
        what: str,
        body: object,
        *,
        query: dict[str, float] | None = None,
        timeout_s: float,
        stops: bool = False,
    ) -> Answer:
        """The answer, however long it takes. Raises EngineError for a refusal that will stay.

        With `stops` it is not asked again once the worker stops, but raises Stopping.
        """
        call = Call(
            "POST", self._path + what, body, query=query or {}, timeout_s=timeout_s, again=True
        )
        failures = 0
        while True:
            try:
                answer = await self._transport.send(call)
            except EngineError as error:
                if not passing(error):
                    raise
                failures += 1
                wait_s = backoff_s(failures, error.retry_after_s, max_s=longest_s(error))
                if failures == 1:
                    log.warning("action=engine_unreached path=%s %s", call.path, error.message)
                if stops:
                    await self._pause(wait_s)
                else:
                    await asyncio.sleep(wait_s)
            else:
                if failures:
                    log.info("action=engine_back path=%s tries=%d", call.path, failures + 1)
                return answer

    async def _pause(self, wait_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), wait_s)
        if self._stopping.is_set():
            raise Stopping


def passing(error: EngineError) -> bool:
    """Whether it may pass: no answer, too many requests, a fault of the engine or a proxy."""
    return error.status == 0 or error.status == 429 or error.status >= 500


def longest_s(error: EngineError) -> float:
    """Knocking costs an engine nothing that is not there; one that refuses has too much to do."""
    return AWAY_MAX_S if error.status == 0 else BACKOFF_MAX_S


def backoff_s(failures: int, retry_after_s: float | None, *, max_s: float = BACKOFF_MAX_S) -> float:
    """The wait after so many failures, at most `max_s`."""
    wait_s = BACKOFF_FIRST_S * 2.0 ** min(failures - 1, DOUBLINGS_MAX)
    if retry_after_s is not None:
        wait_s = max(wait_s, retry_after_s)
    # Workers that lost the engine together must not come back together.
    jitter = random.uniform(0.5, 1.0)  # noqa: S311  it spreads load, it protects nothing
    return min(wait_s, max_s) * jitter
