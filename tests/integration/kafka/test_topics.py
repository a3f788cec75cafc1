"""Topics on a real broker: made by migrate alone, and compared at every start."""

from __future__ import annotations

import asyncio

import pytest

from adapters.kafka.cluster import Cluster, NewTopic
from adapters.kafka.options import KafkaOptions
from adapters.kafka.topics import check, compared, migrate
from domain.errors import Refusal
from domain.source import SourceDown
from tests.integration.kafka.world import LANES, WAIT_S, options_of


@pytest.fixture
def options(kafka_bootstrap: str, topic_prefix: str) -> KafkaOptions:
    return options_of(kafka_bootstrap, topic_prefix)


async def test_migrate_makes_every_topic_once(options: KafkaOptions) -> None:
    """The first run makes them with what they need, the second finds them as they should be."""
    async with Cluster(options) as cluster:
        told = await migrate(cluster, options, LANES, ["crm"])
        assert [line.removeprefix(options.prefix) for line in told] == [
            "events: 4 partitions", "replies: 4 partitions", "commands.crm: 6 partitions",
            "facts: 6 partitions", "dead-letters: 6 partitions",
        ]  # fmt: skip
        assert await migrate(cluster, options, LANES, ["crm"]) == []
        there = await check(cluster, options, LANES, ["crm"])
        configs = await cluster.configs([options.events, options.facts])
    assert len(there[options.events].leaders) == LANES
    assert len(there[options.events].id) == 32
    assert configs[options.events]["message.timestamp.type"] == "LogAppendTime"
    assert configs[options.facts]["message.timestamp.type"] == "CreateTime"
    assert configs[options.events]["cleanup.policy"] == "delete"


async def test_a_start_without_topics_says_what_to_run(options: KafkaOptions) -> None:
    """Nothing is made by a look: the refusal names the command, and the topic is still missing."""
    async with Cluster(options) as cluster:
        with pytest.raises(Refusal) as refused:
            await check(cluster, options, LANES)
        assert refused.value.alias == "bus.topic_missing"
        assert "troth-engine migrate" in refused.value.detail
        assert await cluster.topics([options.events]) == {}


@pytest.mark.parametrize(
    ("partitions", "configs", "alias", "told"),
    [
        (3, {"message.timestamp.type": "LogAppendTime"}, "bus.partitions", "multiple of 4"),
        (4, {}, "bus.topic_setting", "LogAppendTime"),
        (8, {"message.timestamp.type": "LogAppendTime", "cleanup.policy": "compact"},
         "bus.topic_setting", "compaction"),
        (8, {"message.timestamp.type": "LogAppendTime", "max.message.bytes": "1000"},
         "bus.topic_setting", "max.message.bytes"),
    ],
)  # fmt: skip
async def test_a_topic_that_does_not_fit_is_refused(
    options: KafkaOptions, partitions: int, configs: dict[str, str], alias: str, told: str
) -> None:
    """A wrong number of partitions, or a setting that loses records, stops migrate and start."""
    async with Cluster(options) as cluster:
        await create(cluster, NewTopic(options.events, partitions, 1, configs))
        for call in (migrate, check):
            with pytest.raises(Refusal) as refused:
                await call(cluster, options, LANES)
            assert (refused.value.alias, told in refused.value.detail) == (alias, True)
        found = {one.topic: one.fault for one in await compared(cluster, options, LANES)}
    assert {name for name, fault in found.items() if fault and fault.alias == alias} == {
        options.events
    }
    assert found[options.facts] is not None, "a refused migrate makes nothing"


async def test_a_multiple_of_the_lanes_is_taken(options: KafkaOptions) -> None:
    """Twice the partitions serve the same lanes: partition 5 belongs to lane 1 of 4."""
    wide = options_of(options.bootstrap[0], options.prefix, input_partitions=8)
    async with Cluster(wide) as cluster:
        await migrate(cluster, wide, LANES)
        assert len((await check(cluster, options, LANES))[options.events].leaders) == 8
        with pytest.raises(Refusal, match=r"bus\.partitions"):
            await migrate(cluster, wide, 3)


async def test_a_broker_that_is_not_there_is_told(free_address: str, topic_prefix: str) -> None:
    """Nobody listens: SourceDown with the address, within the time of a request."""
    cluster = Cluster(options_of(free_address, topic_prefix, request_timeout_s=2.0))
    with pytest.raises(SourceDown, match="bootstrap"):
        await cluster.open()


async def create(cluster: Cluster, topic: NewTopic) -> None:
    """Make it by hand, and wait until the broker knows it."""
    assert await cluster.create([topic]) == {}
    async with asyncio.timeout(WAIT_S):
        while not await cluster.topics([topic.name]):
            pass


@pytest.fixture
def free_address() -> str:
    from tools.servers import free_port

    return f"127.0.0.1:{free_port()}"
