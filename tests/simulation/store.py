"""The store port with an owner that may die at any call, and commits whose outcome is unclear."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain.ports import (
    Claim,
    LaneBelief,
    LaneLost,
    PassedAnswer,
    Store,
    StoreFailed,
    Transaction,
    Verdict,
)
from tests.simulation.dice import Dice

__all__ = ["EngineCrash", "FaultyStore", "Leases"]

Json = Any
_READS = frozenset({"load", "receipt", "next_root", "inbox", "parked", "due_timers"})


class EngineCrash(BaseException):
    """The engine's process is gone. Nothing in it may catch this, as nothing catches a kill."""


@dataclass(slots=True)
class Leases:
    """What was committed about who may act: (effect, attempt, kind) that were started."""

    started: set[tuple[str, int, str]] = field(default_factory=set)
    tokens: list[Claim] = field(default_factory=list)


class FaultyStore:
    """Fills `domain.ports.Store` over another store."""

    def __init__(self, inner: Store, dice: Dice, leases: Leases) -> None:
        self._inner = inner
        self._dice = dice
        self._leases = leases
        self.lanes = inner.lanes
        self.incarnation = inner.incarnation

    def belief(self, lane: int) -> LaneBelief:
        return self._inner.belief(lane)

    def begin(self, *beliefs: LaneBelief) -> Transaction:
        if self._dice.hits("engine crashed"):
            raise EngineCrash("at begin")
        if self._dice.hits("lane lost"):
            raise LaneLost("somebody else has it")
        tx: Any = FaultyTransaction(self._inner.begin(*beliefs), self._dice, self._leases)
        return tx

    def definitions(self) -> Iterable[tuple[bytes, bytes]]:
        return self._inner.definitions()

    def next_due_us(self, *lanes: int) -> int | None:
        return self._inner.next_due_us(*lanes)

    def answers(self, asker: str) -> Sequence[PassedAnswer]:
        return self._inner.answers(asker)

    def close(self) -> None:
        self._inner.close()


class FaultyTransaction:
    """Fills `domain.ports.Transaction`: before and after every write the process may die."""

    def __init__(self, inner: Transaction, dice: Dice, leases: Leases) -> None:
        self.routing, self.foresees = inner.routing, inner.foresees
        self._inner = inner
        self._dice = dice
        self._leases = leases
        self._started: list[tuple[str, int, str]] = []
        self._claims: list[Claim] = []
        self._is_over = False

    def __getattr__(self, name: str) -> Any:
        """Every other call of the port: reads pass, a write may be the last thing that happens."""
        method = getattr(self._inner, name)
        if name in _READS:
            return method
        return lambda *args, **more: self._write(lambda: method(*args, **more))

    def claim(self, *args: Any, **more: Any) -> Sequence[Claim]:
        found = self._write(lambda: self._inner.claim(*args, **more))
        self._claims += found
        self._started += [
            (c.dispatch.effect, c.dispatch.attempt, c.dispatch.kind) for c in found if c.started
        ]
        return found

    def start(self, *args: Any, **more: Any) -> Verdict:
        verdict = self._write(lambda: self._inner.start(*args, **more))
        row = verdict.dispatch
        if verdict.status == "ok" and row is not None:
            self._started.append((row.effect, row.attempt, row.kind))
        return verdict

    def _write(self, call: Callable[[], Any]) -> Any:
        if self._dice.hits("engine crashed"):
            raise EngineCrash("before a write")
        done = call()
        if self._dice.hits("engine crashed"):
            raise EngineCrash("after a write")
        return done

    # --- the end -------------------------------------------------------------------------------

    def commit(self) -> None:
        if self._dice.hits("crashed before commit"):
            raise EngineCrash("before the commit")
        if self._dice.hits("commit failed"):
            raise StoreFailed("store.full", "the disk is full")
        self._inner.commit()
        self._is_over = True
        self._leases.started.update(self._started)
        self._leases.tokens += self._claims
        if self._dice.hits("crashed after commit"):
            raise EngineCrash("after the commit")
        if self._dice.hits("commit unclear"):
            raise StoreFailed("store.locked", "nobody knows whether it was committed")

    def rollback(self) -> None:
        if not self._is_over:
            self._inner.rollback()
