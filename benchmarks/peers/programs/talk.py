"""How a peer's program talks with the measuring process: ready, go, one line of JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

PAD = "x" * 250
"""The same payload as the sagas of benchmarks/saga.py."""

Saga = Callable[[str, dict[str, str]], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for: on one line of JSON, as the only argument."""

    workload: str
    url: str
    count: int
    warm_up: int
    rate_per_s: int
    name: str
    in_flight: int


def order() -> Order:
    """The order of this process."""
    return Order(**json.loads(sys.argv[1]))


def load(id: str) -> dict[str, str]:
    """A payload of about 300 bytes."""
    return {"id": id, "pad": PAD}


def wait_for_go() -> None:
    """Say that all is warm, and wait until every process of the peer is."""
    print("ready", flush=True)
    if sys.stdin.readline().strip() != "go":
        sys.exit(1)


def tell(**found: Any) -> None:
    """The last line."""
    print(json.dumps(found), flush=True)


async def run(saga: Saga, given: Order) -> None:
    """Warm up, wait for go, run the order, tell how long each saga took."""
    await _at_once(saga, given, "warm", given.warm_up)
    await asyncio.to_thread(wait_for_go)
    if given.workload == "w3":
        took = await _at_rate(saga, given)
    else:
        took = await _at_once(saga, given, given.workload, given.count)
    tell(took_ms=[round(1000 * each, 3) for each in took])


async def _at_once(saga: Saga, given: Order, name: str, count: int) -> list[float]:
    """As many as there are, so many in flight."""
    places = asyncio.Semaphore(given.in_flight)

    async def one(number: int) -> float:
        async with places:
            return await _timed(saga, f"{given.name}-{name}-{number}")

    return await asyncio.gather(*(one(number) for number in range(count)))


async def _at_rate(saga: Saga, given: Order) -> list[float]:
    """One every so often, whether the one before has ended or not."""
    begun, running = time.perf_counter(), list[asyncio.Task[float]]()
    for number in range(given.count):
        due = begun + number / given.rate_per_s
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        running.append(asyncio.create_task(_timed(saga, f"{given.name}-w3-{number}")))
    return await asyncio.gather(*running)


async def _timed(saga: Saga, id: str) -> float:
    begun = time.perf_counter()
    await saga(id, load(id))
    return time.perf_counter() - begun
