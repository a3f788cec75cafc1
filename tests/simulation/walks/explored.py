"""`python -m tests.simulation.walks.explored --definitions 100`: every run of drawn definitions.

Where a walk moves by chance, the explorer of definitions (`troth-engine check --explore`) tries all
that may happen, within narrow bounds: it sees what is too seldom for chance, and less far. Exit
code 1 when a run breaks a promise; its definition and the shortest such run are printed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import secrets
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

from sagas.explore import NARROW, as_lines, explore
from tests.simulation.parent import end_with_parent
from tests.simulation.walks.__main__ import FRESH_BITS
from tests.simulation.walks.drawn import drawn
from tests.simulation.walks.outline import outline

__all__ = ["Explored", "explored"]

STATES_MAX = 2_000
"""Of one definition: many small looks find more than a few deep ones."""
TOLD_EVERY = 100


@dataclass(frozen=True, slots=True)
class Explored:
    """What was looked at of a definition; `broken` is empty, or the shortest run that breaks it."""

    number: int
    states: int
    moves: int
    is_complete: bool
    broken: tuple[str, ...] = ()


def explored(number: int, states_max: int = STATES_MAX) -> Explored:
    """Every run of the definition of this number, within narrow bounds and so many states."""
    document = drawn(number).document
    found = explore(document, replace(NARROW, retried_debts=1, states=states_max))
    broken: tuple[str, ...] = ()
    if found.broken is not None:
        broken = (*outline(document).split("\n"), *as_lines(found.broken.way(), found.why))
    return Explored(number, found.states, found.moves, found.is_complete, broken)


def main() -> int:
    """Explore, and say what was seen."""
    asked = _arguments()
    first = secrets.randbits(FRESH_BITS) if asked.first is None else asked.first
    count = states = moves = whole = wrong = 0
    for found in _all(range(first, first + asked.definitions), asked.states, asked.jobs):
        count, states, moves = count + 1, states + found.states, moves + found.moves
        whole += found.is_complete
        if found.broken:
            wrong += 1
            _say("\n  ".join([f"definition {found.number} breaks a promise:", *found.broken]))
        if count % TOLD_EVERY == 0 or count == asked.definitions:
            _say(
                f"{count:,} definitions from {first} on, {whole:,} of them to the end; "
                f"{states:,} states, {moves:,} moves; {wrong} with a run that breaks a promise"
            )
    return int(wrong > 0)


def _all(numbers: range, states_max: int, jobs: int) -> Iterator[Explored]:
    limits = [states_max] * len(numbers)
    if jobs == 1:
        yield from map(explored, numbers, limits)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs or os.cpu_count(), context, end_with_parent) as pool:
        yield from pool.map(explored, numbers, limits)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.walks.explored")
    parser.add_argument("--definitions", type=int, default=100, help="how many")
    parser.add_argument("--from", type=int, dest="first",
                        help="the number of the first one; else a fresh one")  # fmt: skip
    parser.add_argument("--states", type=int, default=STATES_MAX, help="of each at the most")
    parser.add_argument("--jobs", type=int, default=1, help="processes; 0: one for each core")
    return parser.parse_args()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
