"""What the engine asks a Kafka cluster beside reading and writing records.

A client of its own: on the connection of a consumer every question would wait behind a fetch.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

from aiokafka import AIOKafkaClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.admin import (
    CreateTopicsRequest,
    DeleteRecordsRequest,
    DescribeConfigsRequest,
)
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.offset import OffsetRequest

from adapters.kafka.closing import quietly
from adapters.kafka.metadata import TopicFacts, TopicsRequest, facts_of
from adapters.kafka.options import KafkaOptions
from adapters.kafka.security import client_arguments
from domain.source import Part, SourceDown

__all__ = ["EARLIEST", "LATEST", "Cluster", "NewTopic"]

EARLIEST, LATEST = -2, -1
READ_COMMITTED = 1
TOPIC_RESOURCE = 2
GROUP_COORDINATOR = 0
NO_REPLICA = -1
CLOSE_TIMEOUT_S = 5.0
FAULTS = (KafkaError, OSError, TimeoutError, AssertionError)
"""What a broker that is gone, or going, makes aiokafka raise; an assertion when none is known."""


class NewTopic(NamedTuple):
    """A topic to make. `replication` -1 is the broker's default."""

    name: str
    partitions: int
    replication: int
    configs: Mapping[str, str]


class Cluster:
    """Questions to a cluster. Every method raises SourceDown where it cannot be reached."""

    def __init__(self, options: KafkaOptions) -> None:
        self._options = options
        self._client: Any = None
        self._leaders: dict[Part, int] = {}
        self._coordinator: int | None = None

    async def open(self) -> None:
        """Connect; nothing happens where it is connected."""
        if self._client is not None:
            return
        client = AIOKafkaClient(**client_arguments(self._options))
        try:
            async with asyncio.timeout(self._options.request_timeout_s):
                await client.bootstrap()
        except BaseException as error:
            await quietly(client.close, timeout_s=CLOSE_TIMEOUT_S)
            if isinstance(error, FAULTS):
                raise SourceDown(told(error)) from error
            raise
        self._client = client

    async def close(self) -> None:
        """Forget the connection; `open` makes another."""
        client, self._client = self._client, None
        self._leaders.clear()
        self._coordinator = None
        if client is not None:
            await quietly(client.close, timeout_s=CLOSE_TIMEOUT_S)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    # --- topics --------------------------------------------------------------------------------

    async def topics(self, names: Sequence[str]) -> dict[str, TopicFacts]:
        """The topics that are there, of these names; none is made by asking."""
        found, faults = facts_of(await self._ask(None, TopicsRequest(names)))
        for name, code in faults.items():
            raise SourceDown(f"topic {name}: {told(for_code(code)())}")
        for facts in found.values():
            for number, leader in enumerate(facts.leaders):
                self._leaders[Part(facts.name, number)] = leader
        return found

    async def create(self, topics: Sequence[NewTopic]) -> dict[str, str]:
        """Make topics; what could not be made comes back with the reason."""
        asked = [(t.name, t.partitions, t.replication, [], list(t.configs.items())) for t in topics]
        timeout_ms = int(self._options.request_timeout_s * 1000)
        request = CreateTopicsRequest(
            asked,  # pyright: ignore[reportArgumentType]  # its annotation says a tuple of one
            timeout_ms,
            False,
        )
        response = await self._ask(None, request)
        refused: dict[str, str] = {}
        for name, code, *message in response.topic_errors:
            if code:
                refused[name] = f"{told(for_code(code)())} {(message or [''])[0] or ''}".strip()
        return refused

    async def configs(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        """The settings of topics, those that the broker gives among them."""
        resources = [(TOPIC_RESOURCE, name, None) for name in names]
        response = await self._ask(None, DescribeConfigsRequest(resources, False))
        found: dict[str, dict[str, str]] = {}
        for code, message, _kind, name, entries in response.resources:
            if code:
                raise SourceDown(f"settings of {name}: {message or told(for_code(code)())}")
            found[name] = {entry[0]: entry[1] for entry in entries}
        return found

    # --- offsets -------------------------------------------------------------------------------

    async def offsets(self, parts: Collection[Part], which: int) -> dict[Part, int]:
        """The first offset there is (EARLIEST), or where read_committed ends now (LATEST)."""
        asked = await self._by_leader(parts)
        found: dict[Part, int] = {}
        for leader, group in asked.items():
            topics = [(topic, [(n, which) for n in numbers]) for topic, numbers in group.items()]
            request = OffsetRequest(NO_REPLICA, READ_COMMITTED, topics)
            response = await self._ask(leader, request)
            for topic, rows in response.topics:
                for number, code, _at_ms, offset in rows:
                    self._check(topic, number, code)
                    found[Part(topic, number)] = offset
        return found

    async def delete_before(self, offsets: Mapping[Part, int]) -> None:
        """Delete records before an offset, as an operator's tool would."""
        for leader, group in (await self._by_leader(offsets)).items():
            topics = [
                (topic, [(n, offsets[Part(topic, n)]) for n in numbers])
                for topic, numbers in group.items()
            ]
            timeout_ms = int(self._options.request_timeout_s * 1000)
            response = await self._ask(leader, DeleteRecordsRequest(topics, timeout_ms))
            for topic, rows, *_ in response.topics:
                for number, _low, code, *_rest in rows:
                    self._check(topic, number, code)

    async def fetch(self, part: Part, offset: int, bytes_max: int) -> tuple[Any, bytes]:
        """What stands there now: which transactions were aborted, and the batches as bytes."""
        (leader,) = await self._by_leader([part])
        topics = [(part.topic, [(part.number, offset, bytes_max)])]
        request = FetchRequest(0, 0, bytes_max, READ_COMMITTED, topics)
        response = await self._ask(leader, request)
        for _, rows in response.topics:
            for number, code, _high, _stable, *more, data in rows:
                self._check(part.topic, number, code)
                aborted = next((found for found in more if isinstance(found, list)), [])
                return aborted, data or b""
        return [], b""

    async def note(self, group: str, offsets: Mapping[Part, int]) -> None:
        """Commit offsets for a group that has no members: for monitoring tools only."""
        if self._coordinator is None:
            found = await self._ask(None, FindCoordinatorRequest(group, GROUP_COORDINATOR))
            if found.error_code:
                raise SourceDown(told(for_code(found.error_code)()))
            self._coordinator = found.coordinator_id
        topics = [
            (topic, [(n, offsets[Part(topic, n)], "") for n in numbers])
            for topic, numbers in _by_topic(offsets).items()
        ]
        request = OffsetCommitRequest(group, -1, "", -1, topics)
        response = await self._ask(self._coordinator, request)
        for topic, rows in response.topics:
            for number, code in rows:
                self._check(topic, number, code)

    async def _by_leader(self, parts: Collection[Part]) -> dict[int, dict[str, list[int]]]:
        if any(self._leaders.get(part, -1) < 0 for part in parts):
            await self.topics(sorted({part.topic for part in parts}))
        groups: dict[int, list[Part]] = defaultdict(list)
        for part in parts:
            leader = self._leaders.get(part, -1)
            if leader < 0:
                raise SourceDown(f"{part.topic}/{part.number} has no leader")
            groups[leader].append(part)
        return {leader: _by_topic(group) for leader, group in groups.items()}

    def _check(self, topic: str, number: int, code: int) -> None:
        if code:
            self._leaders.clear()
            self._coordinator = None
            raise SourceDown(f"{topic}/{number}: {told(for_code(code)())}")

    async def _ask(self, node: int | None, request: Any) -> Any:
        """The answer of a node, or of any one."""
        if self._client is None:
            await self.open()
        client: Any = self._client
        try:
            async with asyncio.timeout(self._options.request_timeout_s):
                to = client.get_random_node() if node is None else node
                return await client.send(to, request)
        except FAULTS as error:
            self._leaders.clear()
            self._coordinator = None
            raise SourceDown(told(error)) from error


def _by_topic(parts: Iterable[Part]) -> dict[str, list[int]]:
    topics: dict[str, list[int]] = defaultdict(list)
    for part in parts:
        topics[part.topic].append(part.number)
    return topics


def told(error: BaseException) -> str:
    """An error in words: some of aiokafka's have none of their own."""
    said = str(error).strip()
    name = type(error).__name__
    return said if name in said else f"{name}: {said}".rstrip(": ")
