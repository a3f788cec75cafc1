"""Where reading begins, on a real broker: from the cursor of the database and nothing else."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from structlog.testing import capture_logs

from adapters.kafka.cluster import Cluster
from adapters.kafka.options import KafkaOptions
from adapters.kafka.source import KafkaSource, SourceLimits
from domain.ports import Cursor
from domain.source import SourceDown
from tests.integration.kafka.world import (
    LANES,
    WAIT_S,
    Unnamed,
    cursor_at,
    made,
    now_us,
    options_of,
    part,
    producer_of,
    put,
    put_raw,
    source_of,
    taken,
    values_of,
)
from tests.waiting import eventually

LETTERS = [b"a", b"b", b"c", b"d", b"e"]


@pytest.fixture
async def options(kafka_bootstrap: str, topic_prefix: str) -> KafkaOptions:
    options = options_of(kafka_bootstrap, topic_prefix)
    await made(options)
    return options


async def read_all(options: KafkaOptions) -> list[Cursor]:
    """The cursors of LETTERS after they were put and read once."""
    await put(options, options.events, LETTERS)
    async with source_of(options) as source:
        await source.own({part(options): None})
        return [arrival.cursor for arrival in await taken(source, len(LETTERS))]


async def test_partitions_belong_to_lanes_by_number(options: KafkaOptions) -> None:
    async with source_of(options) as source:
        parts = source.parts_of([1, 3])
        assert {(p.topic, p.number) for p in parts} == {
            (topic, lane) for topic in (options.events, options.replies) for lane in (1, 3)
        }
        assert len(source.parts_of(range(LANES))) == 2 * LANES


async def test_reading_goes_on_at_the_cursor(options: KafkaOptions) -> None:
    """The record behind the cursor comes next, with the broker's time."""
    cursors = await read_all(options)
    before_us = now_us()
    async with source_of(options) as source:
        await source.own({part(options): cursors[2]})
        found = await taken(source, 2)
    assert values_of(found) == [b"d", b"e"]
    assert abs(found[0].at_us - before_us) < 60_000_000


async def test_another_digest_means_reading_from_the_earliest(options: KafkaOptions) -> None:
    """The last record read is another one than the database knows: nothing can be trusted."""
    cursors = await read_all(options)
    async with source_of(options) as source:
        await source.own({part(options): replace(cursors[2], digest=bytes(32))})
        assert values_of(await taken(source, 5)) == LETTERS


async def test_another_topic_of_that_name_is_read_from_the_earliest(options: KafkaOptions) -> None:
    cursors = await read_all(options)
    async with source_of(options) as source:
        await source.own({part(options): replace(cursors[2], topic_id="0" * 32)})
        assert values_of(await taken(source, 5)) == LETTERS


async def test_a_log_that_ends_before_the_cursor_is_read_from_the_earliest(
    options: KafkaOptions,
) -> None:
    """A broker was restored from a backup: what was accepted is known again by its receipts."""
    cursors = await read_all(options)
    async with source_of(options) as source:
        await source.own({part(options): replace(cursors[4], offset=17)})
        assert values_of(await taken(source, 5)) == LETTERS


async def test_records_gone_before_they_were_read_stop_the_input(options: KafkaOptions) -> None:
    """The partition stands still and says so; others go on; an operator lets it go on."""
    cursors = await read_all(options)
    await put(options, options.events, [b"other"], partition=1)
    async with Cluster(options) as cluster:
        await cluster.delete_before({part(options): 4})
    async with source_of(options) as source:
        await source.own({part(options): cursors[1], part(options, 1): None})
        assert values_of(await taken(source, 1)) == [b"other"]
        lost = source.lost[part(options)]
        assert (lost.offset, lost.earliest) == (2, 4)
        assert await source.reached(part(options)) == 2
        await source.own({part(options, 1): None})
        await source.own({part(options): replace(cursors[1], offset=4), part(options, 1): None})
        assert values_of(await taken(source, 1)) == [b"e"]
        assert not source.lost


