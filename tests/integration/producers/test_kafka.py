"""Each official SDK sends to a real broker, in both modes, and all give the same event."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from consumers.envelope import checked, time_us
from consumers.records import Readable, Record, read
from tests.integration.producers.building import BUILD_TIMEOUT_S, LANGUAGES, ROOT, Command, send
from tests.unit.test_facts import facts_of, history, record_of

pytestmark = pytest.mark.timeout(BUILD_TIMEOUT_S + 60)

BYTES_MAX = 1_048_576
BOUND_S = 30
PARTITIONS = 4
TIME = "2026-11-30T09:40:12.114Z"
DATA: Any = {"company": "Zoë & Co", "risk": 0.5, "tags": ["a", None, True]}
EVENT: Any = {
    "specversion": "1.0",
    "id": "100% Zoë",
    "source": "urn:example:crm",
    "type": "partner.applied",
    "time": time_us(TIME),
    "data": DATA,
}
SENT = '{"company": "Zoë & Co", "risk": 0.5, "tags": ["a", null, true]}'


@pytest.fixture
async def topic(kafka_bootstrap: str, topic_prefix: str) -> AsyncIterator[str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    name = f"{topic_prefix}events"
    try:
        await admin.create_topics([NewTopic(name, PARTITIONS, 1)])
        await led(kafka_bootstrap, name)
        yield name
        await admin.delete_topics([name])
    finally:
        await admin.close()


def places(topic: str) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for number in range(PARTITIONS)]


async def led(bootstrap: str, topic: str) -> None:
    """Wait until the broker leads every partition: it answers before it takes records."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        async with asyncio.timeout(BOUND_S):
            await consumer.end_offsets(places(topic))
    finally:
        await consumer.stop()


async def received(bootstrap: str, topic: str, count: int) -> list[Any]:
    """The records of all partitions, as the broker has them, in the order they came."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign(places(topic))
        await consumer.seek_to_beginning()
        async with asyncio.timeout(BOUND_S):
            found = [await consumer.getone() for _ in range(count)]
    finally:
        await consumer.stop()
    return sorted(found, key=lambda record: record.timestamp)


def told(language: str, mode: str) -> tuple[str, set[str]]:
    """What docs/producers.md says: the content type, and the names of the headers beside it."""
    page = (ROOT / "docs/producers.md").read_text("utf-8")
    pattern = rf"^\| {language.title()} \| Kafka \| {mode} \| (.*?) \| (.*?) \|"
    row = re.search(pattern, page, re.MULTILINE)
    assert row is not None, (language, mode)
    return row[1].strip("`"), set(re.findall(r"ce_\w+", row[2]))


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_records_of_each_sdk_are_one_event(
    kafka_bootstrap: str, topic: str, producer: Callable[[str], Command], language: str
) -> None:
    """The same event from four languages and two modes; the record's key is the partition key."""
    command = await asyncio.to_thread(producer, language)
    for mode in ("binary", "structured"):
        await asyncio.to_thread(
            send, command, f"kafka://{kafka_bootstrap}/{topic}", mode, type="partner.applied",
            source="urn:example:crm", id="100% Zoë", key="acme", data=SENT, time=TIME,
        )  # fmt: skip
    records = await received(kafka_bootstrap, topic, 2)
    assert [record.key for record in records] == [b"acme"] * 2
    assert len({record.partition for record in records}) == 1
    for mode, record in zip(("binary", "structured"), records, strict=True):
        headers = dict(record.headers)
        kind = headers.pop("content-type").decode()
        assert (kind, set(headers)) == told(language, mode)
        found = read(Record(record.headers, record.key, record.value), bytes_max=BYTES_MAX)
        assert isinstance(found, Readable), found
        event = checked(found.event)
        assert {**event, "time": time_us(event["time"])} == EVENT


async def test_another_program_follows_a_commitment_from_facts_alone(
    kafka_bootstrap: str, topic: str
) -> None:
    """Over the broker, read by the SDK: it ends when the commitment has ended."""
    recorded = history(ROOT / "tests/replay/histories/fulfilled.json")
    producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, acks="all")
    await producer.start()
    try:
        for _, fact in facts_of(recorded):
            key, headers, value = record_of(fact)
            await producer.send_and_wait(topic, value, key=key, headers=headers)
    finally:
        await producer.stop()
    program = ROOT / "examples/producers/python/follow.py"
    follower = await asyncio.create_subprocess_exec(
        sys.executable, str(program), f"kafka://{kafka_bootstrap}/{topic}", recorded["stream"],
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        said, _ = await asyncio.wait_for(follower.communicate(), BOUND_S)
    finally:
        if follower.returncode is None:
            follower.kill()
            await follower.wait()
    lines = said.decode().splitlines()
    assert len(lines) == len(facts_of(recorded))
    assert lines[-1].split() == [
        "2023-11-15", "01:13:20+00:00", "troth.commitment.ended", "fulfilled",
    ]  # fmt: skip
