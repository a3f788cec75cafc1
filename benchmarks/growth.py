"""Growth: lanes, events in the store, the length of one commitment, a second engine process."""

from __future__ import annotations

import time
from itertools import count

from benchmarks.bench import Bench, percentile, run_sagas
from benchmarks.filling import fill
from benchmarks.flow import throughput
from benchmarks.rig import LIMIT_S, Rig, rig, worker
from benchmarks.saga import BULK_SETS, GROWING

__all__ = ["append", "lanes", "processes", "stored"]

PROCESSES = (1, 2)


def lanes(bench: Bench) -> None:
    """W1 with other numbers of lanes."""
    for number in bench.sizes.lanes:
        with rig(bench.shape, settings={"TROTH_LANES": str(number)}) as engine, worker(engine):
            _measure(bench, engine, f"sagas_per_s@{number}", "lanes", f"{number} lanes")


def stored(bench: Bench) -> None:
    """W1 with more and more events in the store: the engine's own, and copies of them."""
    with rig(bench.shape) as engine, worker(engine):
        run_sagas(engine, "bench.begun", "bench-five", "warm", bench.sizes.warm_up)
        filled = 0
        for wanted in bench.sizes.stored_events:
            missing = wanted - engine.events() - filled
            if missing > 0:
                fill(engine.place, missing)
                filled += missing
            told = f"{engine.events() + filled:,} events before, {filled:,} of them copies"
            _measure(bench, engine, f"sagas_per_s@{wanted}", "stored", told)


def append(bench: Bench) -> None:
    """The answer time of one event more for a commitment that has few or many."""
    with rig(bench.shape) as engine:
        for events in bench.sizes.stream_events:
            key = f"grown-{events}"
            engine.publish("bench.grown", [{"id": key}])
            _grow(engine, key, events)
            there = _version(engine, key)
            took = [1000 * _tick(engine, key, n) for n in range(bench.sizes.appends)]
            method = (
                f"{bench.sizes.appends} single events to a commitment of {there:,} events,"
                " publish to answer"
            )
            bench.add("append", f"p50_ms@{events}", percentile(took, 0.5), "ms", method)
            bench.add("append", f"p99_ms@{events}", percentile(took, 0.99), "ms", method)


def _grow(engine: Rig, key: str, events: int) -> None:
    """Send what makes many events until the stream has so many. Raises TimeoutError."""
    limit = time.perf_counter() + LIMIT_S
    for sent in count():
        missing = events - _version(engine, key)
        if missing <= 0:
            break
        if time.perf_counter() > limit:
            raise TimeoutError(f"{missing} of {events} events are missing after {LIMIT_S} s")
        kind = "bench.bulk" if missing > BULK_SETS else "bench.tick"
        engine.publish(kind, [_event(key, f"grow-{sent}")])


def _version(engine: Rig, key: str) -> int:
    found = engine.http.get(f"/v1/sagas/{GROWING['saga']}/keys/{key}").json()
    return int(found["version"])


def _tick(engine: Rig, key: str, number: int) -> float:
    begun = time.perf_counter()
    engine.publish("bench.tick", [_event(key, f"tick-{number}")])
    return time.perf_counter() - begun


def _event(key: str, name: str) -> dict[str, str]:
    return {"id": key, "event_id": f"{key}-{name}"}


def processes(bench: Bench) -> None:
    """W1 with one and two engine processes beside the API, and which process fills the cores."""
    if not bench.shape.processes:
        print(f"{bench.shape.name:<10} processes: one process owns this store, by design")
        return
    rates: list[float] = []
    for number in PROCESSES:
        with rig(bench.shape, workers=number) as engine, worker(engine):
            rates.append(throughput(bench, engine, f"{number}-proc"))
    bench.add("processes", "second_process_times", rates[1] / rates[0], "times",
              "W1 with two engine processes over one, `serve` apart")  # fmt: skip


def _measure(bench: Bench, engine: Rig, figure: str, workload: str, told: str) -> None:
    count = bench.sizes.sagas
    run_sagas(engine, "bench.begun", "bench-five", f"warm-{figure}", bench.sizes.warm_up)
    took_s = run_sagas(engine, "bench.begun", "bench-five", f"run-{figure}", count)
    bench.add(workload, figure, count / took_s, "sagas/s", f"W1, {count:,} sagas, {told}")
