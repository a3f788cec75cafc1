"""W1 and W3: five steps that do nothing, every result durable before the next step."""

from __future__ import annotations

import sqlite3
import statistics
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.results import Results
from benchmarks.rig import Rig, rig, worker
from benchmarks.saga import PAD

__all__ = ["w1", "w3"]

SAGAS = 5_000
WARM_UP = 500
LIMIT_S = 300.0
RATE_PER_S = 10
SECONDS = 30
FLOOR_ROWS_A_COMMIT = 500


def w1(results: Results) -> None:
    """Sagas a second, from the first publish to the last fulfilled."""
    with rig() as engine, worker(engine):
        _run(engine, "warm", WARM_UP, WARM_UP)
        took_s = _run(engine, "w1", SAGAS, WARM_UP + SAGAS)
        method = f"{SAGAS:,} sagas, first publish to last fulfilled, participants in one process"
        results.add("W1", "sagas_per_s", SAGAS / took_s, "sagas/s", method)
        results.add("W1", "steps_per_s", SAGAS * 5 / took_s, "steps/s", method)
        bytes_ = (engine.folder / "troth.db").stat().st_size
        results.add("W6", "bytes_per_saga", bytes_ / (SAGAS + WARM_UP), "bytes",
                    "size of the database file over finished sagas")  # fmt: skip
        events = _events(engine.folder / "troth.db")
        floor = _floor(engine.folder, events)
        results.add("W1", "fraction_of_raw_insert", 100 * len(events) / took_s / floor, "%",
                    f"events a second over the raw insert of the same rows, {floor:,.0f} rows/s "
                    f"at {FLOOR_ROWS_A_COMMIT} a commit")  # fmt: skip


def _run(engine: Rig, name: str, count: int, wanted: int) -> float:
    begun = time.perf_counter()
    engine.publish("bench.begun", [{"id": f"{name}-{n}", "pad": PAD} for n in range(count)])
    return engine.wait_for("bench-five", "fulfilled", wanted, LIMIT_S) - begun


def _events(path: Path) -> list[tuple[Any, ...]]:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        query = "SELECT * FROM events ORDER BY position DESC LIMIT 60000"
        return db.execute(query).fetchall()


def _floor(folder: Path, rows: list[tuple[Any, ...]]) -> float:
    """Rows a second that SQLite takes of exactly these, fsync on, with the same two indexes."""
    db = sqlite3.connect(folder / "floor.db", isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE e (a, b, c, d, e, f, g, PRIMARY KEY (a, b)) WITHOUT ROWID")
    db.execute("CREATE UNIQUE INDEX i ON e (c, d)")
    begun = time.perf_counter()
    for start in range(0, len(rows), FLOOR_ROWS_A_COMMIT):
        db.execute("BEGIN IMMEDIATE")
        batch = rows[start : start + FLOOR_ROWS_A_COMMIT]
        db.executemany("INSERT INTO e VALUES (?, ?, ?, ?, ?, ?, ?)", batch)
        db.execute("COMMIT")
    took_s = time.perf_counter() - begun
    db.close()
    return len(rows) / took_s


def w3(results: Results) -> None:
    """From start to end at ten sagas a second: the median and the 99th percentile."""
    with rig() as engine, worker(engine):
        _run(engine, "warm", WARM_UP, WARM_UP)
        sent: dict[str, float] = {}
        total = RATE_PER_S * SECONDS
        next_at = time.perf_counter()
        waiter = threading.Event()
        for number in range(total):
            waiter.wait(max(0.0, next_at - time.perf_counter()))
            next_at += 1 / RATE_PER_S
            key = f"w3-{number}"
            sent[key] = time.time()
            engine.publish("bench.begun", [{"id": key, "pad": PAD}])
        engine.wait_for("bench-five", "fulfilled", WARM_UP + total, LIMIT_S)
        took = sorted(1000 * (_ended(engine, key) - at) for key, at in sent.items())
        method = (
            f"{total} sagas at {RATE_PER_S}/s: before the publish to the accept time of the end"
        )
        results.add("W3", "p50_ms", statistics.median(took), "ms", method)
        results.add("W3", "p99_ms", took[int(len(took) * 0.99)], "ms", method)


def _ended(engine: Rig, key: str) -> float:
    found = engine.http.get(f"/v1/sagas/bench-five/keys/{key}").json()
    return datetime.fromisoformat(found["ended_at"]).timestamp()
