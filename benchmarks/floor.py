"""The raw floor: the same rows and messages through the bare drivers, in the same run.

What W1 left in the store is read out and inserted again, in bulk, into tables of the same shape
with the same indexes, fsync on. Nothing is decided, folded or checked: no engine can be faster.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import psycopg
from psycopg import sql

from benchmarks.bench import Bench
from benchmarks.rig import Rig

__all__ = ["of_broker", "of_store", "split_copy"]

SAGAS_A_COMMIT = 40
"""About 500 events: what the engine puts into one transaction when it has enough to do."""
EVENTS_MAX = 100_000
"""Only the newest are inserted again: enough for a steady figure."""
MESSAGES_MAX = 200_000
CONSUME_TIMEOUT_S = 60.0
T = TypeVar("T")
_COPY_HEAD = b"PGCOPY\n\xff\r\n\x00" + struct.pack("!ii", 0, 0)
_COPY_END = struct.pack("!h", -1)


def of_store(bench: Bench, engine: Rig, sagas_per_s: float) -> None:
    """Sagas a second that the bare store takes, and the engine's share of it."""
    if bench.shape.store is None:
        sagas, rows, took_s = _sqlite(engine.place.sqlite_path, engine.place.folder / "floor.db")
        how = "executemany"
    else:
        sagas, rows, took_s = _postgres(engine.place.store_url)
        how = "binary COPY"
    floor = sagas / took_s
    method = (
        f"{rows:,} rows of {sagas:,} sagas again by {how} into tables of the same shape,"
        f" {SAGAS_A_COMMIT} sagas a commit, fsync on"
    )
    bench.add("floor", "store_sagas_per_s", floor, "sagas/s", method)
    bench.add("floor", "store_rows_per_s", rows / took_s, "rows/s", method)
    bench.add("floor", "w1_of_store", 100 * sagas_per_s / floor, "%", "W1 over the bare store")


# --- SQLite ---------------------------------------------------------------------------------------


