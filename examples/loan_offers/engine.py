"""Send the log to an engine, in order and in batches, and read back what the engine made of it.

Only the public HTTP API is used, and the topic `events` where there is Kafka: what is here works
against any engine that is reachable.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from examples.children import RunFailed
from examples.kafka import Producer
from examples.loan_offers.compare import Answer
from examples.loan_offers.oracle import Deviation
from examples.loan_offers.saga import loan_offer
from troth import AsyncClient, EngineError

__all__ = ["answers", "applied", "parked", "publish"]

BATCH_EVENTS = 1_000
"""Events of one request; the engine takes no more."""

PATIENCE_S = 60.0
"""How long a call is made again while the engine is busy (429, 503) or away."""
AGAIN_S = 0.2

APPLIED_WITHIN_S = 30.0
"""How long the engine may take for a batch that it or the broker has acknowledged."""

PAGE_ITEMS = 1_000
ENDED = frozenset({"fulfilled", "compensated", "failed", "cancelled"})
_LATER = frozenset({0, 429, 503})

T = TypeVar("T")
Json = Any
Event = Mapping[str, Json]
Step = Callable[[int], None]
"""Told how many more are done."""
Sent = Callable[[Event, int], None]
"""Told of each batch its last event, and how many are durable with it."""


async def publish(producer: Producer, events: Iterator[Event], sent: Sent) -> Event | None:
    """Send every event, in order, and return the last one. Raises RunFailed when one is refused."""
    last: Event | None = None
    batch = list(islice(events, BATCH_EVENTS))
    while batch:
        under_way = batch
        answer = asyncio.create_task(_patiently(partial(producer.publish, under_way)))
        # One request at a time keeps the order; the next one is made ready meanwhile.
        await asyncio.sleep(0)
        batch = list(islice(events, BATCH_EVENTS))
        _refuse_refusals(await answer)
        last = under_way[-1]
        sent(last, len(under_way))
    return last


async def applied(client: AsyncClient, event: Event) -> None:
    """Until this event, and so all before it, was applied. Raises EngineError."""
    await _patiently(
        lambda: client.step_of(
            loan_offer, key=event["data"]["case"], after=event["id"], timeout_s=APPLIED_WITHIN_S
        )
    )


async def _patiently(call: Callable[[], Awaitable[T]]) -> T:
    """The answer of a call that is safe to repeat: the same event again is the same event."""
    until_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            return await call()
        except EngineError as error:
            if error.status not in _LATER or time.monotonic() > until_s:
                raise
            await asyncio.sleep(error.retry_after_s or AGAIN_S)


def _refuse_refusals(results: Sequence[Mapping[str, Json]]) -> None:
    refused = [result for result in results if result["status"] == "refused"]
    if refused:
        first = refused[0]
        raise RunFailed(
            f"loans.refused: the engine refused {len(refused)} events of a batch\n"
            f"  event {first['id']}: {first['code']} {first['detail']}\n"
            f"  do   {first.get('do', 'correct the log')}"
        )


async def parked(client: AsyncClient) -> int:
    """How many events the engine has parked."""
    return sum((await client.counts())["parked"].values())


async def answers(client: AsyncClient, step: Step) -> dict[str, Answer]:
    """What the engine says about each application, by case.

    Status, node and how many events it took are of the current step; deviations are facts.
    """
    deviations = await _deviations(client)
    found: dict[str, Answer] = {}
    async for row in _rows(client):
        found[row["key"]] = _answer(row, deviations[row["key"]])
        step(1)
    return found


def _answer(row: Mapping[str, Json], deviations: Sequence[Deviation]) -> Answer:
    has_ended = row["status"] in ENDED
    return Answer(
        outcome=_outcome(row),
        nodes=frozenset() if has_ended else frozenset(map(_node, row["steps"])),
        recorded=row["events_taken"],
        deviations=tuple(sorted(deviations)),
    )


def _outcome(row: Mapping[str, Json]) -> str:
    if row["status"] == "fulfilled":
        return row["result"]["outcome"]
    return "open" if row["status"] in ("open", "waiting") else row["status"]


def _node(path: str) -> str:
    """`answer` of `application/offers#2/answer`: names of nodes are unique in a saga."""
    return path.rpartition("/")[2].partition("#")[0]


async def _rows(client: AsyncClient) -> AsyncIterator[dict[str, Json]]:
    cursor: str | None = None
    while True:
        page = await client.list(saga=loan_offer, cursor=cursor, limit=PAGE_ITEMS)
        for row in page.items:
            yield row
        if page.next is None:
            return
        cursor = str(page.next)


async def _deviations(client: AsyncClient) -> defaultdict[str, list[Deviation]]:
    """The rules that the saga says were broken, by case."""
    found: defaultdict[str, list[Deviation]] = defaultdict(list)
    after, following = None, ""
    while following != after:
        after = following
        page = await client.facts(after=after, limit=PAGE_ITEMS)
        for fact in page.items:
            data = fact["data"]
            found[data["case"]].append(Deviation(data["rule"], data["event"]))
        following = str(page.next or after)
    return found
