"""A walk that found something, made small: without the moves that it does not need."""

from __future__ import annotations

from collections.abc import Iterator

from tests.simulation.walks.drawn import Drawn
from tests.simulation.walks.walk import Outcome, walked

__all__ = ["shrunk"]

WALKS_MAX = 400


def shrunk(drawn: Drawn, failed: Outcome) -> Outcome:
    """The smallest walk found that breaks the same invariant, with its trace."""
    assert failed.violation is not None
    best, tried, moved = failed, 0, True
    while moved:
        moved = False
        for without in _smaller(best):
            if tried >= WALKS_MAX:
                break
            tried += 1
            outcome = walked(drawn, failed.number, without)
            if outcome.violation is not None and outcome.violation.name == failed.violation.name:
                best, moved = outcome, True
                break
    return walked(drawn, failed.number, best.without, is_traced=True)


def _smaller(outcome: Outcome) -> Iterator[frozenset[int]]:
    """What to leave out next: half of the moves, a quarter, ... one."""
    size = len(outcome.made)
    while size > 1:
        size = (size + 1) // 2
        for start in range(0, len(outcome.made), size):
            yield outcome.without | {*outcome.made[start : start + size]}
    if len(outcome.made) == 1:
        yield outcome.without | {*outcome.made}
