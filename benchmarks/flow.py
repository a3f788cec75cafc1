"""W1, W2, W3 and W6: sagas that run, what they cost, and how fast their history is read."""

from __future__ import annotations

import statistics
import threading
import time
from datetime import datetime

from benchmarks import floor
from benchmarks.bench import Bench, percentile, run_sagas
from benchmarks.cpu import usage
from benchmarks.rig import Rig, rig, worker
from benchmarks.saga import PAD

__all__ = ["throughput", "w1", "w2", "w3", "w6"]


def w1(bench: Bench) -> None:
    """Five steps, each result durable before the next: sagas a second, and who used the cores."""
    with rig(bench.shape) as engine, worker(engine):
        rate = throughput(bench, engine, "W1")
        floor.of_store(bench, engine, rate)
        if bench.shape.bus == "kafka":
            floor.of_broker(bench, engine, rate)
        _with_effects(bench, engine)


def throughput(bench: Bench, engine: Rig, workload: str) -> float:
    """The median of the repetitions, with processor time by role; sagas a second."""
    sizes = bench.sizes
    run_sagas(engine, "bench.begun", "bench-five", "warm", sizes.warm_up)
    before, rates, took_s = usage(engine.roots), list[float](), 0.0
    for number in range(sizes.repeats):
        took = run_sagas(engine, "bench.begun", "bench-five", f"w1-{number}", sizes.sagas)
        rates.append(sizes.sagas / took)
        took_s += took
    used = usage(engine.roots).since(before)
    rate = statistics.median(rates)
    method = (
        f"{sizes.sagas:,} sagas, first publish to last fulfilled, median of {sizes.repeats},"
        " participants in one process"
    )
    bench.add(workload, "sagas_per_s", rate, "sagas/s", method)
    bench.add(workload, "steps_per_s", rate * 5, "steps/s", method)
    for role, seconds in used.items():
        bench.add(workload, f"cpu {role}", 100 * seconds / took_s, "% core",
                  "processor time over wall time, all repetitions")  # fmt: skip
    return rate


def _with_effects(bench: Bench, engine: Rig) -> None:
    """The same with effects: the participant's journal makes each durable on its side too."""
    count = bench.sizes.sagas
    run_sagas(engine, "bench.counted", "bench-counted", "warm", bench.sizes.warm_up)
    took_s = run_sagas(engine, "bench.counted", "bench-counted", "w1e", count)
    bench.add("W1", "effects_sagas_per_s", count / took_s, "sagas/s",
              f"{count:,} sagas of five effects, each in the participant's journal (SQLite)"
              " before and after")  # fmt: skip


def w2(bench: Bench) -> None:
    """The fifth step fails for good and four effects are undone."""
    sizes, rates = bench.sizes, list[float]()
    with rig(bench.shape) as engine, worker(engine):
        ends = "compensated"
        run_sagas(engine, "bench.doomed", "bench-doomed", "warm", sizes.warm_up, ends=ends)
        for number in range(sizes.repeats):
            name = f"w2-{number}"
            took = run_sagas(engine, "bench.doomed", "bench-doomed", name, sizes.sagas, ends=ends)
            rates.append(sizes.sagas / took)
    bench.add("W2", "sagas_per_s", statistics.median(rates), "sagas/s",
              f"{sizes.sagas:,} sagas, first publish to last compensated, median of"
              f" {sizes.repeats}, with the participant's journal")  # fmt: skip


def w3(bench: Bench) -> None:
    """From start to end at a steady rate: the median and the 99th percentile."""
    sizes = bench.sizes
    total = sizes.rate_per_s * sizes.rate_s
    with rig(bench.shape) as engine, worker(engine):
        run_sagas(engine, "bench.begun", "bench-five", "warm", sizes.warm_up)
        wanted = engine.count("bench-five", "fulfilled") + total
        sent: dict[str, float] = {}
        next_at = time.perf_counter()
        pause = threading.Event()
        for number in range(total):
            pause.wait(max(0.0, next_at - time.perf_counter()))
            next_at += 1 / sizes.rate_per_s
            sent[f"w3-{number}"] = time.time()
            engine.publish("bench.begun", [{"id": f"w3-{number}", "pad": PAD}])
        engine.wait_for("bench-five", "fulfilled", wanted)
        took = [1000 * (_ended(engine, key) - at) for key, at in sent.items()]
    method = f"{total} sagas at {sizes.rate_per_s}/s: before the publish to the recorded end"
    bench.add("W3", "p50_ms", percentile(took, 0.5), "ms", method)
    bench.add("W3", "p99_ms", percentile(took, 0.99), "ms", method)


def w6(bench: Bench) -> None:
    """Bytes that a finished saga leaves, and the time to read one history."""
    sizes = bench.sizes
    with rig(bench.shape) as engine, worker(engine):
        run_sagas(engine, "bench.begun", "bench-five", "warm", sizes.warm_up)
        events, before = engine.events(), engine.place.stored_bytes()
        run_sagas(engine, "bench.begun", "bench-five", "w6", sizes.sagas)
        grown = engine.place.stored_bytes() - before
        events = engine.events() - events
        bench.add("W6", "bytes_per_saga", grown / sizes.sagas, "bytes",
                  f"growth of the store over {sizes.sagas:,} finished sagas, indexes and dead rows"
                  " included")  # fmt: skip
        bench.add("W6", "events_per_saga", events / sizes.sagas, "events", "growth of the lanes")
        bench.add("W6", "bytes_per_event", grown / max(1, events), "bytes", "of the two above")
        took = [1000 * _read_history(engine, n % sizes.sagas) for n in range(sizes.histories)]
    method = f"{sizes.histories} histories of finished sagas over HTTP, one connection"
    bench.add("W6", "history_p50_ms", percentile(took, 0.5), "ms", method)
    bench.add("W6", "history_p99_ms", percentile(took, 0.99), "ms", method)


def _read_history(engine: Rig, number: int) -> float:
    begun = time.perf_counter()
    path = f"/v1/sagas/bench-five/keys/w6-{number}/history"
    engine.http.get(path).raise_for_status()
    return time.perf_counter() - begun


def _ended(engine: Rig, key: str) -> float:
    found = engine.http.get(f"/v1/sagas/bench-five/keys/{key}").json()
    return datetime.fromisoformat(found["ended_at"]).timestamp()
