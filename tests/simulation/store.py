"""The store port with an owner that may die at any call, and commits whose outcome is unclear."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domain.ports import (
    Claim,
    Dispatch,
    InboxRow,
    LaneBelief,
    LaneLost,
    LaneWrite,
    PassedAnswer,
    Reply,
    Store,
    StoreConflict,
    StoreFailed,
    Transaction,
    Verdict,
)
from tests.simulation.core import MailOrder
from tests.simulation.dice import Dice

__all__ = ["EngineCrash", "FaultyStore", "Leases", "Torn"]

Json = Any
_READS = frozenset({"load", "receipt", "next_root", "parked", "due_timers"})


class EngineCrash(BaseException):
    """The engine's process is gone. Nothing in it may catch this, as nothing catches a kill."""


class Torn(EngineCrash):
    """It went in the middle of a commit; `file` and `log` are what lay there before.

    `survived` is called where the commit turns out to be there.
    """

    def __init__(self, file: bytes, log: bytes, survived: Callable[[], None]) -> None:
        super().__init__("in the middle of a commit")
        self.file = file
        self.log = log
        self.survived = survived


@dataclass(slots=True)
class Leases:
    """What was committed about who may act, and what was wrong with it.

    `started` and `replied` are (effect, attempt, kind); `current` is the token of the last claim.
    """

    started: set[tuple[str, int, str]] = field(default_factory=set)
    tokens: list[Claim] = field(default_factory=list)
    current: dict[str, str] = field(default_factory=dict)
    replied: set[tuple[str, int, str]] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    doubted: set[tuple[str, int]] = field(default_factory=set)
    """Attempts that the lost time may have made: nobody may be given them."""
    doubt_until_us: int = 0
    restored_us: int = 0
    stale: set[str] = field(default_factory=set)
    """Tokens that were given in the lost time, or before the copy was put back."""

    def doubt(self, offered: Iterable[Dispatch], clock_us: int) -> list[tuple[str, int, str]]:
        """The attempts that are commanded in doubt: they stand as started."""
        if clock_us >= self.doubt_until_us:
            return []
        found = [
            d for d in offered
            if d.needs_start and d.kind == "do"
            and (d.heard_us is None or d.heard_us <= self.restored_us)
        ]  # fmt: skip
        return [(d.effect, d.attempt, d.kind) for d in found]


class FaultyStore:
    """Fills `domain.ports.Store` over another store.

    `stopped` lets the other processes go on while this one stands still within a transaction.
    """

    def __init__(
        self, inner: Store, dice: Dice, leases: Leases, stopped: Callable[[], None],
        order: MailOrder,
    ) -> None:  # fmt: skip
        self._inner = inner
        self._dice = dice
        self._leases = leases
        self._stopped = stopped
        self._order = order
        self._path = Path(getattr(inner, "path", ""))
        self._is_shared = inner.lanes > 1
        self.lanes = inner.lanes
        self.incarnation = inner.incarnation

    def belief(self, lane: int) -> LaneBelief:
        return self._inner.belief(lane)

    def begin(self, *beliefs: LaneBelief) -> Transaction:
        if self._dice.hits("engine crashed"):
            raise EngineCrash("at begin")
        if self._dice.hits("lane lost"):
            raise LaneLost("somebody else has it")
        opened = self._inner.begin(*beliefs)
        for belief in beliefs:
            row = self._now(belief.lane)
            if row is None or (row.epoch, row.head) != (belief.epoch, belief.head):
                self._leases.wrong.append(f"lane {belief.lane} is written by who lost it")
        self._order.begins()
        tx: Any = FaultyTransaction(opened, self._dice, self._leases, self._order)
        if self._is_shared:
            tx.stopped = self._stopped
        else:
            tx.path = self._path
        return tx

    def _now(self, lane: int) -> LaneBelief | None:
        """The lane as it is; None where somebody else has it."""
        try:
            return self._inner.belief(lane)
        except LaneLost:
            return None

    def definitions(self) -> Iterable[tuple[bytes, bytes]]:
        return self._inner.definitions()

    def next_due_us(self, *lanes: int) -> int | None:
        return self._inner.next_due_us(*lanes)

    def answers(self, asker: str) -> Sequence[PassedAnswer]:
        return self._inner.answers(asker)

    def take_back_tries(self, lanes: Sequence[int], rows: Sequence[int]) -> None:
        self._inner.take_back_tries(lanes, rows)

    def close(self) -> None:
        self._inner.close()


