"""W1, W2, W3 and the bytes of W6 for each peer, and the ratio to every shape of the same run."""

from __future__ import annotations

import contextlib
import json
import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.bench import percentile
from benchmarks.peers import environment
from benchmarks.results import Results
from benchmarks.servers import ServerMissing, database, postgres_bytes
from benchmarks.shapes import SHAPES
from benchmarks.sizes import Sizes
from tools.servers.processes import kill_group

__all__ = ["PEERS", "WORKLOADS", "Peer", "measure", "ratios"]

PROGRAMS = Path(__file__).parent / "programs"
WORKLOADS = ("w1", "w2", "w3")
IN_FLIGHT = 200
STOP_S = 10.0
HIGHER_IS_BETTER = {"sagas_per_s": True, "p50_ms": False, "p99_ms": False, "bytes_per_saga": False}


@dataclass(frozen=True, slots=True)
class Peer:
    """A program of ours on a library of theirs.

    `processes`: how many of it are tried; the best counts. `durable`: what it promises here.
    """

    name: str
    program: str
    server: Callable[[], AbstractContextManager[str]]
    processes: tuple[int, ...]
    durable: str


PEERS = (
    Peer("dbos", "dbos_five.py", database, (1, 2),
         "each step's result is committed to PostgreSQL before the next; workflows in process"),
    Peer("langgraph", "langgraph_five.py", database, (1, 2),
         'a checkpoint is committed to PostgreSQL before the next node, durability "sync"'),
    Peer("celery", "celery_five.py", partial(environment.redis, "everysec"), (1,),
         "late acknowledgement, Redis AOF with fsync every second (may lose one); two prefork"
         " workers"),
    Peer("celery-fsync", "celery_five.py", partial(environment.redis, "always"), (1,),
         "late acknowledgement, Redis AOF with fsync always; two prefork workers"),
)  # fmt: skip


def measure(results: Results, sizes: Sizes, names: Sequence[str] = ()) -> None:
    """Every peer, and the ratios to the shapes measured in this run."""
    for peer in PEERS:
        try:
            results.note(settings={f"{peer.name} durability": peer.durable})
            for workload in names or WORKLOADS:
                _one(results, sizes, peer, workload)
        except ServerMissing as missing:
            print(f"{peer.name:<10} not measured: {missing}")
    told = environment.versions()
    results.note(versions={f"peer {name}": found for name, found in told.items()})
    results.note(versions={"redis-server": environment.redis_version()})
    ratios(results)


def ratios(results: Results) -> None:
    """Each shape over each peer; above 1 the shape is ahead, whatever is measured."""
    found = {(f.subject, f.workload, f.figure): f.value for f in results.figures}
    for peer in PEERS:
        for (subject, workload, figure), theirs in found.items():
            if subject != peer.name or figure not in HIGHER_IS_BETTER:
                continue
            for shape in SHAPES:
                ours = found.get((shape, workload, figure))
                if not ours or not theirs:
                    continue
                ratio = ours / theirs if HIGHER_IS_BETTER[figure] else theirs / ours
                results.add(shape, workload, f"{figure} over {peer.name}", ratio, "times",
                            "ratio of the same run; above 1 the shape is ahead")  # fmt: skip


def _one(results: Results, sizes: Sizes, peer: Peer, workload: str) -> None:
    if workload == "w3":
        took = _run(peer, sizes, workload, 1).took_ms
        method = f"{len(took)} sagas at {sizes.rate_per_s}/s, start to end; {peer.durable}"
        results.add(peer.name, "W3", "p50_ms", percentile(took, 0.5), "ms", method)
        results.add(peer.name, "W3", "p99_ms", percentile(took, 0.99), "ms", method)
        return
    best, chosen, all_bytes = 0.0, 1, list[float]()
    for processes in peer.processes:
        rates: list[float] = []
        for _ in range(sizes.repeats):
            ran = _run(peer, sizes, workload, processes)
            rates.append(len(ran.took_ms) / ran.wall_s)
            all_bytes.append(ran.bytes_each)
        if statistics.median(rates) > best:
            best, chosen = statistics.median(rates), processes
    method = (
        f"{sizes.peer_sagas:,} sagas, {IN_FLIGHT} in flight a process, best of"
        f" {'/'.join(map(str, peer.processes))} processes: {chosen}; median of {sizes.repeats};"
        f" {peer.durable}"
    )
    results.add(peer.name, workload.upper(), "sagas_per_s", best, "sagas/s", method)
    if workload == "w1" and any(all_bytes):
        results.add(peer.name, "W6", "bytes_per_saga", statistics.median(all_bytes), "bytes",
                    "growth of the database over finished sagas, dead rows included")  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Ran:
    took_ms: list[float]
    wall_s: float
    bytes_each: float


def _run(peer: Peer, sizes: Sizes, workload: str, processes: int) -> _Ran:
    total = sizes.rate_per_s * sizes.rate_s if workload == "w3" else sizes.peer_sagas
    count = total // processes
    with peer.server() as url, _programs(peer, sizes, workload, url, processes, count) as running:
        on_disk = url.startswith("postgres")
        before = postgres_bytes(url) if on_disk else 0
        begun = time.perf_counter()
        for program in running:
            assert program.stdin is not None
            program.stdin.write("go\n")
            program.stdin.flush()
        took_ms = [
            each for program in running for each in json.loads(_line(peer, program))["took_ms"]
        ]
        wall_s = time.perf_counter() - begun
        grown = postgres_bytes(url) - before if on_disk else 0
    if len(took_ms) != count * processes:
        raise RuntimeError(f"{peer.name}: {len(took_ms)} of {count * processes} ended")
    return _Ran(took_ms, wall_s, grown / len(took_ms))


@contextlib.contextmanager
def _programs(
    peer: Peer, sizes: Sizes, workload: str, url: str, processes: int, count: int
) -> Iterator[list[subprocess.Popen[str]]]:
    """As many as asked, each warm and waiting for go."""
    running: list[subprocess.Popen[str]] = []
    try:
        for number in range(processes):
            order = {
                "workload": workload, "url": url, "count": count, "warm_up": sizes.warm_up // 2,
                "rate_per_s": sizes.rate_per_s, "name": f"p{number}", "in_flight": IN_FLIGHT,
            }  # fmt: skip
            program = subprocess.Popen(
                [str(environment.python()), str(PROGRAMS / peer.program), json.dumps(order)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROGRAMS,
                start_new_session=True,
            )  # fmt: skip
            running.append(program)
            if _line(peer, program).strip() != "ready":
                raise RuntimeError(f"{peer.name} did not get ready")
        yield running
    finally:
        for program in running:
            _end(program)


def _end(program: subprocess.Popen[str]) -> None:
    """The program and what it started: a worker that is left over would take the next messages."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        kill_group(program, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            program.wait(STOP_S)


def _line(peer: Peer, program: subprocess.Popen[str]) -> str:
    """Its next line. Raises RuntimeError if it ends without one."""
    assert program.stdout is not None
    line = program.stdout.readline()
    if not line:
        raise RuntimeError(f"{peer.name} ended with {program.wait(STOP_S)} and said nothing")
    return line
