"""Walks in numbers: definitions one after the other, on one core or on several."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import count

from tests.simulation.parent import end_with_parent
from tests.simulation.walks.drawn import drawn
from tests.simulation.walks.shrink import shrunk
from tests.simulation.walks.walk import Outcome, walked

__all__ = ["Seen", "found_in", "hunted"]

WALKS_PER_DEFINITION = 16
AHEAD = 4
"""Definitions given to each process before the first of them is done."""


@dataclass(slots=True)
class Seen:
    """What walks have seen; of each invariant that failed the smallest walk."""

    definitions: int = 0
    walks: int = 0
    events: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    moves: Counter[str] = field(default_factory=Counter)
    topics: Counter[str] = field(default_factory=Counter)
    covered: set[tuple[str, str]] = field(default_factory=set)
    violations: Counter[str] = field(default_factory=Counter)
    smallest: dict[str, Outcome] = field(default_factory=dict)

    def add(self, other: Seen) -> None:
        """Take in what others have seen."""
        self.definitions += other.definitions
        self.walks += other.walks
        self.events += other.events
        for mine, theirs in (
            (self.ends, other.ends), (self.moves, other.moves), (self.topics, other.topics),
            (self.violations, other.violations),
        ):  # fmt: skip
            mine.update(theirs)
        self.covered |= other.covered
        for outcome in other.smallest.values():
            self._note(outcome)

    def take(self, outcome: Outcome) -> None:
        """One walk. A violation is counted by `fail`, when it is small."""
        self.walks += 1
        self.events += outcome.events
        self.ends[outcome.status] += 1
        self.moves.update(outcome.moves)
        self.topics.update(outcome.topics)
        self.covered |= outcome.covered

    def fail(self, outcome: Outcome) -> None:
        """A walk that broke an invariant."""
        assert outcome.violation is not None
        self.violations[outcome.violation.name] += 1
        self._note(outcome)

    def _note(self, outcome: Outcome) -> None:
        assert outcome.violation is not None
        known = self.smallest.get(outcome.violation.name)
        if known is None or len(outcome.made) < len(known.made):
            self.smallest[outcome.violation.name] = outcome


def found_in(number: int, walks: int) -> Seen:
    """The walks of one definition; the first that breaks an invariant is made small."""
    given, seen = drawn(number), Seen(definitions=1)
    for walk in range(walks):
        outcome = walked(given, walk)
        seen.take(outcome)
        if outcome.violation is not None:
            is_known = outcome.violation.name in seen.smallest
            seen.fail(outcome if is_known else shrunk(given, outcome))
    return seen


def hunted(first: int, walks: int, *, wall_s: float | None, jobs: int) -> Iterator[Seen]:
    """What each definition from `first` on shows, until there are so many walks, or time is up."""
    began_s = time.monotonic()
    shares = _shares(first, walks)
    if jobs <= 1:
        for share in shares:
            yield found_in(*share)
            if wall_s is not None and time.monotonic() - began_s > wall_s:
                return
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, end_with_parent) as pool:
        under_way: list[Future[Seen]] = []
        for share in shares:
            under_way.append(pool.submit(found_in, *share))
            if len(under_way) >= jobs * AHEAD:
                yield under_way.pop(0).result()
            if wall_s is not None and time.monotonic() - began_s > wall_s:
                break
        for future in under_way:
            yield future.result()


def _shares(first: int, walks: int) -> Iterator[tuple[int, int]]:
    """Definitions by their numbers, and how many walks each has."""
    for number in count(first):
        if walks <= 0:
            return
        yield number, min(walks, WALKS_PER_DEFINITION)
        walks -= WALKS_PER_DEFINITION
