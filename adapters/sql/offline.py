"""Looking at a store without owning it: its log for verifying and exporting, and what doctor asks.

Everything is one read transaction, beside a running engine too; nothing is ever written.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from adapters.sql.log_rows import ALL_STREAMS, DEFINITIONS, LANE, STREAM, log_rows
from adapters.sql.reads import Row
from adapters.sql.views import VIEWS
from domain.chain import Checkpoint, LogRow

__all__ = ["Check", "Finding", "LaneRow", "OfflineStore", "Snapshot"]

FINDINGS_MAX = 100
"""Findings of one kind that are named; doctor is for people."""

Json = Any

_LANES = "SELECT lane, head, chain, clock_us, epoch FROM lanes ORDER BY lane"
_STREAMS = "SELECT count(DISTINCT stream) FROM events"
_FIND = """
SELECT commitment FROM current_steps
WHERE saga = ? AND key = ?{more}
ORDER BY run DESC LIMIT 1
"""
_NAMED = """
SELECT c.saga || '/' || c.key || '#' || c.run, c.tenant, c.status, c.step, c.since_us
FROM current_steps c WHERE c.commitment = ?
"""
# What a person or another message must do; a paused or held one waits for its operator. The store
# says how its JSON is asked what a commitment waits for.
_ASLEEP = """
SELECT c.commitment, c.since_us FROM current_steps c
WHERE c.status NOT IN ('fulfilled', 'compensated', 'failed', 'cancelled', 'paused', 'held')
  AND NOT EXISTS (SELECT 1 FROM timers t WHERE t.stream = c.commitment)
  AND NOT EXISTS (SELECT 1 FROM dispatches d WHERE d.stream = c.commitment)
  AND NOT EXISTS (SELECT 1 FROM inbox i WHERE i.stream = c.commitment)
  AND NOT EXISTS (SELECT 1 FROM parked_streams p WHERE p.stream = c.commitment)
  AND NOT EXISTS (SELECT 1 FROM approvals a WHERE a.commitment = c.commitment AND a.status = 'open')
  AND NOT EXISTS (SELECT 1 FROM tasks t WHERE t.commitment = c.commitment
    AND t.status IN ('offered', 'claimed'))
  AND NOT EXISTS (SELECT 1 FROM debts b WHERE b.commitment = c.commitment AND b.status = 'open')
  AND NOT EXISTS ({waits_for} IN ('event', 'approval', 'unknown', 'debt', 'child', 'lock',
    'throttle'))
ORDER BY c.since_us LIMIT ?
"""
_LEASES = """
SELECT stream, lease_until_us FROM dispatches
WHERE state <> 'offered' AND lease_until_us < ? ORDER BY lease_until_us LIMIT ?
"""
_TIMERS = """
SELECT t.stream, t.due_us FROM timers t WHERE t.due_us < ?
  AND NOT EXISTS (SELECT 1 FROM parked_streams p WHERE p.stream = t.stream)
