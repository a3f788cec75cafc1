"""A cluster of Kafka in memory, and clients of it in the shape of aiokafka's.

The adapters of the product run on it unchanged: topics with ids, partitions with offsets, an
assignment by hand, reads of what is committed, and an idempotent producer that may be given up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError, OffsetOutOfRangeError

from adapters.kafka.cluster import EARLIEST
from adapters.kafka.metadata import TopicFacts
from adapters.kafka.sink import TOPIC_BYTES
from domain.source import Part, SourceDown
from tests.simulation.dice import Dice
from tests.simulation.loop import SimLoop

__all__ = ["RATES", "Broker", "Client", "Consumer", "Producer", "Record"]

RATES = {
    "produce failed": 0.02, "produce unclear": 0.03, "produce late": 0.02, "fetch failed": 0.01,
    "batch cut": 0.2, "broker away": 0.002,
}  # fmt: skip
"""For each record that is produced, each fetch, and each call."""
AWAY_S_MAX = 120.0
LATE_S_MAX = 60.0
CALL_S_MAX = 0.02
MESSAGE_BYTES_MAX = 4 * 1024 * 1024


class Record(NamedTuple):
    """As aiokafka's consumer gives it, as far as anybody looks."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


@dataclass(slots=True)
class _Log:
    """A partition: what is before `first` was deleted."""

    first: int = 0
    records: list[Record] = field(default_factory=list)

    @property
    def end(self) -> int:
        return self.first + len(self.records)


