"""A real broker between a worker and a test that plays the engine's relay."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.unit.sdk.fake_engine import COMMITMENT, FakeEngine
from tests.unit.sdk.parties import R1_CLASSES
from troth import Journal, Worker
from troth._bus import Bus

WAIT_S = 30.0
COMMAND_PARTITIONS = 2
REPLY_PARTITIONS = 4

Serve = Callable[..., contextlib.AbstractAsyncContextManager[Worker]]


@dataclass
class Relay:
    """Sends commands as the engine's relay does, and reads what comes back."""

    bus: Bus
    producer: AIOKafkaProducer
    consumer: AIOKafkaConsumer
    messages: list[Any] = field(default_factory=list)

    async def push(
        self, contract: str, args: dict[str, Any], *, partition: int = 3, at: int = 0, **claim: Any
    ) -> str:
        """A pushed command, in partition `at`, answered to `partition`. Returns the effect."""
        effect = claim.pop("effect", None) or sha256(repr((contract, args)).encode()).hexdigest()
        made = {
            "effect": effect, "attempt": 1, "token": "1.3.10.0", "kind": "do",
            "contract": contract, "args": args,
            "digest": sha256(json.dumps(args).encode()).hexdigest(), "classes": R1_CLASSES,
            "tenant": "north", "commitment": COMMITMENT, "started": True, "lease_s": 30,
            "deadline": None, "undoes": None, "trace": "", "repeated": False, **claim,
        }  # fmt: skip
        reply = {"topic": self.bus.topic("replies"), "partition": partition}
        await self.send(
            contract.partition("/")[0],
            {"form": 1, "push": True, "claim": made, "reply": reply},
            at=at,
        )
        return effect

    async def bell(self, participant: str, effect: str) -> None:
        await self.send(participant, {"form": 1, "push": False, "effect": effect})

    async def send(self, participant: str, message: Any, *, at: int = 0) -> None:
        """A message as JSON; bytes and None go as they are."""
        raw = message if message is None or isinstance(message, bytes) else json.dumps(message)
        value = raw.encode() if isinstance(raw, str) else raw
        topic = self.bus.topic(f"commands.{participant}")
        await self.producer.send_and_wait(topic, value, key=b"k", partition=at)

    async def reply_to(self, effect: str) -> dict[str, Any]:
        """The next reply to this effect that was not seen yet, with partition and key."""
        return await self._next(lambda item: item.get("effect") == effect)

    async def started(self, effect: str) -> dict[str, Any]:
        """The word that this effect started."""
        return await self._next(lambda item: item.get("started", {}).get("effect") == effect)

    async def started_any(self, effects: list[str]) -> dict[str, Any]:
        """The word that one of these started."""
        return await self._next(lambda item: item.get("started", {}).get("effect") in effects)

    async def _next(self, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async with asyncio.timeout(WAIT_S):
            while True:
                for item in self.messages:
                    if fits(item):
                        self.messages.remove(item)
                        return item
                record = await self.consumer.getone()
                assert record.value is not None
                assert record.key is not None
                value = json.loads(record.value)
                assert value["form"] == 1
                for item in value["replies"]:
                    place = {"partition": record.partition, "key": record.key.decode()}
                    self.messages.append({**item, **place, "by": value["worker"]})

    async def committed(self, participant: str) -> dict[int, int]:
        """The committed offset of each partition of a participant's commands."""
        reader = self.bus.consumer(participant)
        topic = self.bus.topic(f"commands.{participant}")
        places = [TopicPartition(topic, n) for n in range(COMMAND_PARTITIONS)]
        reader.assign(places)
        await reader.start()
        try:
            return {one.partition: await reader.committed(one) or 0 for one in places}
        finally:
            await reader.stop()


@pytest.fixture
def bus(kafka_bootstrap: str, topic_prefix: str) -> Bus:
    return Bus.at(f"kafka://{kafka_bootstrap}", topic_prefix=topic_prefix)


@contextlib.asynccontextmanager
async def open_topics(bus: Bus, *, leave: bool = False) -> AsyncIterator[Bus]:
    """The topics that the engine makes; `leave` them when the broker goes anyway."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bus.servers)
    await admin.start()
    sizes = {"replies": REPLY_PARTITIONS, "events": REPLY_PARTITIONS}
    sizes |= {f"commands.{name}": COMMAND_PARTITIONS for name in ("registry", "crm", "bank")}
    names = {bus.topic(name): size for name, size in sizes.items()}
    await admin.create_topics([NewTopic(name, size, 1) for name, size in names.items()])
    yield bus
    if not leave:
        await admin.delete_topics(list(names))
    await admin.close()


@contextlib.asynccontextmanager
async def open_relay(bus: Bus) -> AsyncIterator[Relay]:
    """A relay on topics that are there."""
    producer = AIOKafkaProducer(bootstrap_servers=bus.servers, acks="all")
    consumer = AIOKafkaConsumer(
        bus.topic("replies"), bootstrap_servers=bus.servers, auto_offset_reset="earliest"
    )
    await producer.start()
    await consumer.start()
    yield Relay(bus, producer, consumer)
    await consumer.stop()
    await producer.stop()


@pytest.fixture
async def topics(bus: Bus) -> AsyncIterator[Bus]:
    async with open_topics(bus):
        yield bus


@pytest.fixture
async def relay(topics: Bus) -> AsyncIterator[Relay]:
    async with open_relay(topics) as made:
        yield made


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    """The engine's HTTP side."""
    made = FakeEngine().start()
    yield made
    made.kill()


@pytest.fixture
def serve(engine: FakeEngine, bus: Bus, tmp_path: Path) -> Serve:
    """Run a worker with the bus while the block lasts; then drain it."""
    shared = Journal.at(f"sqlite:///{tmp_path}/journal.db")
    # Commands from before the journal would be answered unknown.
    shared.open()
    shared.close()

    @contextlib.asynccontextmanager
    async def serving(app: Any, **settings: Any) -> AsyncIterator[Worker]:
        settings.setdefault("journal", shared)
        settings = {"drain_timeout_s": 10.0, "claim_wait_s": 0.2, "name": "w1", **settings}
        worker = Worker(app, url=engine.url, api_key="key", bus=bus, **settings)
        task = asyncio.create_task(worker.serve())
        try:
            yield worker
        finally:
            worker.stop()
            await asyncio.wait_for(task, 20.0)

    return serving