ORDER BY t.due_us LIMIT ?
"""
_PARKED = "SELECT stream, since_us, reason, detail FROM parked_streams ORDER BY since_us LIMIT ?"


@dataclass(frozen=True, slots=True)
class LaneRow:
    """A lane as its row says: the head is a checkpoint of its chain."""

    lane: int
    head: Checkpoint
    clock_us: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Finding:
    """Something doctor found: the stream, since when, and what is known about it."""

    stream: UUID
    since_us: int
    named: str
    detail: str


@dataclass(frozen=True, slots=True)
class Check:
    """One thing doctor looked at: what was found, if anything, and what to do about it.

    `shown` is told also when it is as it should be.
    """

    name: str
    found: Sequence[str]
    remedy: str
    shown: Sequence[str] = ()


class Snapshot(Protocol):
    """A read transaction: every statement sees the store as it was at one moment.

    As `adapters.sql.reads.Reads`; every method raises StoreFailed when the database fails.
    """

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]: ...
    def row(self, sql: str, values: Sequence[Any] = ()) -> Row | None: ...
    def each(self, sql: str, values: Sequence[Any] = ()) -> Iterator[Row]:
        """The rows of a query one by one, however many there are."""
        ...

    def id(self, stream: UUID) -> Any: ...
    def state(self, stored: bytes) -> bytes: ...
    def close(self) -> None: ...


class OfflineStore(ABC):
    """A store that is only read, as it was at one moment. Every method raises StoreFailed.

    `path` names it to people.
    """

    waits_for: str
    """A query for the kinds of what the commitment `c` waits for, to be ended by `IN (...)`."""

    def __init__(self, path: str, db: Snapshot) -> None:
        self.path = path
        self._db = db
        found = db.row("SELECT id, incarnation FROM store")
        self._store: tuple[Any, ...] = found or ("", 0)

    @property
    def id(self) -> str:
        return self._store[0]

    @property
    def incarnation(self) -> int:
        return self._store[1]

    def close(self) -> None:
        self._db.close()

    @abstractmethod
    def now_us(self) -> int:
        """The clock by which the store's leases and timers go."""

    def checks(self) -> Sequence[Check]:
        """What only this kind of database is asked."""
        return []

    def lanes(self) -> list[LaneRow]:
        """Every lane."""
        return [
            LaneRow(lane, Checkpoint(head, chain), clock_us, epoch)
            for lane, head, chain, clock_us, epoch in self._db.rows(_LANES)
        ]

    @abstractmethod
    def damage(self) -> Sequence[str]:
        """What the database itself finds wrong with what it holds."""

    def rows(self, lane: int, *, after: int = 0, until: int = 2**62) -> Iterator[LogRow]:
        """The log of a lane, in order."""
        return self._rows(LANE, lane, after, until)

    def stream_rows(self, stream: UUID) -> Iterator[LogRow]:
        """The events of one stream, in order."""
        return self._rows(STREAM, self._db.id(stream))

    def streams(self) -> int:
        """How many streams there are."""
        row = self._db.row(_STREAMS)
        return int(row[0]) if row else 0

    def all_rows(self) -> Iterator[LogRow]:
        """The whole log, one stream after the other in the order of their ids."""
        return self._rows(ALL_STREAMS)

    def definitions(self) -> Iterator[Row]:
        """Hash and document of every registered definition."""
        return self._db.each(DEFINITIONS)

    def view(self, table: str) -> Iterator[Row]:
        """The rows of a view in the order of their streams, with the columns that VIEWS names."""
        view = VIEWS[table]
        names = ", ".join(view.kinds)
        sql = f"SELECT {names} FROM {table} ORDER BY {view.stream}"  # noqa: S608 - our own names
        return self._db.each(sql)

    def state(self, stored: bytes) -> bytes:
        """The state of an event or a snapshot as it was written, from its column."""
        return self._db.state(stored)

    def each(self, sql: str, values: Sequence[Any] = ()) -> Iterator[Row]:
        """The rows of a query one by one: plain SQL with `?` for a value, ids as 16 bytes."""
        return self._db.each(sql, values)

    def _rows(self, query: str, *values: Any) -> Iterator[LogRow]:
        return log_rows(self._db.each(query, values), self._db.state)

    def find(self, saga: str, key: str, run: int | None, tenant: str | None) -> UUID | None:
        """The id of a commitment, of its latest run unless one is named."""
        wanted = {"run": run, "tenant": tenant}
        named = {name: value for name, value in wanted.items() if value is not None}
        more = "".join(f" AND {name} = ?" for name in named)
        row = self._db.row(_FIND.format(more=more), (saga, key, *named.values()))
        return UUID(bytes=row[0]) if row else None

    def without_wakeup(self) -> list[Finding]:
        """Open commitments that nothing will wake: there must be none."""
        found = self._db.rows(_ASLEEP.format(waits_for=self.waits_for), (FINDINGS_MAX,))
        return [self._finding(stream, since_us, "nothing wakes it") for stream, since_us in found]

    def overdue_leases(self, before_us: int) -> list[Finding]:
        """Leases that ended before a time and were not swept."""
        found = self._db.rows(_LEASES, (before_us, FINDINGS_MAX))
        return [self._finding(stream, since_us, "its lease is over") for stream, since_us in found]

    def overdue_timers(self, before_us: int) -> list[Finding]:
        """Timers that were due before a time and did not fire."""
        found = self._db.rows(_TIMERS, (before_us, FINDINGS_MAX))
        return [self._finding(stream, since_us, "its timer is due") for stream, since_us in found]

    def parked_streams(self) -> list[Finding]:
        """Streams that wait for an operator after a fault."""
        found = self._db.rows(_PARKED, (FINDINGS_MAX,))
        return [
            self._finding(stream, since_us, f"{reason}: {detail}; id {UUID(bytes=stream)}")
            for stream, since_us, reason, detail in found
        ]

    def _finding(self, stream: bytes, since_us: int, detail: str) -> Finding:
        row = self._db.row(_NAMED, (self._db.id(UUID(bytes=stream)),))
        if row is None:
            return Finding(UUID(bytes=stream), since_us, str(UUID(bytes=stream)), detail)
        name, tenant, status, step, _ = row
        told = f"{detail}; tenant {tenant}, {status}" + (f" at {step}" if step else "")
        return Finding(UUID(bytes=stream), since_us, name, told)