async def test_records_gone_before_the_first_read_of_all_are_told(options: KafkaOptions) -> None:
    """Nobody can say whether they mattered: reading begins behind them, and says so once."""
    await put(options, options.events, LETTERS)
    async with Cluster(options) as cluster:
        await cluster.delete_before({part(options): 3})
    with capture_logs() as logs:
        async with source_of(options) as source:
            await source.own({part(options): None, part(options, 1): None})
            assert values_of(await taken(source, 2)) == [b"d", b"e"]
            await source.own({part(options, 1): None})
            await source.own({part(options): None, part(options, 1): None})
        assert not source.lost
    told = [log for log in logs if log["event"] == "input_begins_late"]
    place = {"topic": options.events, "partition": part(options).number}
    assert [place | {"earliest": 3}] == [
        {name: log[name] for name in (*place, "earliest")} for log in told
    ]


async def test_what_was_read_may_be_deleted(options: KafkaOptions) -> None:
    """Deleted up to the cursor: the last record cannot be compared, but nothing is lost."""
    cursors = await read_all(options)
    async with Cluster(options) as cluster:
        await cluster.delete_before({part(options): 3})
    async with source_of(options) as source:
        await source.own({part(options): cursors[2]})
        assert values_of(await taken(source, 2)) == [b"d", b"e"]


async def test_records_deleted_while_it_is_paused_are_missed_visibly(options: KafkaOptions) -> None:
    await put(options, options.events, [b"a"])
    async with source_of(options) as source, Cluster(options) as cluster:
        await source.own({part(options): None})
        await taken(source, 1)
        source.pause([part(options)])
        await source.poll(0.6)
        await put(options, options.events, [b"b", b"c"])
        await cluster.delete_before({part(options): 2})
        source.pause([])
        async with asyncio.timeout(WAIT_S):
            while not source.lost:
                assert values_of(await source.poll(0.2)) == []
    assert source.lost[part(options)].offset == 1


async def test_a_paused_partition_brings_nothing_and_others_go_on(options: KafkaOptions) -> None:
    async with source_of(options) as source:
        await source.own({part(options): None, part(options, 1): None})
        source.pause([part(options)])
        await put(options, options.events, [b"held"])
        await put(options, options.events, [b"free"], partition=1)
        assert values_of(await taken(source, 1)) == [b"free"]
        assert not await source.poll(0.5)
        source.pause([])
        assert values_of(await taken(source, 1)) == [b"held"]


async def test_lanes_come_and_go_without_a_repeat(options: KafkaOptions) -> None:
    """A partition that stays goes on where it is, also when others come and go."""
    await put(options, options.events, [b"a", b"b"])
    async with source_of(options) as source:
        await source.own({part(options): None})
        first = await taken(source, 2)
        await source.own({part(options): None, part(options, 1): None})
        await put(options, options.events, [b"c"])
        await put(options, options.events, [b"x"], partition=1)
        assert sorted(values_of(await taken(source, 2)), key=str) == [b"c", b"x"]
        await source.own({part(options, 1): None})
        await put(options, options.events, [b"d"])
        await put(options, options.events, [b"y"], partition=1)
        assert values_of(await taken(source, 1)) == [b"y"]
        await source.own({part(options): cursor_at(first, b"b"), part(options, 1): None})
        assert values_of(await taken(source, 2)) == [b"c", b"d"]


async def test_only_committed_transactions_are_read(options: KafkaOptions) -> None:
    """An aborted one never comes; behind the marks of a transaction the end is still reached."""
    async with producer_of(options, transactional_id=f"{options.prefix}t") as producer:
        for value, keeps in ((b"no", False), (b"yes", True)):
            await producer.begin_transaction()
            await producer.send_and_wait(options.events, value, partition=0)
            await (producer.commit_transaction() if keeps else producer.abort_transaction())
    async with source_of(options) as source:
        await source.own({part(options): None})
        (found,) = await taken(source, 1)
        ends = await source.ends()
        async with asyncio.timeout(WAIT_S):
            while await source.reached(part(options)) < ends.offsets[part(options)]:
                await source.poll(0.1)
    assert found.value == b"yes"
    assert ends.offsets[part(options)] > found.cursor.offset


