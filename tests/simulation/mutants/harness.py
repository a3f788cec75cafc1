"""What a mutant is, and hunting one through seeds until an invariant fails."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from types import FunctionType
from typing import Any
from unittest.mock import patch

from tests.simulation.kinds import Kinds, kinds_of
from tests.simulation.options import WHOLE
from tests.simulation.world import run_seed

__all__ = ["MUTANTS", "Caught", "Mutant", "hunt", "mutant", "replaced", "reworded", "wrapped"]

Breakage = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A breakage. `promise` is the number of what it breaks in docs/guarantees.md.

    None is for what flows say beyond that list: locks, pauses, second starts, tenants. `seen` says
    of which kinds worlds are that can see it.
    """

    name: str
    told: str
    breaks: Breakage
    promise: int | None
    seen: Callable[[Kinds], bool]

    def is_for(self, seed: int) -> bool:
        """Whether the world of a seed is of such a kind."""
        return self.seen(kinds_of(seed, WHOLE))


@dataclass(frozen=True, slots=True)
class Caught:
    """By which seed, which invariant failed, and after how many worlds that could see it."""

    seed: int
    invariant: str
    detail: str
    worlds: int
    wall_s: float


MUTANTS: dict[str, Mutant] = {}


def mutant(
    *, promise: int | None = None, seen: Callable[[Kinds], bool] = lambda _: True
) -> Callable[[Callable[[], Iterator[None]]], Breakage]:
    """Make a generator function that breaks the engine while it runs a mutant, by its name."""

    def register(function: Callable[[], Iterator[None]]) -> Breakage:
        breaks = contextmanager(function)
        name = function.__name__
        assert name not in MUTANTS, name
        MUTANTS[name] = Mutant(name, (function.__doc__ or "").strip(), breaks, promise, seen)
        return breaks

    return register


def hunt(found: Mutant, seeds: Iterable[int]) -> Caught | None:
    """The first of the seeds that sees the breakage. Worlds of other kinds are passed over."""
    began_s = time.perf_counter()
    for count, seed in enumerate(filter(found.is_for, seeds), 1):
        whole = _whole(seed)
        if not whole.holds or not whole.called & _places(found.name):
            # The engine itself fails there, which says nothing; or what is broken is never called.
            continue
        with found.breaks():
            told = run_seed(seed).violation
        if told is not None:
            # What broke must be the engine, not the simulator or this harness.
            assert told.name != "fault", told
            wall_s = time.perf_counter() - began_s
            return Caught(seed, told.name, told.detail, count, wall_s)
    return None


@dataclass(frozen=True, slots=True)
class _Whole:
    """A seed lived through by the whole engine, once for all mutants: what they break, if called.

    A text, such as a statement, counts as called.
    """

    holds: bool
    called: set[tuple[int, str]]


@cache
def _whole(seed: int) -> _Whole:
    called: set[tuple[int, str]] = set()
    with ExitStack() as watching:
        for owner, name in {(id(o), n): (o, n) for m in MUTANTS for o, n in _broken(m)}.values():
            place = id(owner), name
            if isinstance(getattr(owner, name), FunctionType):
                watching.enter_context(wrapped(owner, name, _noting(called, place)))
            else:
                called.add(place)
        violation = run_seed(seed).violation
    if violation is not None:
        sys.stdout.write(f"seed {seed} finds something in the whole engine: {violation}\n")
    return _Whole(violation is None, called)


def _noting(called: set[tuple[int, str]], place: tuple[int, str]) -> Callable[..., Any]:
    def note(real: Any, *args: Any, **more: Any) -> Any:
        called.add(place)
        return real(*args, **more)

    return note


def _places(mutant: str) -> set[tuple[int, str]]:
    return {(id(owner), name) for owner, name in _broken(mutant)}


@cache
def _broken(mutant: str) -> list[tuple[Any, str]]:
    """What a mutant puts something else in the place of."""
    _REPLACED.clear()
    with MUTANTS[mutant].breaks():
        return list(_REPLACED)


_REPLACED: list[tuple[Any, str]] = []


# --- tools: each fails loudly when what it breaks has another name by now --------------------


@contextmanager
def replaced(owner: Any, name: str, by: Any) -> Iterator[None]:
    """Something else in the place of a function, class or text."""
    _REPLACED.append((owner, name))
    with patch.object(owner, name, by):
        yield


@contextmanager
def wrapped(owner: Any, name: str, around: Callable[..., Any]) -> Iterator[None]:
    """`around(real, *args)` in the place of a function."""
    real = getattr(owner, name)

    def instead(*args: Any, **more: Any) -> Any:
        return around(real, *args, **more)

    with replaced(owner, name, instead):
        yield


@contextmanager
def reworded(owner: Any, name: str, old: str, new: str) -> Iterator[None]:
    """A statement with other words."""
    text = getattr(owner, name)
    assert old in text, f"{name} says {old!r} no more"
    with replaced(owner, name, text.replace(old, new)):
        yield
