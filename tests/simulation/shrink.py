"""A failing world made small: without the faults and the people that the failure does not need."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from tests.simulation.kinds import KINDS
from tests.simulation.options import WHOLE, Options
from tests.simulation.world import Outcome, run_seed

__all__ = ["shrunk"]

RUNS_MAX = 60
WALL_S_MAX = 60.0
PEOPLE = ("operators", "strangers", "approvers", "new versions", "catalogue", *KINDS)


def shrunk(failed: Outcome) -> Outcome:
    """The smallest world found that breaks the same invariant; what failed, if none is smaller."""
    assert failed.violation is not None
    best, began_s, runs = failed, time.monotonic(), 0
    moved = True
    while moved:
        moved = False
        for smaller in _smaller(best):
            if runs >= RUNS_MAX or time.monotonic() - began_s > WALL_S_MAX:
                return best
            runs += 1
            outcome = run_seed(failed.seed, smaller)
            found = outcome.violation
            if found is not None and found.name == failed.violation.name:
                best, moved = outcome, True
                break
    return best


def _smaller(outcome: Outcome) -> Iterator[Options]:
    """What to leave out next, the most first."""
    options = outcome.options or WHOLE
    hits, stories = sum(outcome.faults.values()), outcome.stories
    if hits:
        yield from (replace(options, hits_max=n) for n in sorted({0, hits // 2, hits - 1}))
    for name in (*(kind for kind, _ in outcome.faults.most_common()), *PEOPLE):
        if name not in options.without:
            yield replace(options, without=options.without | {name})
    if stories > 1:
        yield from (replace(options, stories_max=n) for n in sorted({1, stories // 2, stories - 1}))
