"""Replies on their way through Kafka: what is there goes at once, and counts once acknowledged."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ._bus import BUS_PAUSE_MAX_S, Bus, Held, kafka
from ._command import FORM, ReplyTo
from ._json import dump_bytes
from ._link import backoff_s
from ._replies import spare_of

__all__ = ["BusReplies"]

REPLIES_BATCH_MAX = 500
"""Replies that wait for their acknowledgement together."""

log = logging.getLogger("troth.worker")


@dataclass(slots=True, eq=False)
class _Item:
    """One reply (or word that something started) on its way."""

    body: dict[str, Any]
    commitment: str
    to: ReplyTo
    acked: Callable[[], None]


class BusReplies:
    """The replies of one worker to pushed commands. `add` never waits."""

    def __init__(self, bus: Bus, worker: str) -> None:
        self._worker = worker
        self._producer = Held(bus)
        self._waiting: list[_Item] = []
        self._sending = 0
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def unsent(self) -> int:
        """Replies that no broker has acknowledged yet."""
        return len(self._waiting) + self._sending

    def add(
        self, body: dict[str, Any], commitment: str, to: ReplyTo, acked: Callable[[], None]
    ) -> None:
        """Send this as soon as possible; `acked` is called once every replica has it."""
        self._waiting.append(_Item(body, commitment, to, acked))
        self._idle.clear()
        self._wanted.set()

    async def flushed(self) -> None:
        """Wait until nothing is unsent."""
        await self._idle.wait()

    async def run(self) -> None:
        """Send until cancelled. Brokers may come and go: what is not acknowledged is kept."""
        failures = 0
        try:
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                while self._waiting:
                    batch = self._waiting[:REPLIES_BATCH_MAX]
                    del self._waiting[:REPLIES_BATCH_MAX]
                    self._sending = len(batch)
                    left = await self._send(batch)
                    self._sending = 0
                    self._waiting[:0] = left
                    failures = failures + 1 if left else 0
                    if left:
                        await self._producer.discard()
                        await asyncio.sleep(backoff_s(failures, None, max_s=BUS_PAUSE_MAX_S))
                self._idle.set()
        finally:
            await self._producer.discard()

    # --- inside ---

    async def _send(self, batch: list[_Item]) -> list[_Item]:
        """Send; what was not acknowledged, in order."""
        messages = _messages(batch)
        sent = list[tuple[Sequence[_Item], Any]]()
        left: list[_Item] = []
        try:
            producer = await self._producer.ready()
            for items in messages:
                sent.append((items, await self._put(producer, items)))
        except Exception as error:  # noqa: BLE001  whatever it is, what has no answer goes again
            log.warning("action=bus_unreached topic=replies error=%r", error)
        acks = await asyncio.gather(*(future for _, future in sent), return_exceptions=True)
        for (items, _), ack in zip(sent, acks, strict=True):
            if isinstance(ack, BaseException):
                log.warning("action=reply_not_acknowledged count=%d error=%r", len(items), ack)
                left += items
                continue
            for item in items:
                item.acked()
        for items in messages[len(sent) :]:
            left += items
        return left

    async def _put(self, producer: Any, items: Sequence[_Item]) -> Any:
        """Hand one message to the producer; a future of its acknowledgement."""
        to, commitment = items[0].to, items[0].commitment
        try:
            value = self._value(items)
            partitions = await producer.partitions_for(to.topic)
            return await producer.send(
                to.topic,
                value,
                key=commitment.encode(),
                # Any partition is accepted; this one is read by the lane that waits.
                partition=to.partition if to.partition in partitions else None,
            )
        except (kafka().errors.MessageSizeTooLargeError, TypeError, ValueError) as error:
            return await self._instead(producer, items, error)

    async def _instead(self, producer: Any, items: Sequence[_Item], error: Exception) -> Any:
        """A message that no broker takes: one by one, and the reply at fault says why."""
        if len(items) > 1:
            futures = [await self._put(producer, [item]) for item in items]
            return asyncio.gather(*futures)
        (item,) = items
        spare = spare_of(item.body, str(error) or type(error).__name__)
        if spare is None:
            log.error("action=reply_dropped effect=%s reason=%s", item.body.get("effect"), error)
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            done.set_result(None)
            return done
        log.error("action=reply_refused effect=%s reason=%s", item.body["effect"], error)
        item.body = spare
        return await self._put(producer, items)

    def _value(self, items: Sequence[_Item]) -> bytes:
        return dump_bytes(
            {"form": FORM, "worker": self._worker, "replies": [item.body for item in items]}
        )


def _messages(batch: list[_Item]) -> list[list[_Item]]:
    """One message for each commitment and partition, in order."""
    groups: dict[tuple[ReplyTo, str], list[_Item]] = {}
    for item in batch:
        groups.setdefault((item.to, item.commitment), []).append(item)
    return list(groups.values())
