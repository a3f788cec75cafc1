"""Kafka as other people's programs use it: CloudEvents to the topic `events`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol

from aiokafka import AIOKafkaProducer

__all__ = ["KafkaProducer", "Producer"]

HEADERS = [("content-type", b"application/cloudevents+json; charset=utf-8")]

Json = Any


class Producer(Protocol):
    """Sends CloudEvents, in order; each is durable once its answer is there."""

    async def publish(self, events: Sequence[Mapping[str, Json]], /) -> Sequence[Json]: ...


class KafkaProducer:
    """Writes to a topic; what becomes of an event it cannot know, so its status is `sent`.

    `key_field` of an event's data is the key of its record: events of one key keep their order.
    """

    def __init__(self, broker: str, topic: str, *, key_field: str) -> None:
        self._broker = broker
        self._topic = topic
        self._key_field = key_field

    async def __aenter__(self) -> KafkaProducer:
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._broker, acks="all", enable_idempotence=True
        )
        await self._producer.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._producer.stop()

    async def publish(self, events: Sequence[Mapping[str, Json]], /) -> list[Json]:
        """Send all; return when the broker has them on all replicas. Raises KafkaError."""
        sent = [
            await self._producer.send(
                self._topic,
                json.dumps(event).encode(),
                key=str(event["data"][self._key_field]).encode(),
                headers=HEADERS,
            )
            for event in events
        ]
        await asyncio.gather(*sent)
        return [{"status": "sent", "id": event["id"]} for event in events]