class FaultyTransaction:
    """Fills `domain.ports.Transaction`: before and after every write the process may die."""

    def __init__(self, inner: Transaction, dice: Dice, leases: Leases, order: MailOrder) -> None:
        self.routing, self.foresees = inner.routing, inner.foresees
        self._inner = inner
        self._dice = dice
        self._leases = leases
        self._order = order
        self._started: list[tuple[str, int, str]] = []
        self._doubted: set[tuple[str, int]] = set()
        self._claims: list[Claim] = []
        self._replied: list[tuple[str, int, str]] = []
        self._is_over = False
        self.path: Path | None = None
        self.stopped: Callable[[], None] | None = None

    def __getattr__(self, name: str) -> Any:
        """Every other call of the port: reads pass, a write may be the last thing that happens."""
        method = getattr(self._inner, name)
        if name in _READS:
            return method
        return lambda *args, **more: self._write(lambda: method(*args, **more))

    def inbox(self, limit: int) -> Sequence[InboxRow]:
        rows = self._inner.inbox(limit)
        self._order.read(rows)
        return rows

    def claim(self, *args: Any, **more: Any) -> Sequence[Claim]:
        found = self._write(lambda: self._inner.claim(*args, **more))
        for c in found:
            self._is_no_doubt(c.dispatch)
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
            self._is_no_doubt(row)
            self._is_current(args[0], row)
        return verdict

    def heartbeat(self, *args: Any, **more: Any) -> Verdict:
        verdict = self._write(lambda: self._inner.heartbeat(*args, **more))
        if verdict.dispatch is not None:
            self._is_current(args[0], verdict.dispatch)
        return verdict

    def take_reply(self, reply: Reply) -> Verdict:
        verdict = self._write(lambda: self._inner.take_reply(reply))
        row = verdict.dispatch
        if verdict.status == "ok" and row is not None:
            self._replied.append((row.effect, row.attempt, row.kind))
            self._is_current(reply, row)
        return verdict

    def write(self, write: LaneWrite, *, clock_us: int) -> Sequence[LaneBelief]:
        doubted = self._leases.doubt(write.offered, clock_us)
        self._started += doubted
        self._doubted |= {(effect, attempt) for effect, attempt, _ in doubted}
        return self._write(lambda: self._inner.write(write, clock_us=clock_us))

    def doubts(self, dispatch: Dispatch, *, clock_us: int) -> bool:
        """Taken back before it was written, it counts as started all the same."""
        found = self._inner.doubts(dispatch, clock_us=clock_us)
        if found:
            self._started.append((dispatch.effect, dispatch.attempt, dispatch.kind))
        return found

    def _is_no_doubt(self, row: Dispatch) -> None:
        doubted = self._leases.doubted | self._doubted
        if (row.effect, row.attempt) in doubted and row.kind == "do":
            told = f"{row.contract} {row.effect[:8]} is given out, though it may have happened"
            self._leases.wrong.append(told)

    def _is_current(self, reply: Reply, row: Dispatch) -> None:
        if reply.token in self._leases.stale:
            told = f"{row.effect[:8]} is held by {reply.token}, of before the restore"
            self._leases.wrong.append(told)
        if reply.tenant not in (None, row.tenant):
            told = f"{row.effect[:8]} of {row.tenant} is touched by {reply.tenant}"
            self._leases.wrong.append(told)
        known = self._leases.current.get(reply.effect)
        if known is not None and known != reply.token:
            told = f"{reply.effect[:8]} is answered with {reply.token}, held by {known}"
            self._leases.wrong.append(told)

    def _write(self, call: Callable[[], Any]) -> Any:
        dice = self._dice
        if dice.hits("engine crashed"):
            raise EngineCrash("before a write")
        if dice.hits("write failed"):
            raise StoreFailed("store.full", "the disk is full, between two writes")
        if self.stopped is not None:
            if dice.hits("write conflict"):
                raise StoreConflict("another process wrote first")
            if dice.hits("stopped in a transaction"):
                self._end_backend()
        done = call()
        if self._dice.hits("engine crashed"):
            raise EngineCrash("after a write")
        return done

    def _end_backend(self) -> None:
        """Whoever took the lanes over ended our connection first: nothing of this remains."""
        assert self.stopped is not None
        self._inner.rollback()
        self._is_over = True
        self.stopped()
        raise StoreFailed("store.gone", "the connection was ended")

    # --- the end -------------------------------------------------------------------------------

    def commit(self) -> None:
        if self._dice.hits("crashed before commit"):
            raise EngineCrash("before the commit")
        if self._dice.hits("commit failed"):
            raise StoreFailed("store.full", "the disk is full")
        if self.stopped is not None and self._dice.hits("stopped in a transaction"):
            self._end_backend()
        if self.path is not None and self._dice.hits("write torn"):
            log = Path(f"{self.path}-wal")
            before = log.read_bytes() if log.exists() else b""
            torn = Torn(self.path.read_bytes(), before, self._note)
            self._inner.commit()
            raise torn
        self._inner.commit()
        self._is_over = True
        self._note()
        if self._dice.hits("crashed after commit"):
            raise EngineCrash("after the commit")
        if self._dice.hits("commit unclear"):
            raise StoreFailed("store.locked", "nobody knows whether it was committed")

    def _note(self) -> None:
        self._leases.started.update(self._started)
        # What was commanded in doubt and rolled back is commanded anew, perhaps in doubt no more.
        self._leases.doubted |= self._doubted
        self._leases.tokens += self._claims
        self._leases.replied.update(self._replied)
        self._leases.current.update((c.dispatch.effect, c.token) for c in self._claims)

    def rollback(self) -> None:
        if not self._is_over:
            self._inner.rollback()
