"""Worlds in several processes at once, each with its share of the seeds."""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

from tests.simulation.options import Options
from tests.simulation.parent import end_with_parent
from tests.simulation.shrink import shrunk
from tests.simulation.world import Outcome, run_seed

__all__ = ["lived"]

GC_ALLOCATIONS, GC_MIDDLE, GC_OLD = 10_000, 20, 10
"""How seldom a process that does nothing else collects: it took a sixth of 15 worlds."""


def lived(seeds: Sequence[int], options: Options, *, whole: bool, jobs: int) -> Iterator[Outcome]:
    """Every world, as each ends; what is in one is a matter of its seed, never of the process.

    One that fails is made small unless `whole`, in the process that found it.
    """
    if jobs <= 1:
        for seed in seeds:
            yield _live(seed, options, whole)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, _begin) as pool:
        for future in as_completed([pool.submit(_live, seed, options, whole) for seed in seeds]):
            yield future.result()


def _begin() -> None:
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, GC_MIDDLE, GC_OLD)
    end_with_parent()


def _live(seed: int, options: Options, whole: bool) -> Outcome:
    outcome = run_seed(seed, options)
    if outcome.violation is None or whole:
        return outcome
    return shrunk(outcome)
