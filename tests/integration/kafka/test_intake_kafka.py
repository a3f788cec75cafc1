"""The intake on a real broker: bad records, and a broker that dies in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import orjson
import pytest
from aiokafka.errors import KafkaError

from adapters.kafka.options import KafkaOptions
from adapters.kafka.source import KafkaSource
from consumers.intake import Intake
from consumers.part_input import IntakeLimits
from consumers.reading import ReadAs, of_event, of_reply
from domain.requests import Publish, RepliesRequest, StartsRequest
from domain.source import Part
from tests.integration.kafka.world import (
    LANES,
    WAIT_S,
    event,
    made,
    now_us,
    options_of,
    producer_of,
    structured,
)
from tests.unit.bus_fakes import MemoryDesk
from tests.waiting import eventually
from tools.servers import Kafka

BINARY = [
    ("ce_specversion", b"1.0"), ("ce_id", b"b1"), ("ce_source", b"urn:shop"),
    ("ce_type", b"order.placed"), ("ce_tenantid", b"north"), ("content-type", b"application/json"),
]  # fmt: skip
QUICK = IntakeLimits(reopen_first_s=0.05, reopen_cap_s=0.5, note_every_s=0.2)
EFFECT = "ab" * 32


class FourLanes(MemoryDesk):
    """All lanes of the test's topics."""

    def __init__(self) -> None:
        super().__init__(*range(LANES))


@asynccontextmanager
async def intake_of(options: KafkaOptions, desk: MemoryDesk) -> AsyncIterator[Intake]:
    who = ReadAs()
    readers = {
        options.events: partial(of_event, who=who), options.replies: partial(of_reply, who=who),
    }  # fmt: skip
    source = KafkaSource(options, LANES, now_us=now_us)
    intake = Intake(source, desk, desk.known, readers, limits=QUICK)
    task = asyncio.create_task(intake.run())
    try:
        yield intake
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def taken(desk: MemoryDesk, count: int) -> None:
    async with asyncio.timeout(WAIT_S):
        while len(desk.taken) < count:
            desk.moved.clear()
            await desk.moved.wait()


@pytest.fixture
async def options(kafka_bootstrap: str, topic_prefix: str) -> KafkaOptions:
    options = options_of(kafka_bootstrap, topic_prefix)
    await made(options)
    return options


async def test_bad_records_are_one_fault_each_and_their_neighbours_pass(
    options: KafkaOptions,
) -> None:
    """No value, wrong headers, 2 MiB, broken JSON, no tenant: dead letters, each with a reason."""
    good, headers = structured("g1")
    records: list[tuple[bytes | None, list[tuple[str, bytes]]]] = [
        (good, headers),
        (None, headers),
        (b"{}", [("ce_id", b"\xff\xfe")]),
        (b"x" * 2 * 1024 * 1024, BINARY),
        (b'{"order": ', BINARY),
        (orjson.dumps(event("g2") | {"tenantid": 7}), headers),
        (orjson.dumps({k: v for k, v in event("g3").items() if k != "tenantid"}), headers),
        (b"[1, 2", headers),
        (b'{"order": "b1"}', BINARY),
        structured("g4"),
    ]
    desk = FourLanes()
    async with producer_of(options) as producer:
        for value, told in records:
            await producer.send_and_wait(options.events, value, b"k", partition=0, headers=told)
    async with intake_of(options, desk):
        await taken(desk, len(records))
    faults = [found.fault and found.fault[0] for found in desk.taken]
    assert faults == [
        None, "event.json", "event.envelope", "event.too_large", "event.json", "event.envelope",
        "event.tenant", "event.json", None, None,
    ]  # fmt: skip
    ids = [f.request.event["id"] for f in desk.taken if isinstance(f.request, Publish)]
    assert ids == ["g1", "b1", "g4"]
    first = desk.taken[0]
    assert (first.asked.tenant, first.asked.actor) == ("north", "urn:shop")
    assert abs(first.accepted_us - now_us()) < 60_000_000
    assert all("events/0 at" in found.fault[1] for found in desk.taken if found.fault)
    assert desk.cursors[Part(options.events, 0)].offset == len(records)


async def test_replies_come_as_workers_send_them(options: KafkaOptions) -> None:
    """One reply, several, words that something started; what has no form is a dead letter."""
    reply = {
        "effect": EFFECT, "attempt": 1, "token": "1.0.7.0", "kind": "do", "outcome": "done",
        "commitment": "5b1c9e07-0000-8000-8000-000000000000", "result": {"id": 1},
    }  # fmt: skip
    started = {"started": {"effect": EFFECT, "token": "1.0.7.0", "attempt": 1}}
    values = [
        {"form": 1, "worker": "w/1", "replies": [started]},
        {"form": 1, "worker": "w/1", "replies": [started, reply]},
        {"worker": "w/1", **reply},
        {"form": 2, "worker": "w/1", "replies": [reply]},
        {"worker": "w/1", "replies": [{**reply, "outcome": "perhaps"}]},
        {"replies": [reply]},
        [],
    ]
    desk = FourLanes()
    async with producer_of(options) as producer:
        for value in values:
            body = orjson.dumps(value)
            await producer.send_and_wait(options.replies, body, partition=1)
    async with intake_of(options, desk):
        await taken(desk, len(values) + 1)
    assert [type(found.request) for found in desk.taken[:4]] == [
        StartsRequest, StartsRequest, RepliesRequest, RepliesRequest,
    ]  # fmt: skip
    assert [f.fault and f.fault[0] for f in desk.taken[4:]] == ["reply.outcome"] * 4
    assert desk.taken[0].asked.actor == "w/1"


async def test_nothing_is_lost_when_the_broker_dies_in_the_middle(
    own_kafka: Kafka, topic_prefix: str
) -> None:
    """Down at the start, then kill -9: all that was acknowledged arrives, in order; it is told."""
    options = options_of(own_kafka.address, topic_prefix, request_timeout_s=5.0)
    await made(options)
    acknowledged = await sent(options, 0, 10)
    await asyncio.to_thread(own_kafka.kill)
    desk = FourLanes()
    async with intake_of(options, desk) as intake:
        await eventually(lambda: "bootstrap" in intake.state().get("reason", ""))
        await asyncio.to_thread(own_kafka.restart)
        acknowledged += await sent(options, 10, 50)
        await taken(desk, 20)
        await asyncio.to_thread(own_kafka.kill)
        await eventually(lambda: not intake.state()["ready"])
        assert intake.state()["reason"]
        await asyncio.to_thread(own_kafka.restart)
        acknowledged += await sent(options, 50, 80)
        async with asyncio.timeout(WAIT_S):
            while not set(acknowledged) <= set(ids_of(desk)) or not intake.state()["ready"]:
                desk.moved.clear()
                await desk.moved.wait()
    assert list(dict.fromkeys(ids_of(desk))) == acknowledged


def ids_of(desk: MemoryDesk) -> list[str]:
    return [f.request.event["id"] for f in desk.taken if isinstance(f.request, Publish)]


async def sent(options: KafkaOptions, first: int, last: int) -> list[str]:
    """Send events one after the other, each until it is acknowledged."""
    done: list[str] = []

    async def are_sent() -> bool:
        try:
            async with producer_of(options, enable_idempotence=True) as producer:
                for number in range(first + len(done), last):
                    value, headers = structured(f"e{number}")
                    await producer.send_and_wait(
                        options.events, value, b"k", partition=0, headers=headers
                    )
                    done.append(f"e{number}")
        except KafkaError:
            return False
        return True

    await eventually(are_sent, look_s=0.1)
    return done
