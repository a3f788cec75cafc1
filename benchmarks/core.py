"""In-process figures (deciding, a long history on SQLite), and the cold start."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any
from uuid import UUID

from adapters.sqlite.store import SqliteStore
from benchmarks.bench import Bench
from benchmarks.rig import rig, worker
from benchmarks.saga import PAD
from consumers.streams import Streams
from domain import messages as msg
from domain.chain import event_hash
from domain.commitment import CommitmentSnapshot
from domain.ids import commitment_id
from domain.mapper import event_mapper
from domain.ports import LaneWrite, SnapshotRow
from sagas.decide import decide
from sagas.loading import load
from sagas.outputs import outputs

__all__ = ["cold", "decide_50", "history"]

NODES = 50
SHORT = 10
APPENDS = 200
SNAPSHOT_EVERY = 200
BEGUN_US = 1_700_000_000_000_000
CTX: dict[str, str | None] = {"tenant": "bench", "actor": "bench", "actor_type": "human"}


def cold(bench: Bench) -> None:
    """From starting the processes to the first fulfilled commitment."""
    with rig(bench.shape) as engine, worker(engine):
        engine.publish("bench.begun", [{"id": "first", "pad": PAD}])
        ended = engine.wait_for("bench-five", "fulfilled", 1)
        bench.add("cold", "first_fulfilled_s", ended - engine.started_at, "s",
                    "engine, registration, participants' process and five steps")  # fmt: skip


def decide_50(bench: Bench) -> None:
    """The median of one decide on a saga of 50 steps."""
    steps = [f"s{n}" for n in range(NODES)]
    contract = {"participant": "p", "command": {}, "result": {}, "external": False}
    definition = load(
        {
            "troth": 1, "saga": "fifty", "version": 1, "key": "input.id", "input": {},
            "starts_on": [], "contracts": {f"p/{s}@1": contract for s in steps},
            "flow": [{"node": "step", "name": s, "contract": f"p/{s}@1", "args": {"x": "input"}}
                     for s in steps],
        },
        "0" * 64,
    )  # fmt: skip
    took: list[float] = []
    for number in range(bench.sizes.decides):
        stream = commitment_id("bench", "fifty", str(number), 1)
        message: Any = msg.Open("bench", "fifty", 1, "0" * 64, str(number), 1, {"pad": PAD})
        state = None
        now_us = BEGUN_US
        while True:
            begun = time.perf_counter()
            decided = decide(definition, state, message, stream=stream, now_us=now_us, ctx=CTX)
            took.append(time.perf_counter() - begun)
            offered = outputs(state, decided.state, decided.events).offered
            state, now_us = decided.state, now_us + 1_000
            if not offered:
                break
            dispatch = offered[0].dispatch
            message = msg.Answered(dispatch.effect, 1, "1.1.1", "do", "done", "w", result={"n": 1})
    bench.results.add("core", "decide", "median_us", statistics.median(took) * 1e6, "us",
                f"{len(took)} messages of sagas with {NODES} steps")  # fmt: skip


def history(bench: Bench) -> None:
    """A commitment with 100,000 events: loading it from its snapshot, and appending to it."""
    events = bench.sizes.long_stream
    with tempfile.TemporaryDirectory(prefix="troth-bench-") as name:
        store = SqliteStore.open(f"sqlite:///{Path(name) / 'troth.db'}", now_us=BEGUN_US)
        try:
            long_, short = _grown(store, events), _grown(store, SHORT)
            bench.results.add("core", "history", "load_ms", 1000 * _load_s(store, long_), "ms",
                        f"median of 20 loads of a commitment with {events:,} events")  # fmt: skip
            far, near = _append_s(store, long_), _append_s(store, short)
            bench.results.add("core", "history", "append_ratio", far / near, "times",
                        f"an append to {events:,} events over one to 10, medians")  # fmt: skip
        finally:
            store.close()


_LOOP = {
    "troth": 1, "saga": "long", "version": 1, "key": "'k'", "input": {}, "starts_on": [],
    "vars": {"n": {"schema": {"type": "integer"}, "initial": 0}},
    "handlers": [{"name": "tick", "events": ["tick"], "key": "'k'", "max": 1_000_000,
                  "flow": [{"node": "set", "name": "count", "values": {"n": "vars.n + 1"}}]}],
    "flow": [{"node": "wait_for", "name": "end", "events": ["end"], "key": "'k'"}],
}  # fmt: skip


def _grown(store: SqliteStore, events: int) -> UUID:
    """A commitment whose stream has at least so many events, with snapshots on the way."""
    definition, mapper = load(_LOOP, "1" * 64), event_mapper()
    stream = commitment_id("bench", "long", str(events), 1)
    message: Any = msg.Open("bench", "long", 1, "1" * 64, str(events), 1, {})
    state, head, position = None, bytes(32), 0
    now_us = BEGUN_US
    while state is None or state.version < events:
        write = LaneWrite()
        for _ in range(SNAPSHOT_EVERY // 3):
            decided = decide(definition, state, message, stream=stream, now_us=now_us, ctx=CTX)
            state, now_us, position = decided.state, now_us + 1_000, position + 1
            for event in decided.events:
                stored = mapper.to_stored_event(event)
                write.events.append(stored)
                write.prevs.append(head)
                head = event_hash(head, stream.bytes, stored.originator_version, stored.topic,
                                  stored.state)  # fmt: skip
            tick = {"id": str(position), "source": "b", "type": "tick", "data": {}}
            message = msg.Offer("k", position, tick, now_us)
        snapshot = mapper.to_stored_event(CommitmentSnapshot.take(state))
        write.snapshots.append(SnapshotRow(snapshot, head))
        tx = store.begin(store.belief(0))
        tx.write(write, clock_us=now_us)
        tx.commit()
    return stream


def _load_s(store: SqliteStore, stream: UUID) -> float:
    took: list[float] = []
    for _ in range(20):
        tx = store.begin(store.belief(0))
        begun = time.perf_counter()
        entry = Streams(event_mapper(), 10).take(tx, stream)
        took.append(time.perf_counter() - begun)
        assert entry is not None
        tx.rollback()
    return statistics.median(took)


def _append_s(store: SqliteStore, stream: UUID) -> float:
    """One event more, in a transaction of its own."""
    took: list[float] = []
    for _ in range(APPENDS):
        begun = time.perf_counter()
        tx = store.begin(store.belief(0))
        stored = tx.load(stream)
        last = stored.events[-1] if stored.events else stored.snapshot
        assert last is not None
        one = type(last)(stream, stored.version + 1, "commitment.refused", b'{"code":"x"}')
        tx.write(LaneWrite(events=[one], prevs=[stored.hash]), clock_us=BEGUN_US)
        tx.commit()
        took.append(time.perf_counter() - begun)
    return statistics.median(took)
