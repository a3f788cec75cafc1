"""`make bench`: every workload, or those named: `python -m benchmarks w1 w3 cold`."""

from __future__ import annotations

import sys
from collections.abc import Callable

from benchmarks import core, flow, waiting
from benchmarks.results import OUT, Results

WORKLOADS: dict[str, Callable[[Results], None]] = {
    "decide": core.decide_50,
    "history": core.history,
    "cold": core.cold,
    "w1": flow.w1,
    "w3": flow.w3,
    "w4": waiting.w4,
}


def main(names: list[str]) -> int:
    """Run them in order; 2 for a name that is none."""
    unknown = [name for name in names if name not in WORKLOADS]
    if unknown:
        print(f"no workload {', '.join(unknown)}; there are {', '.join(WORKLOADS)}")
        return 2
    results = Results()
    for name in names or WORKLOADS:
        WORKLOADS[name](results)
        results.save()
    print(f"written to {OUT.relative_to(OUT.parents[2])}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
