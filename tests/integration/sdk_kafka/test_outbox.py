"""The outbox's relay to a real broker: CloudEvents on the topic `events`."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path

from aiokafka import AIOKafkaConsumer

from tests.unit.sdk.outbox_contract import relaying, until
from tests.unit.sdk.world import Order
from troth import outbox
from troth._bus import Bus
from troth._sql import begun, connect, rows

WAIT_S = 30.0


async def test_events_go_to_the_topic_in_structured_mode(topics: Bus, tmp_path: Path) -> None:
    """Keyed by the event's key, in the order of their rows; what no broker takes is set aside."""
    database = f"sqlite:///{tmp_path}/shop.db"
    own = connect(database, "test")
    outbox.create(own, "sqlite")
    with begun(own):
        for n in range(5):
            outbox.publish(own, Order(number="17", amount=n), id=f"e{n}", source="urn:shop")
        outbox.publish(own, "order.placed", {"number": "x" * 2_000_000}, id="large")
    reader = AIOKafkaConsumer(
        topics.topic("events"), bootstrap_servers=topics.servers, auto_offset_reset="earliest"
    )
    await reader.start()
    async with relaying(database, bus=topics, tenant="north"):
        async with asyncio.timeout(WAIT_S):
            records = [await reader.getone() for _ in range(5)]
        await until(lambda: rows(own, "SELECT id FROM troth_outbox", ()) == [("large",)])
    await reader.stop()
    events = [json.loads(record.value or b"") for record in records]
    assert [event["id"] for event in events] == [f"e{n}" for n in range(5)]
    assert {record.key for record in records} == {b"17"}
    assert dict(records[0].headers)["content-type"].startswith(b"application/cloudevents+json")
    assert (events[0]["tenantid"], events[0]["source"]) == ("north", "urn:shop")
    [(id, reason, _)] = outbox.aside(own)
    assert (id, reason[:9]) == ("large", "too large")
    with contextlib.closing(own):
        own.rollback()
