"""Ending clients of aiokafka, whose own tasks end as they like."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

__all__ = ["quietly"]

_log = structlog.get_logger("consumers")


async def quietly(*endings: Callable[[], Coroutine[Any, Any, Any]], timeout_s: float) -> None:
    """Run what ends a client, one after the other, each for so long at most.

    In tasks of their own: aiokafka 0.14 awaits tasks that it cancelled itself, which would cancel
    whoever ends it, and swallows the cancellation of a timeout, which would then never fire.
    """
    # A task of aiokafka that is cancelled before its first step never gets to end itself.
    await asyncio.sleep(0)
    for ending in endings:
        task = asyncio.ensure_future(ending())
        await asyncio.wait({task}, timeout=timeout_s)
        if not task.done():
            task.cancel()
        elif not task.cancelled() and (error := task.exception()) is not None:
            # What a broker that is gone cannot be told is not told.
            _log.debug("client_given_up", error=repr(error))