def _sqlite(source: Path, target: Path) -> tuple[int, int, float]:
    """How many sagas, how many rows, seconds."""
    with contextlib.closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as db:
        schema = db.execute(
            "SELECT name, type, sql FROM sqlite_master WHERE sql IS NOT NULL"
            " AND name NOT LIKE 'sqlite_%' ORDER BY type DESC"
        ).fetchall()
        tables = [name for name, kind, _ in schema if kind == "table"]
        sagas, rows = _newest(
            {name: db.execute(f"SELECT * FROM {name}").fetchall() for name in tables},
            db.execute("SELECT count(*) FROM current_steps").fetchone()[0],
        )
    with contextlib.closing(sqlite3.connect(target, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        for _, _, statement in schema:
            db.execute(statement)
        batches = list(_batches(rows, sagas))
        begun = time.perf_counter()
        for batch in batches:
            db.execute("BEGIN IMMEDIATE")
            for name, some in batch.items():
                places = ", ".join("?" * len(some[0]))
                db.executemany(f"INSERT INTO {name} VALUES ({places})", some)
            db.execute("COMMIT")
        return sagas, sum(map(len, rows.values())), time.perf_counter() - begun


def _newest(tables: dict[str, list[T]], sagas: int) -> tuple[int, dict[str, list[T]]]:
    """The newest part of every table, the same share of each."""
    share = min(1.0, EVENTS_MAX / max(1, len(tables["events"])))
    kept = {name: rows[len(rows) - int(len(rows) * share) :] for name, rows in tables.items()}
    return max(1, int(sagas * share)), {name: rows for name, rows in kept.items() if rows}


def _batches(tables: dict[str, list[T]], sagas: int) -> Iterator[dict[str, list[T]]]:
    """The rows in as many transactions as the sagas need, each table spread over all."""
    commits = -(-sagas // SAGAS_A_COMMIT)
    for number in range(commits):
        batch = {
            name: rows[len(rows) * number // commits : len(rows) * (number + 1) // commits]
            for name, rows in tables.items()
        }
        yield {name: rows for name, rows in batch.items() if rows}


# --- PostgreSQL -----------------------------------------------------------------------------------

_TABLES = """
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
   AND c.relname NOT LIKE 'alembic%' ORDER BY 1
"""


def _postgres(url: str) -> tuple[int, int, float]:
    """How many sagas, how many rows, seconds."""
    with psycopg.connect(url, autocommit=True) as db:
        names = [str(row[0]) for row in db.execute(_TABLES)]
        count = db.execute("SELECT count(*) FROM current_steps").fetchone()
        assert count is not None
        sagas, rows = _newest({name: _read_out(db, name) for name in names}, int(count[0]))
        db.execute("DROP SCHEMA IF EXISTS floor CASCADE")
        db.execute("CREATE SCHEMA floor")
        for name in rows:
            like = sql.SQL("CREATE TABLE floor.{0} (LIKE public.{0} INCLUDING ALL)")
            db.execute(like.format(sql.Identifier(name)))
        db.execute("CHECKPOINT")
        batches = [
            {name: b"".join((_COPY_HEAD, *some, _COPY_END)) for name, some in batch.items()}
            for batch in _batches(rows, sagas)
        ]
        begun = time.perf_counter()
        for batch in batches:
            with db.transaction():
                for name, data in batch.items():
                    _copy_in(db, name, data)
        took_s = time.perf_counter() - begun
        db.execute("DROP SCHEMA floor CASCADE")
    return sagas, sum(map(len, rows.values())), took_s


def _read_out(db: psycopg.Connection, name: str) -> list[bytes]:
    """The rows of a table as binary COPY gives them."""
    query = sql.SQL("COPY (SELECT * FROM public.{}) TO STDOUT (FORMAT binary)")
    with db.cursor().copy(query.format(sql.Identifier(name))) as copy:
        return split_copy(b"".join(bytes(part) for part in copy))


def split_copy(data: bytes) -> list[bytes]:
    """The tuples of a binary COPY stream, each with its own bytes."""
    at, rows = len(_COPY_HEAD), list[bytes]()
    while (fields := struct.unpack_from("!h", data, at)[0]) >= 0:
        end = at + 2
        for _ in range(fields):
            end += 4 + max(0, struct.unpack_from("!i", data, end)[0])
        rows.append(data[at:end])
        at = end
    return rows


def _copy_in(db: psycopg.Connection, name: str, data: bytes) -> None:
    query = sql.SQL("COPY floor.{} FROM STDIN (FORMAT binary)")
    with db.cursor().copy(query.format(sql.Identifier(name))) as copy:
        copy.write(data)


# --- Kafka ----------------------------------------------------------------------------------------

Message = tuple[str, bytes | None, bytes | None]
"""Topic, key, value."""


def of_broker(bench: Bench, engine: Rig, sagas_per_s: float) -> None:
    """Produce and consume again what W1 sent, with aiokafka alone, acks=all and idempotent."""
    broker, prefix = engine.place.broker, engine.place.topic_prefix
    assert broker is not None
    messages = asyncio.run(_read_messages(broker, prefix))
    sagas = engine.count("bench-five", "fulfilled") * min(1.0, MESSAGES_MAX / max(1, len(messages)))
    messages = messages[-MESSAGES_MAX:]
    produced_s, consumed_s = asyncio.run(_again(broker, f"{prefix}floor", messages))
    method = f"{len(messages):,} messages of W1 again with aiokafka alone"
    bench.add("floor", "produce_per_s", len(messages) / produced_s, "msg/s",
              f"{method}, one topic, idempotent, acks=all")  # fmt: skip
    bench.add("floor", "consume_per_s", len(messages) / consumed_s, "msg/s", method)
    floor = sagas / (produced_s + consumed_s)
    bench.add("floor", "broker_sagas_per_s", floor, "sagas/s", "produce, then consume, one process")
    bench.add("floor", "w1_of_broker", 100 * sagas_per_s / floor, "%", "W1 over the bare broker")


async def _read_messages(broker: str, prefix: str) -> list[Message]:
    """Everything in the topics of this run."""
    from aiokafka import AIOKafkaConsumer, TopicPartition
    from aiokafka.admin import AIOKafkaAdminClient

    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    try:
        topics = [name for name in await admin.list_topics() if name.startswith(prefix)]
        described = await admin.describe_topics(topics)
    finally:
        await admin.close()
    parts = [
        TopicPartition(topic["topic"], part["partition"])
        for topic in described
        for part in topic["partitions"]
    ]
    found: list[Message] = []
    # Not by seeking: a reset to the end that began with the assignment may come after it.
    async with AIOKafkaConsumer(
        bootstrap_servers=broker, enable_auto_commit=False, auto_offset_reset="earliest"
    ) as consumer:
        consumer.assign(parts)
        ends = await consumer.end_offsets(parts)
        async with asyncio.timeout(CONSUME_TIMEOUT_S):
            while any([await consumer.position(part) < ends[part] for part in parts]):
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    found += [(r.topic, r.key, r.value) for r in records]
    if not found:
        raise RuntimeError(f"the topics {prefix}* hold nothing: W1 did not go through them")
    return found


async def _again(broker: str, topic: str, messages: list[Message]) -> tuple[float, float]:
    """Seconds to produce all and seconds to consume all."""
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1)])
    finally:
        await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=broker, enable_idempotence=True, linger_ms=5)
    async with producer:
        begun = time.perf_counter()
        sent = [await producer.send(topic, value, key) for _, key, value in messages]
        await asyncio.gather(*sent)
        produced_s = time.perf_counter() - begun
    part, seen = TopicPartition(topic, 0), 0
    async with AIOKafkaConsumer(
        bootstrap_servers=broker, enable_auto_commit=False, auto_offset_reset="earliest"
    ) as consumer:
        consumer.assign([part])
        begun = time.perf_counter()
        async with asyncio.timeout(CONSUME_TIMEOUT_S):
            while seen < len(messages):
                got = await consumer.getmany(part, timeout_ms=500)
                seen += sum(map(len, got.values()))
        return produced_s, time.perf_counter() - begun
