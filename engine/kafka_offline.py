"""Kafka as doctor and an operator see it, without an engine: topics, lag, and what was lost."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from adapters.kafka.cluster import EARLIEST, LATEST, Cluster
from adapters.kafka.options import KafkaOptions
from adapters.kafka.topics import compared
from adapters.postgres.losses import NOT_READ, LossLedger
from adapters.postgres.offline import PostgresOffline
from adapters.sql.offline import Check
from domain.errors import refusal
from domain.ports import Cursor
from domain.source import Part, SourceDown
from engine.kafka_bus import kafka_options
from engine.settings import Settings

__all__ = ["accept_loss", "bus_checks"]

INPUT_LAG_MAX = 10_000
RELAY_LAG_MAX = 50_000
"""Records and events; more that wait are a finding. A burst is no reason to wake anybody."""
SHOWN_MAX = 5

_REACH = "check bus_url, and that the brokers run"
_TOPICS = "see docs/kafka.md, Topics"
_LOST = "docs/kafka.md, Input lost:  troth-engine kafka accept-loss TOPIC/PARTITION --reason .."
_READS = "is an engine running?  troth-engine work; more processes where it is busy"
_RELAYS = "is an engine running, and do the brokers acknowledge?  /readyz of work says why not"

Cursors = Mapping[tuple[str, int], tuple[str, int]]


def bus_checks(settings: Settings, store: PostgresOffline) -> list[Check]:
    """Topics, records that wait, and events that are not yet published."""
    return asyncio.run(_looked(settings, store))


async def _looked(settings: Settings, store: PostgresOffline) -> list[Check]:
    options = kafka_options(settings)
    relayed = _relay_check(store.relay_lag())
    lanes = len(store.lanes())
    try:
        async with Cluster(options) as cluster:
            rows = await compared(cluster, options, lanes, settings.kafka_participants)
            faults = [
                f"{r.fault.code.number} {r.fault.detail}" for r in rows if r.fault is not None
            ]
            told = [row.topic for row in rows if row.fault is None]
            topics = Check("Kafka's topics are as they must be", faults, _TOPICS, told)
            return [topics, *await _input_checks(cluster, options, store.cursors()), relayed]
    except SourceDown as down:
        return [Check("Kafka can be reached", [str(down)], _REACH), relayed]


async def _input_checks(cluster: Cluster, options: KafkaOptions, cursors: Cursors) -> list[Check]:
    facts = await cluster.topics([options.events, options.replies])
    parts = [Part(name, n) for name, one in facts.items() for n in range(len(one.leaders))]
    first = await cluster.offsets(parts, EARLIEST)
    ends = await cluster.offsets(parts, LATEST)
    lost: list[str] = []
    late: list[str] = []
    lags: dict[Part, int] = {}
    for part in parts:
        if first[part] > 0 and (part.topic, part.number) not in cursors:
            gone = f"records 0 to {first[part] - 1} were deleted"
            late.append(f"{part.topic}/{part.number}: {gone} before its first read")
        id_, offset = cursors.get((part.topic, part.number), (facts[part.topic].id, first[part]))
        # Another topic by this name, or one that ends earlier, is read from its beginning.
        is_other = id_ != facts[part.topic].id or offset > ends[part]
        if not is_other and offset < first[part]:
            gone = f"records {offset} to {first[part] - 1} were deleted"
            lost.append(f"{part.topic}/{part.number}: {gone} before they were read")
        lags[part] = ends[part] - (first[part] if is_other else max(offset, first[part]))
    waiting = {f"{part.topic}/{part.number}": lag for part, lag in lags.items() if lag > 0}
    total = sum(waiting.values())
    told = f"{total} records wait{_most(waiting)}"
    return [
        Check("no record was deleted unread", lost, _LOST, late),
        Check("records are read", [told] if total > INPUT_LAG_MAX else [], _READS, [told]),
    ]


def _relay_check(lags: Mapping[int, int]) -> Check:
    waiting = {f"lane {lane}": lag for lane, lag in lags.items() if lag > 0}
    total = sum(waiting.values())
    told = f"{total} events wait to be published{_most(waiting)}"
    return Check("events are published", [told] if total > RELAY_LAG_MAX else [], _RELAYS, [told])


def _most(waiting: Mapping[str, int]) -> str:
    """Where the most wait."""
    found = sorted(waiting.items(), key=lambda one: -one[1])[:SHOWN_MAX]
    return "" if not found else ": " + ", ".join(f"{name} {lag}" for name, lag in found)


def accept_loss(settings: Settings, part: Part, who: str, reason: str) -> str:
    """Read a partition on at the earliest record that is left; a line for people.

    Raises Refusal (http.not_found where nothing is lost, bus.down) and StoreFailed.
    """
    options = kafka_options(settings)
    if part.topic not in (options.events, options.replies):
        told = f"{part.topic} is no input: {options.events} and {options.replies} are"
        raise refusal("http.not_found", told)
    try:
        left = asyncio.run(_earliest(options, part))
    except SourceDown as down:
        raise refusal("bus.down", str(down)) from down
    lost = LossLedger(settings.store_url).accept(left, who, reason)
    if lost is None:
        told = f"{part.topic}/{part.number}: nothing before {left.offset} is missing"
        raise refusal("http.not_found", told)
    gone = f"{lost} to {left.offset - 1} are lost"
    return f"{part.topic}/{part.number}: read on at {left.offset}; {gone}"


async def _earliest(options: KafkaOptions, part: Part) -> Cursor:
    async with Cluster(options) as cluster:
        facts = (await cluster.topics([part.topic])).get(part.topic)
        if facts is None or part.number >= len(facts.leaders):
            raise refusal("http.not_found", f"there is no {part.topic}/{part.number}")
        found = await cluster.offsets([part], EARLIEST)
        return Cursor(part.topic, facts.id, part.number, found[part], NOT_READ)
