"""What the source of a log outside does between two answers of a cluster, here one in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.kafka import source as kafka_source
from adapters.kafka.options import KafkaOptions
from adapters.kafka.source import KafkaSource
from domain.source import Part, SourceDown
from tests.simulation.broker import Broker, Client, Consumer

LANES = 2
CALM = SimpleNamespace(hits=lambda _: False, between=lambda low, _: low, is_calm=True)
CLOCK = SimpleNamespace(now_us=lambda: 0, time=lambda: 0.0)
OPTIONS = KafkaOptions(("broker",), prefix="")
FIRST, OTHER = (Part(OPTIONS.events, number) for number in range(LANES))


class Shaky(Client):
    """Fails to say where logs begin while `is_down`."""

    is_down = False

    async def offsets(self, parts: Collection[Part], which: int) -> dict[Part, int]:
        if Shaky.is_down:
            raise SourceDown("the broker is away")
        return await super().offsets(parts, which)


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    calm: Any = CALM
    clock: Any = CLOCK
    made = Broker(clock, calm)
    for topic in (OPTIONS.events, OPTIONS.replies):
        made.make(topic, LANES)
    monkeypatch.setattr(kafka_source, "Cluster", lambda _: Shaky(made))
    monkeypatch.setattr(kafka_source, "AIOKafkaConsumer", partial(Consumer, made))
    return made


async def read(source: KafkaSource) -> Mapping[Part, list[bytes | None]]:
    found: dict[Part, list[bytes | None]] = {}
    for arrival in await source.poll(0):
        found.setdefault(arrival.part, []).append(arrival.value)
    return found


async def test_what_came_with_records_that_could_not_be_placed_is_read_again(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One log is another one, and nobody says where it begins: the others have lost nothing."""
    for value in (b"a", b"b", b"c"):
        for part in (FIRST, OTHER):
            broker.append(part, None, value)
    source = KafkaSource(OPTIONS, LANES, now_us=lambda: 0)
    await source.open()
    await source.own({FIRST: None, OTHER: None})
    cursors = {arrival.part: arrival.cursor for arrival in await source.poll(0)}
    known = {part: replace(cursor, offset=1) for part, cursor in cursors.items()}
    await source.own({})
    first = kafka_source.record_digest(None, b"a", (), 0)
    known = {FIRST: replace(known[FIRST], digest=first), OTHER: known[OTHER]}
    await source.own(known)
    monkeypatch.setattr(Shaky, "is_down", True)
    with pytest.raises(SourceDown):
        await source.poll(0)
    monkeypatch.setattr(Shaky, "is_down", False)
    await source.close()
    await source.open()
    assert await read(source) == {FIRST: [b"b", b"c"]}
    assert await read(source) == {OTHER: [b"a", b"b", b"c"]}
