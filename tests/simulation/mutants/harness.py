"""What a mutant is, and hunting one through seeds until an invariant fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from unittest.mock import patch

from tests.simulation.world import run_seed

__all__ = ["MUTANTS", "Caught", "Mutant", "hunt", "mutant", "replaced", "reworded", "wrapped"]

Breakage = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A breakage. `promise` is the number of what it breaks in docs/guarantees.md.

    None is for what flows say beyond that list: locks, pauses, second starts, tenants.
    """

    name: str
    told: str
    breaks: Breakage
    promise: int | None


@dataclass(frozen=True, slots=True)
class Caught:
    """By which seed, which invariant failed, and after how many seeds."""

    seed: int
    invariant: str
    detail: str
    seeds: int
    wall_s: float


MUTANTS: dict[str, Mutant] = {}


def mutant(*, promise: int | None = None) -> Callable[[Callable[[], Iterator[None]]], Breakage]:
    """Make a generator function that breaks the engine while it runs a mutant, by its name."""

    def register(function: Callable[[], Iterator[None]]) -> Breakage:
        breaks = contextmanager(function)
        name = function.__name__
        assert name not in MUTANTS, name
        MUTANTS[name] = Mutant(name, (function.__doc__ or "").strip(), breaks, promise)
        return breaks

    return register


def hunt(found: Mutant, seeds: Iterable[int]) -> Caught | None:
    """The first of the seeds that sees the breakage."""
    began_s = time.perf_counter()
    for count, seed in enumerate(seeds, 1):
        with found.breaks():
            outcome = run_seed(seed)
        if outcome.violation is not None:
            # What broke must be the engine, not the simulator or this harness.
            assert outcome.violation.name != "fault", outcome.violation
            if not _holds(seed):
                continue  # the engine itself fails there: that says nothing about the breakage
            wall_s = time.perf_counter() - began_s
            told = outcome.violation
            return Caught(seed, told.name, told.detail, count, wall_s)
    return None


@cache
def _holds(seed: int) -> bool:
    """Whether the whole engine keeps every invariant there: lived through once for all mutants."""
    return run_seed(seed).violation is None


# --- tools: each fails loudly when what it breaks has another name by now --------------------


@contextmanager
def replaced(owner: Any, name: str, by: Any) -> Iterator[None]:
    """Something else in the place of a function, class or text."""
    with patch.object(owner, name, by):
        yield


@contextmanager
def wrapped(owner: Any, name: str, around: Callable[..., Any]) -> Iterator[None]:
    """`around(real, *args)` in the place of a function."""
    real = getattr(owner, name)

    def instead(*args: Any, **more: Any) -> Any:
        return around(real, *args, **more)

    with patch.object(owner, name, instead):
        yield


@contextmanager
def reworded(owner: Any, name: str, old: str, new: str) -> Iterator[None]:
    """A statement with other words."""
    text = getattr(owner, name)
    assert old in text, f"{name} says {old!r} no more"
    with patch.object(owner, name, text.replace(old, new)):
        yield
