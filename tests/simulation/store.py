"""The store port with an owner that may die at any call, and commits whose outcome is unclear."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from domain.ports import (
    Claim,
    ClaimAsk,
    InboxRow,
    LaneBelief,
    LaneLost,
    LaneWrite,
    Overdue,
    Receipt,
    Reply,
    Store,
    StoredStream,
    StoreFailed,
    Transaction,
    Verdict,
)
from tests.simulation.dice import Dice

__all__ = ["EngineCrash", "FaultyStore", "Leases"]

Json = Any


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

    def belief(self, lane: int) -> LaneBelief:
        return self._inner.belief(lane)

    def begin(self, belief: LaneBelief) -> Transaction:
        if self._dice.hits("engine crashed"):
            raise EngineCrash("at begin")
        if self._dice.hits("lane lost"):
            raise LaneLost("somebody else has it")
        return FaultyTransaction(self._inner.begin(belief), self._dice, self._leases)

    def definitions(self) -> Iterable[tuple[bytes, bytes]]:
        return self._inner.definitions()

    def next_due_us(self, lane: int) -> int | None:
        return self._inner.next_due_us(lane)

    def close(self) -> None:
        self._inner.close()


class FaultyTransaction:
    """Fills `domain.ports.Transaction`: before and after every write the process may die."""

    def __init__(self, inner: Transaction, dice: Dice, leases: Leases) -> None:
        self._inner = inner
        self._dice = dice
        self._leases = leases
        self._started: list[tuple[str, int, str]] = []
        self._claims: list[Claim] = []
        self._is_over = False

    # --- reads ---------------------------------------------------------------------------------

    def load(self, stream: UUID) -> StoredStream:
        return self._inner.load(stream)

    def receipt(self, tenant: str, source: str, id: str) -> Receipt | None:
        return self._inner.receipt(tenant, source, id)

    def next_root(self) -> int:
        return self._inner.next_root()

    def inbox(self, limit: int) -> Sequence[InboxRow]:
        return self._inner.inbox(limit)

    def parked(self) -> Sequence[UUID]:
        return self._inner.parked()

    def due_timers(self, until_us: int, limit: int) -> Sequence[tuple[UUID, int]]:
        return self._inner.due_timers(until_us, limit)

    # --- writes --------------------------------------------------------------------------------

    def claim(self, ask: ClaimAsk, *, now_us: int, lease_us: int) -> Sequence[Claim]:
        found = self._write(lambda: self._inner.claim(ask, now_us=now_us, lease_us=lease_us))
        self._claims += found
        self._started += [
            (c.dispatch.effect, c.dispatch.attempt, c.dispatch.kind) for c in found if c.started
        ]
        return found

    def start(self, reply: Reply, *, now_us: int, lease_us: int) -> Verdict:
        verdict = self._write(lambda: self._inner.start(reply, now_us=now_us, lease_us=lease_us))
        row = verdict.dispatch
        if verdict.status == "ok" and row is not None:
            self._started.append((row.effect, row.attempt, row.kind))
        return verdict

    def heartbeat(self, reply: Reply, *, now_us: int, lease_us: int) -> Verdict:
        return self._write(lambda: self._inner.heartbeat(reply, now_us=now_us, lease_us=lease_us))

    def take_reply(self, reply: Reply) -> Verdict:
        return self._write(lambda: self._inner.take_reply(reply))

    def withdraw(self, effect: str) -> bool:
        return self._write(lambda: self._inner.withdraw(effect))

    def sweep(self, *, now_us: int, limit: int) -> Sequence[Overdue]:
        return self._write(lambda: self._inner.sweep(now_us=now_us, limit=limit))

    def register(
        self, document: bytes, *, hash: bytes, saga: str, version: int, by: str, now_us: int
    ) -> None:
        self._write(
            lambda: self._inner.register(
                document, hash=hash, saga=saga, version=version, by=by, now_us=now_us
            )
        )

    def redriven(self, dead_letter: int, status: str) -> None:
        self._write(lambda: self._inner.redriven(dead_letter, status))

    def write(self, write: LaneWrite, *, clock_us: int) -> LaneBelief:
        return self._write(lambda: self._inner.write(write, clock_us=clock_us))

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
