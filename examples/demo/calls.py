"""Calls that outlive an engine: made again until it is back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from troth import AsyncClient, EngineError

__all__ = ["SAGA", "all_of", "patiently"]

SAGA = "partner-activation"
PATIENCE_S = 60.0
AGAIN_S = 0.2
PAGE = 500
PAGES_MAX = 100
_LATER = frozenset({429, 503})

T = TypeVar("T")
Json = dict[str, Any]


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """The answer, also if the engine is away for a while. Raises EngineError for a refusal.

    Everything the demo sends may be sent twice: events and decisions are recognised by the engine.
    """
    loop = asyncio.get_running_loop()
    ends_s = loop.time() + PATIENCE_S
    while True:
        try:
            return await call()
        except EngineError as error:
            away = error.status == 0 or error.status in _LATER
            if not away or loop.time() > ends_s:
                raise
        await asyncio.sleep(AGAIN_S)


async def all_of(client: AsyncClient, **wanted: str) -> AsyncIterator[Json]:
    """The current steps that fit, page by page."""
    cursor: str | None = None
    for _ in range(PAGES_MAX):
        look = partial(client.list, saga=SAGA, cursor=cursor, limit=PAGE, **wanted)
        page = await patiently(look)
        for item in page.items:
            yield item
        if page.next is None:
            return
        cursor = str(page.next)
