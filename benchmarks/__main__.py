"""`make bench`: measure, publish, profile. `python -m benchmarks --help` lists the words."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Sequence

from benchmarks import core, crash, flow, growth, language, pages, profiling, servers, waiting
from benchmarks.bench import Bench
from benchmarks.peers import run as peers
from benchmarks.results import OUT, Results
from benchmarks.shapes import SHAPES
from benchmarks.sizes import FULL, QUICK, TINY

Workload = Callable[[Bench], None]

WORKLOADS: dict[str, Workload] = {
    "w1": flow.w1,
    "w2": flow.w2,
    "w3": flow.w3,
    "w4": waiting.w4,
    "w5": crash.w5,
    "w6": flow.w6,
    "cold": core.cold,
    "lanes": growth.lanes,
    "stored": growth.stored,
    "append": growth.append,
    "processes": growth.processes,
}
IN_PROCESS: dict[str, Workload] = {
    "decide": core.decide_50,
    "history": core.history,
    "registration": language.registration,
    "repeat": language.repeat,
    "items": language.items,
}
PROFILE = "profile"


def main(words: Sequence[str]) -> int:
    """Run what is named, everything by default; 2 for a word that is none."""
    given = _parser().parse_args(words)
    # Else what was started (engines, servers, peers) would outlive a run that is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    names = list(given.workloads)
    if names[:1] == [PROFILE]:
        return profiling.profile(names[1:] or ["w1"], given.shape or "embedded")
    unknown = [name for name in names if name not in {**WORKLOADS, **IN_PROCESS}]
    if unknown:
        told = ", ".join([*WORKLOADS, *IN_PROCESS, PROFILE])
        print(f"no workload {', '.join(unknown)}; there are {told}", file=sys.stderr)
        return 2
    sizes = QUICK if given.quick else TINY if given.tiny else FULL
    measured = not given.publish or names or given.shape or given.peers
    if measured:
        _measure(names, given.shape, Results(sizes.label), with_peers=given.peers)
    if given.publish:
        pages.publish()
    return 0


def _measure(
    names: Sequence[str], shape: str | None, results: Results, *, with_peers: bool
) -> None:
    sizes = next(s for s in (FULL, QUICK, TINY) if s.label == results.run.sizes)
    shapes = [SHAPES[shape]] if shape else list(SHAPES.values())
    for name, workload in IN_PROCESS.items():
        if name in names or not names:
            workload(Bench(SHAPES["embedded"], sizes, results))
            results.save()
    for one in shapes:
        bench = Bench(one, sizes, results)
        for name in [name for name in names or WORKLOADS if name in WORKLOADS]:
            if one.store == "postgres":
                told = servers.postgres_settings(servers.postgres_url())
                results.note(settings={f"postgres {key}": value for key, value in told.items()})
            WORKLOADS[name](bench)
            results.save()
    if with_peers:
        peers.measure(results, sizes, [name for name in names if name in peers.WORKLOADS])
        results.save()
    print(f"written to {OUT.relative_to(OUT.parents[2])}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    told = ", ".join([*WORKLOADS, *IN_PROCESS])
    parser.add_argument("workloads", nargs="*", help=f"{told}; or `profile w1`; default: all")
    parser.add_argument("--shape", choices=list(SHAPES), help="one shape; default: each")
    parser.add_argument("--peers", action="store_true", help="measure peers in the same run")
    parser.add_argument("--quick", action="store_true", help="small numbers, in minutes")
    parser.add_argument("--tiny", action="store_true", help="numbers that mean nothing, in seconds")
    parser.add_argument(
        "--publish", action="store_true", help="write tables and plots of latest.json into docs"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
