"""The topics: made by `migrate` and by nothing else, compared at every start."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from adapters.kafka.cluster import EARLIEST, Cluster, NewTopic
from adapters.kafka.metadata import TopicFacts
from adapters.kafka.options import KafkaOptions
from domain.errors import Refusal, refusal
from domain.source import Part, SourceDown

__all__ = ["Compared", "check", "compared", "migrate", "planned"]

EXISTS = "TopicAlreadyExists"
SETTLE_PAUSE_S = 0.05
TIME = "message.timestamp.type"
APPEND_TIME = "LogAppendTime"
POLICY, DELETE = "cleanup.policy", "delete"
TOPIC_BYTES = "max.message.bytes"
INPUT_BYTES_MIN = 1_048_576
"""An input that takes less than an event may have would refuse its producers."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What a topic should be and what is wrong with it; `fault` None: nothing."""

    topic: str
    fault: Refusal | None


def planned(options: KafkaOptions, lanes: int, participants: Collection[str]) -> list[NewTopic]:
    """The topics of an engine with so many lanes, serving these participants over Kafka.

    Raises Refusal (bus.partitions) when the setting is no multiple of the lanes.
    """
    inputs = options.input_partitions or lanes
    if inputs % lanes:
        raise refusal(
            "bus.partitions", f"input_partitions is {inputs}, not a multiple of {lanes} lanes"
        )
    incoming = _configs(options, options.input_retention_s) | {TIME: APPEND_TIME}
    commands = _configs(options, options.command_retention_s)
    outgoing = _configs(options, options.output_retention_s)
    made = [(options.events, inputs, incoming), (options.replies, inputs, incoming)]
    made += [
        (options.commands(name), options.command_partitions, commands)
        for name in sorted(participants)
    ]
    made += [
        (name, options.output_partitions, outgoing)
        for name in (options.facts, options.dead_letters)
    ]
    return [NewTopic(name, count, options.replication, configs) for name, count, configs in made]


def _configs(options: KafkaOptions, retention_s: int) -> dict[str, str]:
    retention_ms = -1 if retention_s < 0 else retention_s * 1000
    return {
        POLICY: DELETE,
        "retention.ms": str(retention_ms),
        TOPIC_BYTES: str(options.message_bytes_max),
    }


async def migrate(
    cluster: Cluster, options: KafkaOptions, lanes: int, participants: Collection[str] = ()
) -> list[str]:
    """Make the topics that are missing, and say which. What is there is compared, not changed.

    Raises Refusal (bus.refused, and those of `check`), SourceDown.
    """
    plan = planned(options, lanes, participants)
    there = await cluster.topics([topic.name for topic in plan])
    present = [topic for topic in plan if topic.name in there]
    _raise_first(await _compare(cluster, present, there, lanes, options))
    missing = [topic for topic in plan if topic.name not in there]
    refused = await cluster.create(missing) if missing else {}
    for name, why in refused.items():
        # Another process may have made it meanwhile.
        if EXISTS not in why:
            raise refusal("bus.refused", f"{name}: {why}")
    if missing:
        await _settled(cluster, missing, options.request_timeout_s)
    return [
        f"{topic.name}: {topic.partitions} partitions"
        for topic in missing
        if topic.name not in refused
    ]


async def _settled(cluster: Cluster, made: Sequence[NewTopic], timeout_s: float) -> None:
    """Wait until every partition that was made answers: brokers learn of it one by one."""
    parts = [Part(topic.name, n) for topic in made for n in range(topic.partitions)]
    loop = asyncio.get_running_loop()
    until_s = loop.time() + timeout_s
    while True:
        try:
            await cluster.offsets(parts, EARLIEST)
            return
        except SourceDown:
            if loop.time() > until_s:
                raise
        await asyncio.sleep(SETTLE_PAUSE_S)


async def check(
    cluster: Cluster, options: KafkaOptions, lanes: int, participants: Collection[str] = ()
) -> dict[str, TopicFacts]:
    """The topics as they are, when they are what the engine needs.

    Raises Refusal (bus.topic_missing, bus.partitions, bus.topic_setting), SourceDown.
    """
    plan = planned(options, lanes, participants)
    there = await cluster.topics([topic.name for topic in plan])
    _raise_first(await _compare(cluster, plan, there, lanes, options))
    return there


async def compared(
    cluster: Cluster, options: KafkaOptions, lanes: int, participants: Collection[str] = ()
) -> list[Compared]:
    """Every topic with what is wrong with it, for `doctor`. Raises SourceDown."""
    plan = planned(options, lanes, participants)
    there = await cluster.topics([topic.name for topic in plan])
    return await _compare(cluster, plan, there, lanes, options)


def _raise_first(found: Sequence[Compared]) -> None:
    faults = [one.fault for one in found if one.fault is not None]
    if not faults:
        return
    others = "" if len(faults) == 1 else f" (and {len(faults) - 1} more)"
    raise refusal(faults[0].alias, f"{faults[0].detail}{others}")


async def _compare(
    cluster: Cluster,
    plan: Sequence[NewTopic],
    there: Mapping[str, TopicFacts],
    lanes: int,
    options: KafkaOptions,
) -> list[Compared]:
    names = [topic.name for topic in plan if topic.name in there]
    configs = await cluster.configs(names) if names else {}
    inputs = (options.events, options.replies)
    found: list[Compared] = []
    for topic in plan:
        facts = there.get(topic.name)
        if facts is None:
            fault = refusal("bus.topic_missing", f"{topic.name}: run troth-engine migrate")
        else:
            kind = lanes if topic.name in inputs else None
            fault = next(_faults(facts, configs[topic.name], kind), None)
        found.append(Compared(topic.name, fault))
    return found


def _faults(facts: TopicFacts, configs: Mapping[str, str], lanes: int | None) -> Iterator[Refusal]:
    """What is wrong with a topic; `lanes` for an input, None for what the engine writes."""
    name = facts.name
    if lanes is not None and len(facts.leaders) % lanes:
        yield refusal(
            "bus.partitions",
            f"{name} has {len(facts.leaders)} partitions: a multiple of {lanes} (the lanes) is"
            " needed. Make a new topic, or add partitions with kafka-topics --alter",
        )
    if configs.get(POLICY) != DELETE and lanes is not None:
        yield refusal(
            "bus.topic_setting",
            f"{name} has {POLICY}={configs.get(POLICY)}: compaction drops records; set {DELETE}",
        )
    if lanes is None:
        return
    if configs.get(TIME) != APPEND_TIME:
        yield refusal(
            "bus.topic_setting",
            f"{name} has {TIME}={configs.get(TIME)}: deadlines need {APPEND_TIME}",
        )
    if int(configs.get(TOPIC_BYTES, INPUT_BYTES_MIN)) < INPUT_BYTES_MIN:
        yield refusal(
            "bus.topic_setting",
            f"{name} has {TOPIC_BYTES}={configs.get(TOPIC_BYTES)}: events have up to"
            f" {INPUT_BYTES_MIN} bytes",
        )
