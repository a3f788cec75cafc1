"""What goes wrong on purpose under a lane: decides that raise, a database that refuses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from consumers.core import Core
from consumers.registry import Registry
from domain.messages import Open
from domain.ports import LaneBelief, LaneWrite, StoreFailed, Transaction
from sagas.decide import decide as real_decide
from tests.integration.lane_world import World

POISON: set[tuple[str, type]] = set()
"""Which commitments, by key, raise at which message."""


def poisoned(definition: Any, state: Any, message: Any, **more: Any) -> Any:
    key = message.key if isinstance(message, Open) else state.key
    if (key, type(message)) in POISON:
        raise ArithmeticError(f"{key} cannot take it")
    return real_decide(definition, state, message, **more)


def poisoned_core(registry: Registry) -> Core:
    return Core(registry, decide=poisoned)


class Breaking:
    """A transaction that fails where it is told to."""

    def __init__(self, real: Transaction, world: BrokenWorld) -> None:
        self._real = real
        self._world = world

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def write(self, write: LaneWrite, *, clock_us: int) -> Sequence[LaneBelief]:
        self._world.check(write)
        return self._real.write(write, clock_us=clock_us)

    def commit(self) -> None:
        self._real.commit()
        if self._world.unclear:
            raise self._world.unclear.pop()


class BrokenWorld:
    """Makes a world's store refuse data that holds a word, or fail as a whole."""

    def __init__(self, world: World) -> None:
        self.word: bytes | None = None
        self.failures: list[Exception] = []
        self.unclear: list[Exception] = []
        self.writes = 0
        self._begin = world.store.begin
        world.store.begin = self.begin

    def begin(self, *beliefs: LaneBelief) -> Any:
        return Breaking(self._begin(*beliefs), self)

    def check(self, write: LaneWrite) -> None:
        self.writes += 1
        if self.failures:
            raise self.failures.pop()
        if self.word is not None and any(self.word in e.state for e in write.events):
            raise StoreFailed("store.failed", "a value that cannot be stored")


def die_at(word: bytes) -> Any:
    """A check that ends the process at data that holds the word."""

    def check(write: LaneWrite) -> None:
        if any(word in event.state for event in write.events):
            raise KeyboardInterrupt

    return check
