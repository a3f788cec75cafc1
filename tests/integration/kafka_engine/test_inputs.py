"""Inputs that are wrong, gone or made anew: a visible state or one dead letter, nothing lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import DeleteGroupsRequest

from adapters.kafka.cluster import Cluster
from adapters.kafka.topics import migrate
from domain.errors import code_of
from domain.source import Part
from tests.integration.kafka.world import Unnamed, put, put_raw
from tests.integration.kafka_engine.world import (
    LANES,
    SOURCE,
    STRUCTURED,
    Json,
    Market,
    counted,
    event,
    made_topics,
    reason,
    until_all,
)
from tests.integration.processes.world import Child, Speaker, until

TWO_MIB = 2 * 1024 * 1024
LOST = "bus.input_lost"
Open = tuple[Market, Child]


def raw(value: Json) -> bytes:
    return orjson.dumps(value)


BAD: dict[str, tuple[bytes | None, Sequence[tuple[str, bytes | None]], str]] = {
    "null value": (None, STRUCTURED, "TR301"),
    "no event at all": (b"hello", [], "TR302"),
    "a header without a value": (b"{}", [("ce_id", None), ("ce_type", b"x")], "TR302"),
    "another content type": (
        b"\x00\x01",
        [("ce_specversion", b"1.0"), ("ce_id", b"avro"), ("ce_source", b"urn:shop"),
         ("ce_type", b"order.placed"), ("content-type", b"application/avro")], "TR310",
    ),
    "2 MiB": (
        raw(event("placed", "big", data={"number": "x" * TWO_MIB})), STRUCTURED, "TR306",
    ),
    "a broken schema": (
        raw(event("placed", "odd", id="odd", data={"number": 7})), STRUCTURED, "TR312",
    ),
    "an unknown type": (raw(event("shipped", "n", id="shipped")), STRUCTURED, "TR307"),
}  # fmt: skip


def letters(speaker: Speaker) -> list[Json]:
    return speaker.call("operator", "GET", "/v1/dead-letters?limit=100").json()["items"]


def gauge(engine: Child, name: str) -> float:
    """The sum of a gauge over its labels."""
    with Speaker(engine.url, {}) as speaker:
        text = speaker.http.get("/metrics").text
    rows = [line for line in text.splitlines() if line.startswith(f"troth_{name}{{")]
    return sum(float(row.rpartition(" ")[2]) for row in rows)


def test_bad_records_are_a_dead_letter_each_and_their_neighbours_go_on(
    open_market: Open,
) -> None:
    """All in one partition, with a good one behind each, and one whose header has no name."""
    market, engine = open_market
    topic = market.options.dead_letters
    records: list[Json] = []
    for number, (value, headers, _) in enumerate(BAD.values()):
        records.append((value, headers))
        records.append((raw(event("placed", f"good{number}")), STRUCTURED))
    market.produce(records, partition=2)
    unnamed = [(raw(event("placed", "unnamed")), [(Unnamed("x"), b"1"), *STRUCTURED])]
    last = [(raw(event("placed", "last")), STRUCTURED)]
    asyncio.run(put_raw(market.options, market.options.events, [*unnamed, *last], partition=2))
    with market.speaker(engine) as speaker:
        until_all(speaker, "open", len(BAD) + 1)
        assert counted(speaker, "open") == len(BAD) + 1
    wanted = sorted([code for *_, code in BAD.values()] + ["TR302"])
    told = market.read(topic, lambda found: len(found) >= len(wanted))
    assert sorted(code_of(letter["data"]["code"]).number for letter in told) == wanted
    undecoded = [x for x in told if "not UTF-8" in str(x["data"])]
    place = f"{market.options.events}/2 at {2 * len(BAD)}"
    assert len(undecoded) == 1
    assert place in undecoded[0]["data"]["detail"]
    assert reason(engine) == ""


def test_a_topic_that_was_made_anew_is_read_from_its_beginning(open_market: Open) -> None:
    """What comes again is known; what is new is taken. Until it is there readiness says so."""
    market, engine = open_market
    numbers = [f"old{n}" for n in range(5)]
    with market.speaker(engine) as speaker:
        before = counted(speaker, "open")
        market.order(*numbers)
        until_all(speaker, "open", before + 5)

        async def drop() -> None:
            admin = AIOKafkaAdminClient(bootstrap_servers=market.options.bootstrap[0])
            await admin.start()
            await admin.delete_topics([market.options.events])
            await admin.close()

        asyncio.run(drop())
        until(lambda: "run troth-engine migrate" in reason(engine), what="it says what is missing")
        asyncio.run(made_topics(market))
        market.order(*numbers, "new")
        until_all(speaker, "open", before + 6)
        assert counted(speaker, "open") == before + 6
        until(lambda: not reason(engine))
    assert engine.logged("input_read_again")


def test_lost_input_is_seen_until_an_operator_accepts_it(open_market: Open) -> None:
    """Readiness, metrics and doctor name it; the partition stands; afterwards it goes on."""
    market, engine = open_market
    here, part = market.here, Part(market.options.events, 1)
    with market.speaker(engine) as speaker:
        before = counted(speaker, "open")
        market.produce([event("placed", "seen")], partition=1)
        until_all(speaker, "open", before + 1)
        assert engine.end() == 0
        market.produce([event("placed", f"gone{n}") for n in range(3)], partition=1)
        market.produce([event("placed", "left")], partition=1)
    asyncio.run(_delete(market, part, 4))
    never = Part(market.options.replies, 1)
    asyncio.run(put(market.options, never.topic, [b"early", b"early"], partition=1))
    asyncio.run(_delete(market, never, 2))
    assert here.run("doctor").returncode == 1
    again = here.serve("--with-lanes")
    until(lambda: "input_lost" in reason(again))
    assert f"{part.topic}/1: records 1 to 3" in reason(again)
    assert gauge(again, "kafka_lost_records") == 3
    with market.speaker(again) as speaker:
        market.produce([event("placed", "neighbour")], partition=3)
        until_all(speaker, "open", before + 2)
        refused = here.run("kafka", "accept-loss", f"{part.topic}/0", "--reason", "x")
        assert refused.returncode == 3, refused.stderr
        done = here.run("kafka", "accept-loss", f"{part.topic}/1", "--reason", "ticket 7")
        assert done.returncode == 0, done.stderr
        assert "1 to 3 are lost" in done.stdout
        until_all(speaker, "open", before + 3)
        until(lambda: not reason(again))
    told = market.read(
        market.options.dead_letters, lambda found: any(one["data"]["code"] == LOST for one in found)
    )
    (letter,) = [one for one in told if one["data"]["code"] == LOST]
    assert "ticket 7" in letter["data"]["detail"]
    doctor = here.run("doctor", "--json")
    checks = {one["check"]: one for one in orjson.loads(doctor.stdout)}
    assert checks["no record was deleted unread"]["ok"]
    assert checks["no record was deleted unread"]["shown"] == [
        f"{never.topic}/1: records 0 to 1 were deleted before its first read"
    ]
    assert again.logged("input_begins_late")
    assert market.options.events in checks["Kafka's topics are as they must be"]["shown"]
    assert checks["records are read"]["shown"] == ["0 records wait"]
    assert here.run("kafka", "accept-loss", f"{part.topic}/1", "--reason", "x").returncode == 3


async def _delete(market: Market, part: Part, before: int) -> None:
    async with Cluster(market.options) as cluster:
        await cluster.delete_before({part: before})


def test_the_offsets_of_the_group_are_nobodys_need(shop: Market) -> None:
    """Deleted with the group: the cursors are in the database."""
    first = shop.here.serve("--with-lanes")
    shop.register(first)
    with shop.speaker(first) as speaker:
        shop.order("a", "b")
        until_all(speaker, "open", 2)

    async def forget() -> None:
        async with Cluster(shop.options) as cluster:
            await cluster._ask(None, DeleteGroupsRequest([shop.options.group]))

    assert first.end() == 0
    asyncio.run(forget())
    second = shop.here.serve("--with-lanes")
    with shop.speaker(second) as speaker:
        shop.order("c")
        until_all(speaker, "open", 3)
        until(lambda: gauge(second, "kafka_lag_records") == 0)
        assert not letters(speaker)
        assert speaker.get("/v1/commitments")["items"][0]["saga"] == "order"
    assert not second.logged("input_read_again")


@pytest.mark.parametrize(
    ("url", "lanes", "code", "told"),
    [
        ("{p}?input_partitions=6", 3, "TR751", "a multiple of 4"),
        ("{p}missing.", None, "TR750", "run troth-engine migrate"),
    ],
    ids=["wrong partition count", "missing topic"],
)
def test_topics_that_do_not_fit_are_refused(
    shop: Market, url: str, lanes: int | None, code: str, told: str
) -> None:
    """Before anything is written, with what to run."""
    prefix = shop.options.prefix
    if lanes is not None:
        prefix = f"{prefix}odd."
        asyncio.run(_made_odd(shop, prefix, lanes))
    bus = f"kafka://{shop.options.bootstrap[0]}/{url.format(p=prefix).partition('?')[0]}"
    done = shop.here.run("work", "--listen", "127.0.0.1:0", "--json", TROTH_BUS_URL=bus)
    assert done.returncode == 4, done.stdout
    said = refusal_in(done.stderr)
    assert said["code"] == code
    assert told in said["detail"]
    assert shop.here.rows("events") == 0
    assert SOURCE not in done.stderr


def refusal_in(log: str) -> Any:
    """What the engine stopped for. A client that was still closing may have logged behind it."""
    lines = [orjson.loads(line) for line in log.splitlines() if line.startswith("{")]
    refused = [line for line in lines if {"code", "alias"} <= line.keys()]
    assert refused, log
    return refused[-1]


async def _made_odd(shop: Market, prefix: str, partitions: int) -> None:
    options = replace(shop.options, prefix=prefix)
    async with Cluster(options) as cluster:
        await migrate(cluster, options, partitions, ["shop", "bank"])


def test_another_number_of_lanes_is_refused(shop: Market) -> None:
    done = shop.here.run("work", "--listen", "127.0.0.1:0", "--json", TROTH_LANES=str(LANES + 4))
    assert done.returncode == 4
    said = refusal_in(done.stderr)
    assert said["alias"] == "store.lanes"
    assert "4 lanes, not 8" in said["detail"]
