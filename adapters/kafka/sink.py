"""Publishes records: an idempotent producer, acknowledged by every replica.

A producer that failed once is given up: it cannot say what of its batches arrived.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.partitioner import murmur2

from adapters.kafka.closing import quietly
from adapters.kafka.cluster import FAULTS, Cluster, told
from adapters.kafka.options import KafkaOptions
from adapters.kafka.security import client_arguments
from domain.outbox import Message
from domain.source import SourceDown

__all__ = ["KafkaSink"]

LINGER_MS = 0
"""A round is handed over at once: there is nothing to wait for."""
BATCH_BYTES_MAX = 262_144
CLOSE_TIMEOUT_S = 5.0
OVERHEAD_BYTES = 512
"""Of a batch and a record, at most, beside key, value and headers."""
TOPIC_BYTES = "max.message.bytes"
KEYS_KEPT_MAX = 20_000
"""Keys whose hash is remembered: the messages of a commitment come one after the other."""


class KafkaSink:
    """Implements `domain.outbox.Sink`. Topics must be there: sending makes none."""

    def __init__(self, options: KafkaOptions) -> None:
        self._options = options
        self._producer: Any = None
        self._bytes_max: dict[str, int] = {}

    async def send(self, messages: Sequence[Message]) -> Sequence[str | None]:
        try:
            producer = await self._ready({message.topic for message in messages})
        except (SourceDown, *FAULTS) as error:
            return [told(error)] * len(messages)
        acks: list[Any] = []
        try:
            async with asyncio.timeout(self._options.request_timeout_s):
                for message in messages:
                    acks.append(await self._put(producer, message))
        except FAULTS as error:
            acks.append(error)
        await self._wait([ack for ack in acks if not isinstance(ack, BaseException)])
        found = [_fault(ack) for ack in acks]
        return [*found, *["not sent: one before it failed"] * (len(messages) - len(acks))]

    async def _wait(self, acks: Sequence[Any]) -> None:
        """Wait for acknowledgements, for as long as a request may take.

        An idempotent producer tries for ever: somebody has to see that it stands still.
        """
        if acks:
            await asyncio.wait(acks, timeout=self._options.request_timeout_s)

    async def discard(self) -> None:
        producer, self._producer = self._producer, None
        self._bytes_max.clear()
        if producer is not None:
            await _given_up(producer)

    async def _ready(self, topics: set[str]) -> Any:
        missing = topics - self._bytes_max.keys()
        if missing:
            # A producer would ask the broker to make a topic that is missing.
            async with Cluster(self._options) as cluster:
                there = await cluster.topics(sorted(missing))
                for name in missing - there.keys():
                    raise SourceDown(f"{name} is missing: run troth-engine migrate")
                for name, configs in (await cluster.configs(sorted(missing))).items():
                    self._bytes_max[name] = int(configs[TOPIC_BYTES])
        if self._producer is None:
            self._producer = await self._started()
        return self._producer

    async def _started(self) -> Any:
        options = self._options
        producer = AIOKafkaProducer(
            **client_arguments(options),
            enable_idempotence=True,
            acks="all",
            compression_type=None if options.compression == "none" else options.compression,
            max_request_size=options.message_bytes_max,
            max_batch_size=BATCH_BYTES_MAX,
            linger_ms=LINGER_MS,
            partitioner=_partition,  # pyright: ignore[reportArgumentType]  # any callable will do
        )
        try:
            async with asyncio.timeout(options.request_timeout_s):
                await producer.start()
        except BaseException:
            await _given_up(producer)
            raise
        return producer

    async def _put(self, producer: Any, message: Message) -> Any:
        """A future of the acknowledgement. What is larger than the topic takes goes as its spare.

        A broker would refuse the whole batch, for ever.
        """
        room = min(self._bytes_max[message.topic], self._options.message_bytes_max)
        if _size(message) > room:
            if message.spare is not None:
                return await self._put(producer, message.spare)
            raise MessageSizeTooLargeError(f"{_size(message)} bytes; {message.topic} takes {room}")
        return await producer.send(
            message.topic, message.value, message.key, headers=list(message.headers)
        )


@lru_cache(KEYS_KEPT_MAX)
def _hash(key: bytes) -> int:
    return murmur2(key) & 0x7FFFFFFF


def _partition(
    key: bytes,
    everywhere: Sequence[int],
    available: Sequence[int],  # noqa: ARG001 - called by the driver
) -> int:
    """As Kafka's own clients do; every message has a key."""
    return everywhere[_hash(key) % len(everywhere)]


def _size(message: Message) -> int:
    headers = sum(len(name) + len(value) for name, value in message.headers)
    return len(message.key) + len(message.value) + headers + OVERHEAD_BYTES


def _fault(ack: Any) -> str | None:
    if isinstance(ack, BaseException):
        return told(ack)
    if not ack.done():
        return "not acknowledged in time"
    if ack.cancelled():
        return "given up"
    error = ack.exception()
    return None if error is None else told(error)


async def _given_up(producer: Any) -> None:
    """End it without a flush: what was not acknowledged is sent again by the next one."""
    # Nothing public ends a producer while a broker is gone: `stop` waits for what it holds.
    producer._closed = True
    await quietly(producer._sender.close, producer.client.close, timeout_s=CLOSE_TIMEOUT_S)
