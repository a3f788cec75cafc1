"""Where the time of a workload goes: py-spy on the engine, else cProfile on its lane alone."""

from __future__ import annotations

import cProfile
import os
import pstats
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import lane_alone
from benchmarks.bench import run_sagas
from benchmarks.peers.environment import FOLDER
from benchmarks.results import OUT
from benchmarks.rig import Rig, rig, worker
from benchmarks.shapes import SHAPES
from benchmarks.sizes import FULL

__all__ = ["profile", "shares"]

RATE_HZ = 200
SHOWN = 30
STOP_S = 30.0
DRIVES: dict[str, tuple[str, str, str]] = {
    "w1": ("bench.begun", "bench-five", "fulfilled"),
    "w2": ("bench.doomed", "bench-doomed", "compensated"),
}
_FRAME = re.compile(r"(?P<name>.+) \((?P<file>[^()]*?)(?::\d+)?\)$")


def profile(names: Sequence[str], shape: str) -> int:
    """Profile W1 or W2; 2 for another name. Writes benchmarks/out/profile-*.txt."""
    for name in names:
        if name not in DRIVES:
            print(f"no profile of {name}; there are {', '.join(DRIVES)}", file=sys.stderr)
            return 2
        spy = shutil.which("py-spy") or shutil.which("py-spy", path=str(FOLDER / "bin"))
        target = OUT.parent / f"profile-{name}-{shape}.txt"
        target.parent.mkdir(exist_ok=True)
        if spy is None:
            print("py-spy is not there (`--peers` installs it): cProfile on the lane alone")
            _lane_alone(target)
        else:
            _engine(spy, name, shape, target)
        print(f"written to {target.relative_to(OUT.parents[2])}")
    return 0


def _engine(spy: str, name: str, shape: str, target: Path) -> None:
    """All processes of the engine, sampled while the workload runs."""
    event, saga, ends = DRIVES[name]
    folded = target.with_suffix(".folded")
    with rig(SHAPES[shape]) as engine, worker(engine):
        run_sagas(engine, event, saga, "warm", FULL.warm_up, ends=ends)

        def drive() -> None:
            run_sagas(engine, event, saga, "profiled", FULL.sagas, ends=ends)

        _sampled(spy, engine, folded, drive)
    text = "\n".join(shares(folded.read_text("utf-8").splitlines()))
    target.write_text(text + "\n", "utf-8")
    print(text)


def _sampled(spy: str, engine: Rig, folded: Path, drive: Callable[[], None]) -> None:
    command = [spy, "record", "--pid", str(engine.processes[-1].pid), "--subprocesses",
               "--rate", str(RATE_HZ), "--format", "raw", "--output", str(folded),
               "--nonblocking"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        drive()
    finally:
        os.kill(process.pid, signal.SIGINT)
        _, told = process.communicate(timeout=STOP_S)
    if not folded.exists():
        raise RuntimeError(f"py-spy wrote nothing: {told.decode(errors='replace')}")


def shares(folded: Sequence[str]) -> list[str]:
    """Self time by package and by function, and time including callees, from folded stacks."""
    own: Counter[str] = Counter()
    packages: Counter[str] = Counter()
    within: Counter[str] = Counter()
    for line in folded:
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        own[frames[-1]] += int(count)
        packages[_package(frames[-1])] += int(count)
        for frame in set(frames):
            within[frame] += int(count)
    total = max(1, sum(own.values()))
    return [
        f"{total} samples at {RATE_HZ} a second",
        *_part("own time by package", packages, total),
        *_part("own time by function", own, total),
        *_part("time with what it calls", within, total),
    ]


def _part(title: str, found: Counter[str], total: int) -> list[str]:
    rows = [f"{100 * count / total:6.1f} %  {name}" for name, count in found.most_common(SHOWN)]
    return ["", title, *rows]


def _package(frame: str) -> str:
    """`commit (adapters/sqlite/store.py:1)` is of adapters; of an installed one its name."""
    match = _FRAME.search(frame)
    file = match["file"] if match else ""
    file = file.rpartition("site-packages/")[2]
    return file.lstrip("/").partition("/")[0] or "interpreter"


def _lane_alone(target: Path) -> None:
    """In this process: no HTTP, no participants' process, every reply made by the loop."""
    profiler = cProfile.Profile()
    lane_alone.drive(FULL.warm_up)
    profiler.enable()
    lane_alone.drive(FULL.sagas)
    profiler.disable()
    with target.open("w", encoding="utf-8") as file:
        stats = pstats.Stats(profiler, stream=file).strip_dirs()
        stats.sort_stats("tottime").print_stats(SHOWN)
        stats.sort_stats("cumulative").print_stats(SHOWN)
