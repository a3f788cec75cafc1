"""Reads the inputs: partitions assigned by hand to the owner of their lane.

The lease of the lane in the database is the one fence, so there is no consumer group and no
automatic reset: where reading begins is decided here, from the cursor of the database alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from adapters.kafka.apart import Undecoded, read_apart
from adapters.kafka.closing import quietly
from adapters.kafka.cluster import EARLIEST, FAULTS, LATEST, Cluster, told
from adapters.kafka.metadata import TopicFacts
from adapters.kafka.options import KafkaOptions
from adapters.kafka.security import client_arguments
from domain.ports import Cursor
from domain.source import Arrival, Ends, Lost, Part, SourceDown

__all__ = ["KafkaSource", "SourceLimits", "record_digest"]

FETCHER_PAUSE_MS = 1_000
"""How often the fetcher looks up though nothing happened; what happens wakes it."""
UNDECODED = "the name of a header is not UTF-8"
_log = structlog.get_logger("consumers")


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """Bounds of reading; times in seconds, of the event loop's clock.

    A partition that is resumed waits for a fetch of others under way, so `fetch_wait_s` at most.
    `identity_every_s`: how often it is looked whether a topic is still the same one.
    """

    poll_records_max: int = 2_000
    fetch_bytes_max: int = 16 * 1024 * 1024
    partition_bytes_max: int = 1024 * 1024
    fetch_wait_s: float = 0.5
    identity_every_s: float = 10.0
    close_timeout_s: float = 5.0


class KafkaSource:
    """Implements `domain.source.Source`. `now_us` is the clock of the lanes."""

    def __init__(
        self,
        options: KafkaOptions,
        lanes: int,
        *,
        now_us: Callable[[], int],
        limits: SourceLimits | None = None,
    ) -> None:
        self._options = options
        self._lanes = lanes
        self._now_us = now_us
        self._limits = SourceLimits() if limits is None else limits
        self._cluster = Cluster(options)
        self._consumer: Any = None
        self._facts: dict[str, TopicFacts] = {}
        self._identified_s = 0.0
        self._read: dict[Part, Cursor | None] = {}
        self._starts: dict[Part, int] = {}
        self._doubted: set[Part] = set()
        self._paused: frozenset[Part] = frozenset()
        self._lost: dict[Part, Lost] = {}
        self._late: dict[Part, int] = {}

    # --- what is read ----------------------------------------------------------------------------

    def parts_of(self, lanes: Collection[int]) -> Sequence[Part]:
        return [
            Part(facts.name, number)
            for facts in self._facts.values()
            for number in range(len(facts.leaders))
            if number % self._lanes in lanes
        ]

    @property
    def lost(self) -> Mapping[Part, Lost]:
        return self._lost

    async def open(self) -> None:
        await self._cluster.open()
        await self._identify(must_be_same=False)
        limits = self._limits
        consumer = AIOKafkaConsumer(
            **client_arguments(self._options),
            group_id=None,
            auto_offset_reset="none",
            enable_auto_commit=False,
            isolation_level="read_committed",
            fetch_max_wait_ms=int(limits.fetch_wait_s * 1000),
            consumer_timeout_ms=FETCHER_PAUSE_MS,
            fetch_max_bytes=limits.fetch_bytes_max,
            max_partition_fetch_bytes=limits.partition_bytes_max,
        )
        try:
            async with asyncio.timeout(self._options.request_timeout_s):
                await consumer.start()
        except BaseException as error:
            await _stopped(consumer, limits.close_timeout_s)
            if isinstance(error, FAULTS):
                raise SourceDown(told(error)) from error
            raise
        self._consumer = consumer
        await self._place(self._read)
        self._assign()

    async def close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await _stopped(consumer, self._limits.close_timeout_s)
        await self._cluster.close()

    async def own(self, parts: Mapping[Part, Cursor | None]) -> None:
        fresh = {part: cursor for part, cursor in parts.items() if part not in self._read}
        gone = self._read.keys() - parts.keys()
        for part in gone:
            self._forget(part)
        self._read |= fresh
        try:
            await self._place(fresh)
        except SourceDown:
            for part in fresh:
                self._forget(part)
            raise
        self._assign()

    def pause(self, parts: Collection[Part]) -> None:
        wanted = frozenset(parts)
        if wanted != self._paused:
            self._paused = wanted
            self._apply_pauses()

    # --- reading ---------------------------------------------------------------------------------

    async def poll(self, timeout_s: float) -> Sequence[Arrival]:
        if not self._starts:
            await asyncio.sleep(timeout_s)
            return ()
        limits = self._limits
        try:
            found = await self._reader().getmany(
                timeout_ms=int(timeout_s * 1000), max_records=limits.poll_records_max
            )
        except OffsetOutOfRangeError as error:
            # Deleted, or cut off, behind our back: where it goes on is decided as at the start.
            parts = [Part(*place) for place in error.args[0]]
            await self._place({part: self._read.get(part) for part in parts})
            self._assign()
            return ()
        except UnicodeDecodeError:
            return await self._read_apart()
        except FAULTS as error:
            raise SourceDown(told(error)) from error
        return self._handed_on([
            arrival
            for place, records in found.items()
            for arrival in await self._arrivals(Part(place.topic, place.partition), records)
        ])  # fmt: skip

    async def ends(self) -> Ends:
        await self._identify(must_be_same=True)
        at_us = self._now_us()
        return Ends(at_us, await self._cluster.offsets(list(self._read), LATEST))

    async def reached(self, part: Part) -> int:
        if part not in self._starts:
            return self._lost[part].offset if part in self._lost else -1
        try:
            # Not what was handed out: behind the last record may be marks of a transaction.
            return await self._reader().position(_place_of(part))
        except FAULTS as error:
            raise SourceDown(told(error)) from error

    async def note(self, cursors: Collection[Cursor]) -> None:
        if cursors:
            offsets = {Part(c.topic, c.partition): c.offset for c in cursors}
            await self._cluster.note(self._options.group, offsets)

    async def _arrivals(self, part: Part, records: Sequence[Any]) -> Sequence[Arrival]:
        facts = self._facts[part.topic]
        if part in self._doubted and records:
            self._doubted.discard(part)
            cursor = self._read[part]
            assert cursor is not None
            if not _is_last(records[0], cursor):
                await self._begin_again(part, "another record stands where the last one was")
                return ()
            records, self._starts[part] = records[1:], cursor.offset
        arrivals = [_arrival(part, facts.id, record) for record in records]
        if arrivals:
            self._starts[part] = arrivals[-1].cursor.offset
        return arrivals

    def _handed_on(self, arrivals: Sequence[Arrival]) -> Sequence[Arrival]:
        """Only now are they read: where one partition fails nothing of the others is handed on."""
        self._read |= {arrival.part: arrival.cursor for arrival in arrivals}
        return arrivals

    async def _read_apart(self) -> Sequence[Arrival]:
        """Each partition by itself: the consumer failed, and does not say at which one.

        What it had fetched of the others is fetched again.
        """
        found: list[Arrival] = []
        for part in [part for part in self._starts if part not in self._paused]:
            begun, is_doubted = self._starts[part], part in self._doubted
            records, following = await read_apart(
                self._cluster, part, begun, self._limits.partition_bytes_max
            )
            found += await self._arrivals(part, records)
            # Unless it turned out to be another log, which is read from its beginning.
            if not is_doubted or self._starts[part] > begun:
                self._starts[part] = max(following, self._starts[part])
        self._assign()
        return self._handed_on(found)

    # --- where reading begins --------------------------------------------------------------------

    async def _place(self, parts: Mapping[Part, Cursor | None]) -> None:
        """Decide from where each of these is read: the next record, the last one again, or none."""
        if not parts:
            return
        first = await self._cluster.offsets(list(parts), EARLIEST)
        ends = await self._cluster.offsets(list(parts), LATEST)
        for part, cursor in parts.items():
            self._doubted.discard(part)
            self._lost.pop(part, None)
            self._starts[part] = first[part]
            if cursor is None:
                self._tell_late(part, first[part])
                continue
            if cursor.topic_id != self._facts[part.topic].id:
                self._told_again(part, "the topic is another one")
            elif cursor.offset > ends[part]:
                self._told_again(part, f"it ends at {ends[part]}, before {cursor.offset}")
            elif first[part] > cursor.offset:
                del self._starts[part]
                self._lost[part] = Lost(part, cursor.topic_id, cursor.offset, first[part])
                _log.error("input_lost", topic=part.topic, partition=part.number,
                           offset=cursor.offset, earliest=first[part])  # fmt: skip
            elif first[part] < cursor.offset:
                self._starts[part] = cursor.offset - 1
                self._doubted.add(part)

    def _tell_late(self, part: Part, earliest: int) -> None:
        """Records went before anybody read here. Told once: whether they mattered nobody knows."""
        if earliest > self._late.get(part, 0):
            self._late[part] = earliest
            _log.warning("input_begins_late", topic=part.topic, partition=part.number,
                         earliest=earliest)  # fmt: skip

    async def _begin_again(self, part: Part, why: str) -> None:
        self._told_again(part, why)
        self._starts[part] = (await self._cluster.offsets([part], EARLIEST))[part]
        self._reader().seek(_place_of(part), self._starts[part])

    def _told_again(self, part: Part, why: str) -> None:
        """Reading from the earliest does no harm: what was accepted before is known again."""
        _log.warning("input_read_again", topic=part.topic, partition=part.number, why=why)

    def _assign(self) -> None:
        """Hand the consumer what is read: an assignment replaces the one before."""
        if self._consumer is None:
            return
        if not self._starts:
            self._consumer.unsubscribe()
            return
        self._consumer.assign([_place_of(part) for part in self._starts])
        for part, offset in self._starts.items():
            self._consumer.seek(_place_of(part), offset)
        self._apply_pauses()

    def _apply_pauses(self) -> None:
        if self._consumer is None or not self._starts:
            return
        held = [_place_of(part) for part in self._paused if part in self._starts]
        free = set(self._consumer.paused()) - set(held)
        self._consumer.pause(*held)
        self._consumer.resume(*free)

    def _forget(self, part: Part) -> None:
        self._read.pop(part, None)
        self._starts.pop(part, None)
        self._lost.pop(part, None)
        self._doubted.discard(part)

    async def _identify(self, *, must_be_same: bool) -> None:
        """Read which topics these are; another one of the same name must be noticed."""
        now_s = asyncio.get_running_loop().time()
        if must_be_same and now_s - self._identified_s < self._limits.identity_every_s:
            return
        names = [self._options.events, self._options.replies]
        found = await self._cluster.topics(names)
        for name in names:
            if name not in found:
                raise SourceDown(f"{name} is missing: run troth-engine migrate")
            if must_be_same and not _is_same(found[name], self._facts[name]):
                raise SourceDown(f"{name} was made anew or has more partitions: beginning again")
        self._facts = found
        self._identified_s = now_s

    def _reader(self) -> Any:
        if self._consumer is None:
            raise SourceDown("not connected")
        return self._consumer


def record_digest(
    key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes | None]], at_ms: int
) -> bytes:
    """What tells a record from another one at the same offset: 32 bytes."""
    parts = [at_ms.to_bytes(8, "big", signed=True)]
    for text in (key, value, *(v for name, x in headers for v in (name.encode(), x))):
        size = -1 if text is None else len(text)
        parts += (size.to_bytes(4, "big", signed=True), text or b"")
    return sha256(b"".join(parts)).digest()


def _arrival(part: Part, topic_id: str, record: Any) -> Arrival:
    digest = record_digest(record.key, record.value, record.headers, record.timestamp)
    cursor = Cursor(part.topic, topic_id, part.number, record.offset + 1, digest)
    is_whole = not any(isinstance(header, Undecoded) for header in record.headers)
    return Arrival(
        part, cursor, record.timestamp * 1000, record.key, record.value,
        record.headers if is_whole else (), None if is_whole else UNDECODED,
    )  # fmt: skip


def _is_last(record: Any, cursor: Cursor) -> bool:
    digest = record_digest(record.key, record.value, record.headers, record.timestamp)
    return record.offset == cursor.offset - 1 and digest == cursor.digest


def _is_same(now: TopicFacts, before: TopicFacts) -> bool:
    return (now.id, len(now.leaders)) == (before.id, len(before.leaders))


def _place_of(part: Part) -> TopicPartition:
    return TopicPartition(part.topic, part.number)


async def _stopped(consumer: Any, timeout_s: float) -> None:
    # Its client too: where ending the rest fails, stop leaves the connections open.
    client = consumer._client
    await quietly(consumer.stop, client.close, timeout_s=timeout_s)
