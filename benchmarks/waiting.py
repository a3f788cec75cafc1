"""W4: many commitments that wait; what they cost at rest, and how fast a thousand wake."""

from __future__ import annotations

import threading
import time

from benchmarks.bench import Bench
from benchmarks.cpu import memory_mb, usage
from benchmarks.rig import Rig, rig
from benchmarks.saga import PAD

__all__ = ["w4"]

LIMIT_S = 1_200.0
CHUNK = 5_000
SPREAD = 97
"""Who is woken is picked from everywhere, not from the newest."""


def w4(bench: Bench) -> None:
    """So many wait: memory, the share of a core at rest, bytes each; then some are woken."""
    with rig(bench.shape) as engine:
        empty, there = engine.place.stored_bytes(), 0
        for wanted in bench.sizes.waiting:
            _fill(bench, engine, there, wanted)
            there = wanted
            _rest(bench, engine, wanted)
            each = (engine.place.stored_bytes() - empty) / wanted
            bench.add("W4", f"bytes_each@{wanted}", each, "bytes", "growth of the store each")
        _wake(bench, engine, there)


def _fill(bench: Bench, engine: Rig, there: int, wanted: int) -> None:
    begun = time.perf_counter()
    for start in range(there, wanted, CHUNK):
        names = [f"w4-{n}" for n in range(start, min(start + CHUNK, wanted))]
        engine.publish("bench.wanted", [{"id": n, "pad": PAD} for n in names])
    engine.wait_for("bench-waiting", "waiting", wanted, limit_s=LIMIT_S)
    took_s = time.perf_counter() - begun
    bench.add("W4", f"started_per_s@{wanted}", (wanted - there) / took_s, "sagas/s",
              f"from {there:,} to {wanted:,} waiting")  # fmt: skip


def _rest(bench: Bench, engine: Rig, wanted: int) -> None:
    memory = sum(memory_mb(process.pid) for process in engine.processes)
    bench.add("W4", f"memory_mb@{wanted}", memory, "MB", "resident memory of the engine")
    watched_s = bench.sizes.rest_s
    before = usage(engine.roots)
    threading.Event().wait(watched_s)
    for role, seconds in usage(engine.roots).since(before).items():
        if role != "load":
            bench.add("W4", f"rest {role}@{wanted}", 100 * seconds / watched_s, "% core",
                      f"user and system time over {watched_s} s")  # fmt: skip


def _wake(bench: Bench, engine: Rig, waiting: int) -> None:
    woken = bench.sizes.woken
    begun = time.perf_counter()
    names = [f"w4-{n * SPREAD % waiting}" for n in range(woken)]
    engine.publish("bench.woken", [{"id": name} for name in names])
    ended = engine.wait_for("bench-waiting", "fulfilled", len(set(names)))
    bench.add("W4", "woken_per_s", woken / (ended - begun), "sagas/s",
              f"{woken:,} events to all fulfilled, {waiting:,} waiting")  # fmt: skip
