"""W4: many commitments that wait; what they cost at rest, and how fast a thousand wake."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from benchmarks.results import Results
from benchmarks.rig import rig
from benchmarks.saga import PAD

__all__ = ["w4"]

WAITING = 100_000
WOKEN = 1_000
REST_S = 20.0
LIMIT_S = 1_200.0
CHUNK = 5_000


def w4(results: Results) -> None:
    """100,000 waiting: memory, the share of a core at rest, bytes each; then 1,000 are woken."""
    with rig() as engine:
        begun = time.perf_counter()
        for start in range(0, WAITING, CHUNK):
            names = [f"w4-{n}" for n in range(start, start + CHUNK)]
            engine.publish("bench.wanted", [{"id": n, "pad": PAD} for n in names])
        engine.wait_for("bench-waiting", "waiting", WAITING, LIMIT_S)
        took_s = time.perf_counter() - begun
        results.add("W4", "started_per_s", WAITING / took_s, "sagas/s", f"{WAITING:,} starts")
        results.add("W4", "rss_mb", _rss_mb(engine.pid), "MB", "VmRSS of the engine")
        before = _cpu_s(engine.pid)
        threading.Event().wait(REST_S)
        share = 100 * (_cpu_s(engine.pid) - before) / REST_S
        results.add("W4", "rest_percent", share, "% core", f"user and system time over {REST_S} s")
        bytes_ = (engine.folder / "troth.db").stat().st_size
        results.add("W4", "bytes_each", bytes_ / WAITING, "bytes", "database file over waiting")
        begun = time.perf_counter()
        engine.publish("bench.woken", [{"id": f"w4-{n * 97}"} for n in range(WOKEN)])
        ended = engine.wait_for("bench-waiting", "fulfilled", WOKEN, LIMIT_S)
        results.add("W4", "woken_per_s", WOKEN / (ended - begun), "sagas/s",
                    f"{WOKEN:,} events to all fulfilled")  # fmt: skip


def _rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(text for text in status.splitlines() if text.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
