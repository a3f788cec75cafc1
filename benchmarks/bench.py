"""What a workload is given, and what several of them do alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.results import Results
from benchmarks.rig import Rig
from benchmarks.saga import PAD
from benchmarks.shapes import Shape
from benchmarks.sizes import Sizes

__all__ = ["Bench", "percentile", "run_sagas"]


@dataclass(frozen=True, slots=True)
class Bench:
    """The shape under measurement, how much, and where figures go."""

    shape: Shape
    sizes: Sizes
    results: Results

    def add(self, workload: str, figure: str, value: float, unit: str, method: str) -> None:
        """Keep a figure of this shape."""
        self.results.add(self.shape.name, workload, figure, value, unit, method)


def run_sagas(
    engine: Rig, event: str, saga: str, name: str, count: int, *, ends: str = "fulfilled"
) -> float:
    """Publish so many starts; seconds from the first publish until all have ended."""
    wanted = engine.count(saga, ends) + count
    begun = time.perf_counter()
    engine.publish(event, [{"id": f"{name}-{n}", "pad": PAD} for n in range(count)])
    return engine.wait_ended(saga, ends, wanted) - begun


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of them do not exceed (0.5 is the median)."""
    ordered = sorted(values)
    if share == 0.5:
        return statistics.median(ordered)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
