"""A test's own topics on the real broker, and a producer as other people's programs have one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from adapters.kafka.cluster import Cluster
from adapters.kafka.options import KafkaOptions
from adapters.kafka.source import KafkaSource, SourceLimits
from adapters.kafka.topics import migrate
from domain.ports import Cursor
from domain.source import Arrival, Part

LANES = 4
WAIT_S = 40.0
NORTH = {"tenantid": "north"}


def options_of(bootstrap: str, prefix: str, **more: Any) -> KafkaOptions:
    more = {"prefix": prefix, "group": f"{prefix}engine", "replication": 1, **more}
    return KafkaOptions((bootstrap,), **more)


def now_us() -> int:
    return time.time_ns() // 1_000


async def made(options: KafkaOptions, *participants: str, lanes: int = LANES) -> None:
    """Make the topics, as an operator does."""
    async with Cluster(options) as cluster:
        await migrate(cluster, options, lanes, participants)


@asynccontextmanager
async def source_of(
    options: KafkaOptions, limits: SourceLimits | None = None
) -> AsyncIterator[KafkaSource]:
    source = KafkaSource(options, LANES, now_us=now_us, limits=limits)
    try:
        await source.open()
        yield source
    finally:
        await source.close()


@asynccontextmanager
async def producer_of(options: KafkaOptions, **more: Any) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        bootstrap_servers=",".join(options.bootstrap),
        max_request_size=8_000_000,
        acks="all",
        **more,
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def put(
    options: KafkaOptions,
    topic: str,
    values: Sequence[bytes | None],
    partition: int = 0,
    **more: Any,
) -> None:
    """Send values to one partition, in order."""
    async with producer_of(options, **more) as producer:
        for value in values:
            await producer.send_and_wait(topic, value, key=b"k", partition=partition)


async def taken(source: KafkaSource, count: int) -> list[Arrival]:
    """The next records; waits for them, bounded."""
    found: list[Arrival] = []
    async with asyncio.timeout(WAIT_S):
        while len(found) < count:
            found += await source.poll(0.2)
    return found


def values_of(arrivals: Sequence[Arrival]) -> list[bytes | None]:
    return [arrival.value for arrival in arrivals]


def cursor_at(arrivals: Sequence[Arrival], value: bytes) -> Cursor:
    return next(arrival.cursor for arrival in arrivals if arrival.value == value)


def event(id: str, **more: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0", "id": id, "source": "urn:shop", "type": "order.placed",
        "data": {"order": id}, **NORTH, **more,
    }  # fmt: skip


def structured(id: str, **more: Any) -> tuple[bytes, list[tuple[str, bytes]]]:
    headers = [("content-type", b"application/cloudevents+json; charset=utf-8")]
    return orjson.dumps(event(id, **more)), headers


async def until(true: Callable[[], bool], signal: asyncio.Event | None = None) -> None:
    """Wait for something that the loop brings about, bounded."""
    async with asyncio.timeout(WAIT_S):
        while not true():
            if signal is None:
                await asyncio.sleep(0)
            else:
                signal.clear()
                if not true():
                    await signal.wait()


def part(options: KafkaOptions, number: int = 0, topic: str | None = None) -> Part:
    return Part(topic or options.events, number)


class Unnamed(str):
    """The name of a header in bytes that are no UTF-8, as a producer in C or Go may send it."""

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return b"\xff\xfe"


async def put_raw(
    options: KafkaOptions, topic: str, *batches: Sequence[tuple[bytes, Any]], partition: int = 0
) -> None:
    """Send batches of values with headers, which may be such that a producer here sends none."""
    async with Cluster(options) as cluster:
        facts = (await cluster.topics([topic]))[topic]
        for batch in batches:
            builder = _DefaultRecordBatchBuilderPy(2, 3, 0, -1, -1, -1, 8_000_000)
            for number, (value, headers) in enumerate(batch):
                builder.append(number, None, b"k", value, headers)
            data = [(topic, [(partition, bytes(builder.build()))])]
            request = ProduceRequest(None, -1, int(WAIT_S * 1000), data)
            response = await cluster._ask(facts.leaders[partition], request)
            ((_, ((_, code, *_),)),) = response.topics
            assert code == 0
