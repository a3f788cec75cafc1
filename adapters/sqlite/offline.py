"""Looking at a store without owning it: its log for verifying and exporting, and what doctor asks.

Everything is one read transaction on a file that is never written to, beside a running engine too.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from adapters.sqlite.faults import FAULTS, guarded, store_failed
from adapters.sqlite.files import path_of
from adapters.sqlite.schema import HEAD, revision_of
from domain.chain import Checkpoint, LogRow
from domain.ports import StoreFailed

__all__ = ["Finding", "LaneRow", "OfflineStore"]

FINDINGS_MAX = 100
"""Findings of one kind that are named; doctor is for people."""

Json = Any

_LANES = "SELECT lane, head, chain, clock_us, epoch FROM lanes ORDER BY lane"
_ROWS = """
SELECT position, stream, version, topic, state, prev FROM events
WHERE lane = ? AND position > ? AND position <= ? ORDER BY position
"""
_STREAM = """
SELECT position, stream, version, topic, state, prev FROM events
WHERE stream = ? ORDER BY version
"""
_FIND = """
SELECT commitment FROM current_steps
WHERE saga = ?1 AND key = ?2 AND (?3 IS NULL OR run = ?3) AND (?4 IS NULL OR tenant = ?4)
ORDER BY run DESC LIMIT 1
"""
_NAMED = """
SELECT c.saga || '/' || c.key || '#' || c.run, c.tenant, c.status, c.step, c.since_us
FROM current_steps c WHERE c.commitment = ?
"""
# What a person or another message must do; a paused or held one waits for its operator.
_ASLEEP = """
SELECT c.commitment, c.since_us FROM current_steps c
WHERE c.status NOT IN ('fulfilled', 'compensated', 'failed', 'cancelled', 'paused', 'held')
  AND NOT EXISTS (SELECT 1 FROM timers t WHERE t.stream = c.commitment)
  AND NOT EXISTS (SELECT 1 FROM dispatches d WHERE d.stream = c.commitment)
  AND NOT EXISTS (SELECT 1 FROM inbox i WHERE i.stream = c.commitment)
  AND NOT EXISTS (SELECT 1 FROM parked_streams p WHERE p.stream = c.commitment)
  AND NOT EXISTS (SELECT 1 FROM approvals a WHERE a.commitment = c.commitment AND a.status = 'open')
  AND NOT EXISTS (SELECT 1 FROM debts b WHERE b.commitment = c.commitment AND b.status = 'open')
  AND NOT EXISTS (SELECT 1 FROM json_each(c.body, '$.waits_for') w
    WHERE json_extract(w.value, '$.kind') IN ('event', 'approval', 'unknown', 'debt'))
ORDER BY c.since_us LIMIT ?
"""
_LEASES = """
SELECT stream, lease_until_us FROM dispatches
WHERE state <> 'offered' AND lease_until_us < ?1 ORDER BY lease_until_us LIMIT ?2
"""
_TIMERS = """
SELECT t.stream, t.due_us FROM timers t WHERE t.due_us < ?1
  AND NOT EXISTS (SELECT 1 FROM parked_streams p WHERE p.stream = t.stream)
ORDER BY t.due_us LIMIT ?2
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


class OfflineStore:
    """A store that is only read, as it was at one moment. Every method raises StoreFailed."""

    def __init__(self, url: str) -> None:
        path = path_of(url)
        self.path = str(path)
        if not path.is_file():
            raise StoreFailed("http.not_found", f"{path} is not there")
        try:
            db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        except FAULTS as error:
            raise store_failed(error, self.path) from error
        try:
            revision = revision_of(db)
            if revision != HEAD:
                raise StoreFailed("store.format", f"{path} has revision {revision}, not {HEAD}")
            db.isolation_level = None
            db.execute("BEGIN")
            self._store: tuple[str, int] = db.execute(
                "SELECT id, incarnation FROM store"
            ).fetchone()
        except FAULTS as error:
            db.close()
            raise store_failed(error, self.path) from error
        except StoreFailed:
            db.close()
            raise
        self._db = db

    @property
    def id(self) -> str:
        return self._store[0]

    @property
    def incarnation(self) -> int:
        return self._store[1]

    def close(self) -> None:
        self._db.close()

    @guarded
    def lanes(self) -> list[LaneRow]:
        """Every lane."""
        return [
            LaneRow(lane, Checkpoint(head, chain), clock_us, epoch)
            for lane, head, chain, clock_us, epoch in self._db.execute(_LANES)
        ]

    @guarded
    def damage(self) -> str | None:
        """What SQLite itself finds wrong with the file, or None."""
        found = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        return None if found == "ok" else found

    def rows(self, lane: int, *, after: int = 0, until: int = 2**62) -> Iterator[LogRow]:
        """The log of a lane, in order."""
        yield from self._rows(_ROWS, lane, after, until)

    def stream_rows(self, stream: UUID) -> Iterator[LogRow]:
        """The events of one stream, in order."""
        yield from self._rows(_STREAM, stream.bytes)

    def _rows(self, query: str, *values: Any) -> Iterator[LogRow]:
        try:
            for row in self._db.execute(query, values):
                yield LogRow(*row)
        except FAULTS as error:
            raise store_failed(error, self.path) from error

    @guarded
    def find(self, saga: str, key: str, run: int | None, tenant: str | None) -> UUID | None:
        """The id of a commitment, of its latest run unless one is named."""
        row = self._db.execute(_FIND, (saga, key, run, tenant)).fetchone()
        return UUID(bytes=row[0]) if row else None

    @guarded
    def without_wakeup(self) -> list[Finding]:
        """Open commitments that nothing will wake: there must be none."""
        found = self._db.execute(_ASLEEP, (FINDINGS_MAX,)).fetchall()
        return [self._finding(stream, since_us, "nothing wakes it") for stream, since_us in found]

    @guarded
    def overdue_leases(self, before_us: int) -> list[Finding]:
        """Leases that ended before a time and were not swept."""
        found = self._db.execute(_LEASES, (before_us, FINDINGS_MAX)).fetchall()
        return [self._finding(stream, since_us, "its lease is over") for stream, since_us in found]

    @guarded
    def overdue_timers(self, before_us: int) -> list[Finding]:
        """Timers that were due before a time and did not fire."""
        found = self._db.execute(_TIMERS, (before_us, FINDINGS_MAX)).fetchall()
        return [self._finding(stream, since_us, "its timer is due") for stream, since_us in found]

    @guarded
    def parked_streams(self) -> list[Finding]:
        """Streams that wait for an operator after a fault."""
        found = self._db.execute(_PARKED, (FINDINGS_MAX,)).fetchall()
        return [
            self._finding(stream, since_us, f"{reason}: {detail}; id {UUID(bytes=stream)}")
            for stream, since_us, reason, detail in found
        ]

    def _finding(self, stream: bytes, since_us: int, detail: str) -> Finding:
        row = self._db.execute(_NAMED, (stream,)).fetchone()
        if row is None:
            return Finding(UUID(bytes=stream), since_us, str(UUID(bytes=stream)), detail)
        name, tenant, status, step, _ = row
        told = f"{detail}; tenant {tenant}, {status}" + (f" at {step}" if step else "")
        return Finding(UUID(bytes=stream), since_us, name, told)
