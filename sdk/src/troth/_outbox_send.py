"""Where the relay of an outbox sends to: the engine over HTTP, or its topic `events`."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from ._bus import Bus, Held, kafka
from ._client import AsyncClient
from ._link import passing
from ._outbox_rows import Row
from ._problems import EngineError

__all__ = ["Refusal", "Said", "Sender", "ToEngine", "ToKafka"]

CONTENT_TYPE = b"application/cloudevents+json; charset=utf-8"

log = logging.getLogger("troth.outbox")


@dataclass(frozen=True, slots=True)
class Refusal:
    """It will never be taken as it is."""

    reason: str


Said = Literal["sent", "again"] | Refusal
"""What became of one row."""


class Sender(Protocol):
    """Sends rows in order. `send` says what became of each; it raises if nothing can be said."""

    async def send(self, batch: Sequence[Row]) -> list[Said]: ...
    async def close(self) -> None: ...


class ToEngine:
    """POST /v1/events, in batches."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def send(self, batch: Sequence[Row]) -> list[Said]:
        """A batch that is refused as a whole is halved, until the row at fault stands alone.

        Raises EngineError for a refusal that may pass, and for a key that may not send.
        """
        try:
            answers = await self._client.publish([json.loads(row.event) for row in batch])
        except EngineError as error:
            if passing(error) or error.status in {401, 403}:
                raise
            if len(batch) == 1:
                return [Refusal(f"{error.code} {error.message}")]
            middle = len(batch) // 2
            return [*await self.send(batch[:middle]), *await self.send(batch[middle:])]
        return [_said(answer) for answer in answers]

    async def close(self) -> None:
        await self._client.close()


def _said(answer: dict[str, Any]) -> Said:
    if answer["status"] != "refused":
        return "sent"
    code = str(answer.get("code", ""))
    # TR3..: the event is at fault. Anything else (a full disk, too many requests) may pass.
    if code.startswith("TR3"):
        return Refusal(f"{code} {answer.get('detail') or answer.get('alias') or ''}".strip())
    return "again"


class ToKafka:
    """The topic `events`: structured CloudEvents, with the event's key as the record's."""

    def __init__(self, bus: Bus, tenant: str | None) -> None:
        self._tenant = tenant
        self._topic = bus.topic("events")
        self._producer = Held(bus)

    async def send(self, batch: Sequence[Row]) -> list[Said]:
        """Raises KafkaError if no broker can be reached. What has no acknowledgement goes again."""
        producer = await self._producer.ready(self._topic)
        said: list[Said] = []
        waits: list[tuple[int, Any]] = []
        try:
            for at, row in enumerate(batch):
                said.append("again")
                try:
                    waits.append((at, await self._put(producer, row)))
                except kafka().errors.MessageSizeTooLargeError as error:
                    said[at] = Refusal(f"too large for the broker: {error}")
        except kafka().errors.KafkaError as error:
            log.warning("action=bus_unreached topic=%s error=%r", self._topic, error)
        acks = await asyncio.gather(*(wait for _, wait in waits), return_exceptions=True)
        for (at, _), ack in zip(waits, acks, strict=True):
            if isinstance(ack, kafka().errors.RecordTooLargeError):
                said[at] = Refusal("too large for the broker")
            elif not isinstance(ack, BaseException):
                said[at] = "sent"
        said.extend("again" for _ in batch[len(said) :])
        if "again" in said:
            await self._producer.discard()
        return said

    async def close(self) -> None:
        await self._producer.discard()

    async def _put(self, producer: Any, row: Row) -> Any:
        event = json.loads(row.event)
        if self._tenant is not None:
            event.setdefault("tenantid", self._tenant)
        return await producer.send(
            self._topic,
            json.dumps(event, ensure_ascii=False).encode(),
            key=row.key.encode(),
            headers=[("content-type", CONTENT_TYPE)],
        )