class Broker:
    """All partitions of all topics. `changed` wakes who waits for records."""

    def __init__(self, loop: SimLoop, dice: Dice) -> None:
        self.loop = loop
        self.dice = dice
        self.logs: dict[Part, _Log] = {}
        self._away_until_s = 0.0
        self.outages = 0
        # In the order they came: a set would wake them in another one each time.
        self._waiting: dict[asyncio.Event, None] = {}

    def make(self, topic: str, partitions: int) -> None:
        self.logs |= {Part(topic, n): _Log() for n in range(partitions)}

    def count(self, topic: str) -> int:
        return sum(part.topic == topic for part in self.logs)

    def append(
        self, part: Part, key: bytes | None, value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> Record:  # fmt: skip
        """Take a record in, with the time of now."""
        log, at_ms = self.logs[part], self.loop.now_us() // 1000
        record = Record(*part, log.end, at_ms, key, value, tuple(headers))
        log.records.append(record)
        self.wake()
        return record

    def cut(self, part: Part, first: int) -> list[Record]:
        """Delete what is before an offset, as retention or an operator does."""
        log = self.logs[part]
        gone = log.records[: max(0, first - log.first)]
        del log.records[: len(gone)]
        log.first += len(gone)
        self.wake()
        return gone

    def truncate(self, part: Part, end: int) -> list[Record]:
        """Lose the last records, as a cluster does that comes from an older copy."""
        log = self.logs[part]
        gone = log.records[max(0, end - log.first) :]
        del log.records[len(log.records) - len(gone) :]
        return gone

    def wake(self) -> None:
        for event in self._waiting:
            event.set()

    async def wait(self, timeout_s: float) -> None:
        """Until something changed, or somebody wakes all."""
        event = asyncio.Event()
        self._waiting[event] = None
        try:
            async with asyncio.timeout(timeout_s):
                await event.wait()
        except TimeoutError:
            return
        finally:
            del self._waiting[event]

    @property
    def is_away(self) -> bool:
        return self.loop.time() < self._away_until_s and not self.dice.is_calm

    def go_away(self) -> None:
        """Nobody reaches it for a while."""
        self._away_until_s = self.loop.time() + self.dice.between(1, AWAY_S_MAX)
        self.reset()

    def reset(self) -> None:
        """Every connection ends."""
        self.outages += 1
        self.wake()

    async def call(self) -> None:
        """A question of a client. Raises KafkaConnectionError."""
        if self.dice.hits("broker away"):
            self.go_away()
        await asyncio.sleep(self.dice.between(0, CALL_S_MAX))
        if self.is_away:
            raise KafkaConnectionError("the broker is away")


class Client:
    """In the place of `adapters.kafka.cluster.Cluster`."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def open(self) -> None:
        await self._ask()

    async def close(self) -> None:
        """Nothing is held open."""

    async def __aenter__(self) -> Client:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def topics(self, names: Sequence[str]) -> dict[str, TopicFacts]:
        await self._ask()
        counts = {name: self._broker.count(name) for name in names}
        return {
            name: TopicFacts(name, f"id of {name}", (0,) * count, 1)
            for name, count in counts.items()
            if count
        }

    async def configs(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        await self._ask()
        return {name: {TOPIC_BYTES: str(MESSAGE_BYTES_MAX)} for name in names}

    async def offsets(self, parts: Collection[Part], which: int) -> dict[Part, int]:
        await self._ask()
        logs = self._broker.logs
        return {p: logs[p].first if which == EARLIEST else logs[p].end for p in parts}

    async def note(self, group: str, offsets: Mapping[Part, int]) -> None:
        del group, offsets
        await self._ask()

    async def _ask(self) -> None:
        try:
            await self._broker.call()
        except KafkaConnectionError as error:
            raise SourceDown(str(error)) from error


class Consumer:
    """In the place of `AIOKafkaConsumer`, assigned by hand."""

    def __init__(self, broker: Broker, **settings: Any) -> None:
        assert settings["group_id"] is None
        assert settings["auto_offset_reset"] == "none"
        self._broker = broker
        self._at: dict[Part, int] = {}
        self._paused: set[Part] = set()
        self._outages = broker.outages
        self._client = SimpleNamespace(close=self.stop)

    async def start(self) -> None:
        await self._broker.call()

    async def stop(self) -> None:
        self._at = {}

    def assign(self, places: Collection[TopicPartition]) -> None:
        self._at = {Part(*place): 0 for place in places}
        self._paused = set()

    def unsubscribe(self) -> None:
        self._at = {}

    def seek(self, place: TopicPartition, offset: int) -> None:
        self._at[Part(*place)] = offset

    def paused(self) -> set[TopicPartition]:
        return {TopicPartition(*part) for part in self._paused}

    def pause(self, *places: TopicPartition) -> None:
        self._paused |= {Part(*place) for place in places}

    def resume(self, *places: TopicPartition) -> None:
        self._paused -= {Part(*place) for place in places}

    async def position(self, place: TopicPartition) -> int:
        return self._at[Part(*place)]

    async def getmany(
        self, *, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[Record]]:
        """Records in order; who waits is woken by anything that happens."""
        broker = self._broker
        found = self._fetched(max_records)
        if not found:
            await broker.wait(timeout_ms / 1000)
            found = self._fetched(max_records)
        elif broker.dice.hits("fetch failed"):
            raise KafkaConnectionError("the connection was reset")
        for place, records in found.items():
            self._at[Part(*place)] = records[-1].offset + 1
        return found

    def _fetched(self, max_records: int) -> dict[TopicPartition, list[Record]]:
        broker, found = self._broker, dict[TopicPartition, list[Record]]()
        if broker.is_away or broker.outages != self._outages:
            raise KafkaConnectionError("the connection is gone")
        for part, at in self._at.items():
            log = broker.logs[part]
            if not log.first <= at <= log.end:
                raise OffsetOutOfRangeError({TopicPartition(*part): at})
            records = log.records[at - log.first :][:max_records]
            if not records or part in self._paused:
                continue
            if len(records) > 1 and broker.dice.hits("batch cut"):
                records = records[: broker.dice.random.randint(1, len(records) - 1)]
            found[TopicPartition(*part)] = records
        return found


class Producer:
    """In the place of `AIOKafkaProducer`: it is given up after a failure, and may still send."""

    def __init__(self, broker: Broker, **settings: Any) -> None:
        assert settings["enable_idempotence"]
        assert settings["acks"] == "all"
        self._broker = broker
        self._partition = settings["partitioner"]
        self._closed = False
        self._sender = self.client = SimpleNamespace(close=self._end)

    async def start(self) -> None:
        await self._broker.call()

    async def _end(self) -> None:
        """What is under way arrives or not."""

    async def send(
        self, topic: str, value: bytes, key: bytes, *, headers: list[tuple[str, bytes]]
    ) -> asyncio.Future[None]:
        """A future of the acknowledgement."""
        broker, dice = self._broker, self._broker.dice
        await broker.call()
        everywhere = list(range(broker.count(topic)))
        part = Part(topic, self._partition(key, everywhere, everywhere))
        done: asyncio.Future[None] = broker.loop.create_future()
        # Of an idempotent producer nothing follows what failed.
        if self._closed or dice.hits("produce failed"):
            done.set_exception(KafkaTimeoutError())
        elif dice.hits("produce late"):
            done.set_exception(KafkaTimeoutError())
            late_s = dice.between(0, LATE_S_MAX)
            broker.loop.call_later(late_s, broker.append, part, key, value, headers)
        else:
            broker.append(part, key, value, headers)
            if dice.hits("produce unclear"):
                done.set_exception(KafkaTimeoutError())
            else:
                done.set_result(None)
        if done.exception() is not None:
            self._closed = True
        return done
