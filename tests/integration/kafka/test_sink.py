"""Publishing on a real broker: acknowledged or told why not, and never a topic made by it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from adapters.kafka.cluster import Cluster
from adapters.kafka.options import KafkaOptions
from adapters.kafka.sink import KafkaSink
from consumers.publishing import Publishing, Topics
from consumers.relay import Relay, RelayLimits
from domain.outbox import Message, Row
from tests.integration.kafka.world import WAIT_S, made, options_of
from tests.unit.bus_fakes import MemoryOutbox, stream
from tests.waiting import eventually
from tools.servers import Kafka, free_port

QUICK = RelayLimits(idle_s=0.01, retry_first_s=0.05, retry_cap_s=0.2, rows_max=20)


@pytest.fixture
async def options(kafka_bootstrap: str, topic_prefix: str) -> KafkaOptions:
    options = options_of(kafka_bootstrap, topic_prefix, message_bytes_max=100_000)
    await made(options)
    return options


async def read(options: KafkaOptions, topic: str, count: int) -> list[tuple[Any, Any]]:
    """Key and value of what lies in a topic, until so many different ones are found.

    A repeat counts once: a topic that holds some is longer, and comes in parts.
    """
    consumer = AIOKafkaConsumer(bootstrap_servers=options.bootstrap[0], auto_offset_reset="none")
    async with Cluster(options) as cluster:
        leaders = (await cluster.topics([topic]))[topic].leaders
    await consumer.start()
    try:
        parts = [TopicPartition(topic, number) for number in range(len(leaders))]
        consumer.assign(parts)
        for part in parts:
            consumer.seek(part, 0)
        found: list[tuple[Any, Any]] = []
        async with asyncio.timeout(WAIT_S):
            while len(set(found)) < count:
                records = await consumer.getmany(timeout_ms=200)
                found += [(r.key, r.value) for batch in records.values() for r in batch]
        return found
    finally:
        await consumer.stop()


async def test_what_is_acknowledged_is_there_in_the_order_of_its_key(options: KafkaOptions) -> None:
    sink = KafkaSink(options)
    messages = [Message(options.facts, b"k%d" % (n % 3), b"%d" % n) for n in range(60)]
    assert await sink.send(messages) == [None] * 60
    await sink.discard()
    found = await read(options, options.facts, 60)
    for key in (b"k0", b"k1", b"k2"):
        values = [value for one, value in found if one == key]
        assert values == [m.value for m in messages if m.key == key]


async def test_what_is_too_large_goes_as_its_spare(options: KafkaOptions) -> None:
    """The broker would refuse it for ever, with its whole batch; without a spare it is told."""
    sink = KafkaSink(options)
    spare = Message(options.facts, b"k", b"short")
    large = Message(options.facts, b"k", b"x" * 200_000, spare=spare)
    assert await sink.send([large, Message(options.facts, b"k", b"next")]) == [None, None]
    (fault,) = await sink.send([Message(options.facts, b"k", b"x" * 200_000)])
    await sink.discard()
    assert "takes 100000" in str(fault)
    assert [value for _, value in await read(options, options.facts, 2)] == [b"short", b"next"]


async def test_a_missing_topic_is_told_and_not_made(options: KafkaOptions) -> None:
    sink = KafkaSink(options)
    topic = options.commands("nobody")
    (fault,) = await sink.send([Message(topic, b"k", b"v")])
    await sink.discard()
    assert "troth-engine migrate" in str(fault)
    async with Cluster(options) as cluster:
        assert await cluster.topics([topic]) == {}


async def test_without_a_broker_nothing_counts_as_sent(topic_prefix: str) -> None:
    options = options_of(f"127.0.0.1:{free_port()}", topic_prefix, request_timeout_s=2.0)
    sink = KafkaSink(options)
    faults = await sink.send([Message("t", b"k", b"v")] * 2)
    await sink.discard()
    assert len(faults) == 2
    assert all(faults)


class Forgetful(KafkaSink):
    """The broker takes what is sent; once, when `forgets` is set, nobody hears of it."""

    forgets = False

    async def send(self, messages: Sequence[Message]) -> Sequence[str | None]:
        faults = await super().send(messages)
        if not self.forgets or any(faults):
            return faults
        self.forgets = False
        return ["the answer was lost"] * len(messages)


def row(position: int) -> Row:
    ctx = {"tenant": "north", "actor": "shop", "actor_type": "executor_system"}
    state = {"ctx": ctx, "timestamp": "2026-11-23T09:00:00.000000Z"}
    return Row(0, position, stream(7), position, "commitment.paused", orjson.dumps(state))


async def test_the_relay_loses_nothing_when_the_broker_dies(
    own_kafka: Kafka, topic_prefix: str
) -> None:
    """kill -9 while it publishes: the cursor stays behind, repeats are equal, the order holds."""
    options = options_of(own_kafka.address, topic_prefix, request_timeout_s=4.0)
    await made(options)
    outbox = MemoryOutbox(rows=[row(n) for n in range(1, 101)])
    topics = Topics(options.facts, options.commands(""), options.replies, options.dead_letters)
    publishing = Publishing(topics, "urn:troth", "store", 1)
    sink = Forgetful(options)
    relay = Relay(outbox, sink, publishing, lambda: [0], now_us=lambda: 1, limits=QUICK)
    task = asyncio.create_task(relay.run())
    try:
        await moved(outbox, 100)
        await asyncio.to_thread(own_kafka.kill)
        outbox.rows += [row(n) for n in range(101, 151)]
        relay.wake()
        await eventually(lambda: not relay.state()["ready"])
        assert outbox.cursors == {0: 100}
        sink.forgets = True
        await asyncio.to_thread(own_kafka.restart)
        await moved(outbox, 150)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    found = [value for _, value in await read(options, options.facts, 150)]
    facts = [orjson.loads(value) for value in found]
    places = [int(fact["position"]) for fact in facts]
    assert sorted(set(places)) == list(range(1, 151))
    assert len(set(found)) == 150, "a repeat has the same bytes"
    assert len(found) > 150, "what was sent and not heard of is sent again"
    assert list(dict.fromkeys(places)) == sorted(set(places))


async def moved(outbox: MemoryOutbox, position: int) -> None:
    await eventually(lambda: outbox.cursors.get(0) == position)
