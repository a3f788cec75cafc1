"""W5: the engine is killed with many sagas in flight; nothing may be lost or done twice."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.rig import LIMIT_S, LOOK_S, Rig, rig, worker
from benchmarks.saga import PAD, PERFORMED

__all__ = ["Tally", "tally", "w5"]

KILL_AT = 0.3
"""The share of all effects after which the engine is killed: then every saga is on its way."""
SAGA = "bench-counted"


@dataclass(frozen=True, slots=True)
class Tally:
    """What the participants did, against what should have been done.

    Attributes:
        lost: effects that never happened. doubled: effects beyond one key for each step.
        repeated: further runs of a handler with the same key, which the key makes harmless.
    """

    lost: int
    doubled: int
    repeated: int


def w5(bench: Bench) -> None:
    """Kill every engine process (-9), start again; seconds until all are done, and the books."""
    count = bench.sizes.in_flight
    with rig(bench.shape) as engine:
        counts = engine.place.folder / "counts"
        counts.touch()
        engine.publish("bench.counted", [{"id": f"w5-{n}", "pad": PAD} for n in range(count)])
        with worker(engine, counts=counts):
            _until_performed(engine, counts, int(count * PERFORMED * KILL_AT))
            engine.kill()
            begun = time.perf_counter()
            performed = len(counts.read_bytes().splitlines())
            engine.start()
            bench.add("W5", "engine_back_s", time.perf_counter() - begun, "s", "kill to ready")
            done_at = engine.wait_for(SAGA, "fulfilled", count)
        found = tally(counts.read_text().splitlines(), count)
    bench.add("W5", "all_done_s", done_at - begun, "s",
              f"kill -9 of the engine with {count:,} sagas started and {performed:,} of"
              f" {count * PERFORMED:,} effects done, to the last fulfilled")  # fmt: skip
    method = "participants count their effects by idempotency key"
    bench.add("W5", "effects_lost", found.lost, "effects", method)
    bench.add("W5", "effects_doubled", found.doubled, "effects", method)
    bench.add("W5", "handlers_repeated", found.repeated, "runs",
              "run again with the key of before, which makes it harmless")  # fmt: skip


def tally(lines: list[str], sagas: int) -> Tally:
    """Read the counted effects: one line `book KEY ID` for each run of the handler."""
    runs = Counter(line.split()[1] for line in lines)
    keys: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        _, key, saga = line.split()
        keys[saga].add(key)
    distinct = [len(found) for found in keys.values()]
    lost = sum(max(0, PERFORMED - n) for n in distinct) + PERFORMED * (sagas - len(distinct))
    doubled = sum(max(0, n - PERFORMED) for n in distinct)
    return Tally(lost, doubled, sum(runs.values()) - len(runs))


def _until_performed(engine: Rig, counts: Path, wanted: int) -> None:
    limit = time.perf_counter() + LIMIT_S
    while time.perf_counter() < limit:
        if len(counts.read_bytes().splitlines()) >= wanted:
            return
        time.sleep(LOOK_S)
    raise TimeoutError(f"{wanted} effects were not done in {LIMIT_S} s: {engine.log()}")