async def test_a_topic_made_anew_is_noticed(options: KafkaOptions) -> None:
    """It is read from its beginning, whatever the cursor of the old one says."""
    cursors = await read_all(options)
    async with source_of(options, SourceLimits(identity_every_s=0)) as source:
        await source.own({part(options): cursors[4]})
        await source.ends()
        await remade(options)
        with pytest.raises(SourceDown):
            await ends_for_ever(source)
        await source.close()
        await put(options, options.events, [b"new"])
        await source.open()
        assert values_of(await taken(source, 1)) == [b"new"]


async def ends_for_ever(source: KafkaSource) -> None:
    async with asyncio.timeout(WAIT_S):
        while True:
            await source.ends()


async def remade(options: KafkaOptions) -> None:
    from aiokafka.admin import AIOKafkaAdminClient

    admin = AIOKafkaAdminClient(bootstrap_servers=list(options.bootstrap))
    await admin.start()
    try:
        await admin.delete_topics([options.events])
    finally:
        await admin.close()
    async with Cluster(options) as cluster, asyncio.timeout(WAIT_S):
        while await cluster.topics([options.events]):
            pass
    await made(options)


async def test_monitoring_tools_see_how_far_it_was_read(options: KafkaOptions) -> None:
    """The offsets of a group without members follow."""
    cursors = await read_all(options)
    async with source_of(options) as source:

        async def is_noted() -> bool:
            try:
                await source.note(cursors[:3])
            except SourceDown:
                # The broker makes its own topic for groups at the first question.
                return False
            return True

        await eventually(is_noted)
    consumer = AIOKafkaConsumer(bootstrap_servers=options.bootstrap[0], group_id=options.group)
    await consumer.start()
    try:
        assert await consumer.committed(TopicPartition(options.events, 0)) in (1, 2, 3)
    finally:
        await consumer.stop()


@pytest.mark.parametrize("codec", ["gzip", "lz4", "snappy", "zstd"])
async def test_every_codec_of_a_producer_is_read(options: KafkaOptions, codec: str) -> None:
    await put(options, options.events, [b"x" * 2_000], compression_type=codec)
    async with source_of(options) as source:
        await source.own({part(options): None})
        assert values_of(await taken(source, 1)) == [b"x" * 2_000]


@pytest.mark.parametrize("size", [1, 5], ids=["batches of one", "one batch"])
async def test_a_header_name_that_is_no_utf8_holds_up_nobody(
    options: KafkaOptions, size: int
) -> None:
    """Its record comes without headers and with a fault; what stands around it comes as it is."""
    bad = [(Unnamed("x"), b"1"), ("content-type", b"application/json")]
    records = [(letter, bad if letter in {b"b", b"d"} else []) for letter in LETTERS]
    batches = [records[n : n + size] for n in range(0, len(records), size)]
    await put_raw(options, options.events, *batches)
    await put(options, options.events, [b"z"], 1)
    async with source_of(options) as source:
        await source.own({part(options): None, part(options, 1): None})
        found = await taken(source, len(LETTERS) + 1)
    first = [arrival for arrival in found if arrival.part.number == 0]
    assert values_of(first) == LETTERS
    assert [arrival.value for arrival in first if arrival.fault] == [b"b", b"d"]
    assert [arrival.cursor.offset for arrival in first] == [1, 2, 3, 4, 5]
    async with source_of(options) as source:
        # Known again by its digest, though the consumer cannot read it.
        await source.own({part(options): cursor_at(first, b"b")})
        assert values_of(await taken(source, 3)) == [b"c", b"d", b"e"]
