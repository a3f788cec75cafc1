"""How long a worker waits before it asks again."""

from __future__ import annotations

import asyncio
import contextlib
from itertools import pairwise

import pytest

from tests.simulation.loop import SimLoop
from troth._link import AWAY_MAX_S, BACKOFF_MAX_S, Link
from troth._problems import EngineError
from troth._transport import Answer, Call

TRIES = 14


class Away:
    """A transport behind which nobody answers until it was asked so often; it notes when."""

    def __init__(self, status: int) -> None:
        self.url = ""
        self._status = status
        self.asked_s: list[float] = []

    async def send(self, call: Call) -> Answer:
        self.asked_s.append(asyncio.get_running_loop().time())
        if len(self.asked_s) < TRIES:
            raise EngineError("TR715", "nobody", status=self._status)
        return Answer(200, {}, {})

    async def sleep(self, seconds: float) -> None:
        # Simulated seconds: nobody sets this, so they pass.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), seconds)

    async def close(self) -> None: ...


@pytest.mark.parametrize(("status", "longest_s"), [(0, AWAY_MAX_S), (503, BACKOFF_MAX_S)])
def test_an_engine_that_is_back_is_noticed_at_once(status: int, longest_s: float) -> None:
    """However long it was away; one that refuses is given more time."""
    away = Away(status)

    async def ask() -> None:
        link = Link(away, "desk", asyncio.Event())
        await link.ask("claims", {}, timeout_s=1.0)

    loop = SimLoop(draw=lambda: 0.0)
    loop.run_until_complete(ask())
    loop.close()
    waited = [later - earlier for earlier, later in pairwise(away.asked_s)]
    assert waited[0] <= 0.05
    assert longest_s / 2 <= max(waited) <= longest_s
