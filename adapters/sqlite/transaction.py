"""One lane transaction on SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson
from eventsourcing.persistence import StoredEvent

from adapters.sql.restoring import DOUBT, is_doubted
from adapters.sqlite import dispatch, writes
from adapters.sqlite.faults import guarded
from domain.chain import GENESIS, event_hash
from domain.errors import refusal
from domain.messages import Mail, message_of
from domain.ports import (
    Claim,
    ClaimAsk,
    Dispatch,
    InboxRow,
    LaneBelief,
    LaneWrite,
    Overdue,
    Receipt,
    Reply,
    StoredStream,
    StoreFailed,
    Verdict,
)

__all__ = ["SqliteTransaction"]

_SNAPSHOT = """
SELECT version, topic, state, hash FROM snapshots WHERE stream = ? ORDER BY version DESC LIMIT 1
"""
_EVENTS = """
SELECT version, topic, state, prev FROM events WHERE stream = ? AND version > ? ORDER BY version
"""
_RECEIPT = """
SELECT digest, root, accepted_us, outcome FROM receipts WHERE tenant = ? AND source = ? AND id = ?
"""
_LAST_ROOT = """
SELECT max((SELECT ifnull(max(root), 0) FROM receipts), (SELECT ifnull(max(root), 0) FROM inbox))
"""
# Mail of a parked stream waits until the stream is released, and never in anybody's way.
_INBOX = """
SELECT id, stream, tenant, kind, body, accepted_us, root, tries FROM inbox i WHERE lane = ?
AND NOT EXISTS (SELECT 1 FROM parked_streams p WHERE p.stream = i.stream) ORDER BY id LIMIT ?
"""
# More waits than is asked for: the oldest of every tenant first. A stream has one tenant, so its
# own order stays.
_INBOX_FAIR = """
SELECT id, stream, tenant, kind, body, accepted_us, root, tries FROM inbox WHERE id IN (
  SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY tenant ORDER BY id) AS place
    FROM inbox i WHERE lane = ?1
    AND NOT EXISTS (SELECT 1 FROM parked_streams p WHERE p.stream = i.stream))
  ORDER BY place, id LIMIT ?2)
ORDER BY id
"""
_PARKED = "SELECT stream, reason FROM parked_streams WHERE lane = ? ORDER BY since_us, stream"
_DUE = """
SELECT stream, due_us FROM timers t WHERE lane = ? AND due_us <= ?
AND NOT EXISTS (SELECT 1 FROM parked_streams p WHERE p.stream = t.stream)
ORDER BY due_us, stream LIMIT ?
"""
_DEFINITION = "SELECT hash FROM definitions WHERE saga = ? AND version = ?"
_REGISTER = "INSERT INTO definitions VALUES (?, ?, ?, ?, ?, ?)"
_REDRIVEN = "UPDATE dead_letters SET status = ?, remedy = ? WHERE id = ?"


class SqliteTransaction:
    """Implements `domain.ports.Transaction`; made by `SqliteStore.begin`."""

    def __init__(
        self, db: sqlite3.Connection, belief: LaneBelief, path: str, served: dict[str, str]
    ) -> None:
        self.path = path
        self.routing = 0
        self.foresees = False
        self._db = db
        self._belief = belief
        self._served = served
        self._root: int | None = None

    def foresee(self, **_: object) -> None:
        """Nothing: in one process a question costs no more for being asked alone."""

    def cursor(self, topic: str, partition: int) -> None:
        """None: no log outside is read into a store on SQLite."""

    @guarded
    def load(self, stream: UUID) -> StoredStream:
        """The newest snapshot of a stream, the events after it, and the hash of the last one."""
        key = stream.bytes
        version, last, snapshot = 0, GENESIS, None
        found = self._db.execute(_SNAPSHOT, (key,)).fetchone()
        if found is not None:
            version, topic, state, last = found
            snapshot = StoredEvent(stream, version, topic, state)
        rows = self._db.execute(_EVENTS, (key, version)).fetchall()
        if rows:
            newest, topic, state, prev = rows[-1]
            if rows[0][0] != version + 1 or newest != version + len(rows):
                raise StoreFailed("store.corrupt", f"stream {stream} has a gap before {newest}")
            version, last = newest, event_hash(prev, key, newest, topic, state)
        events = [StoredEvent(stream, row[0], row[1], row[2]) for row in rows]
        return StoredStream(snapshot, events, version, last)

    @guarded
    def receipt(self, tenant: str, source: str, id: str) -> Receipt | None:
        """The acceptance of this id, if there was one."""
        row = self._db.execute(_RECEIPT, (tenant, source, id)).fetchone()
        if row is None:
            return None
        digest, root, accepted_us, outcome = row
        answer = None if outcome is None else orjson.loads(outcome)
        return Receipt(tenant, source, id, digest, root, accepted_us, answer)

    @guarded
    def next_root(self) -> int:
        """A number for a new acceptance, above every one in use."""
        if self._root is None:
            self._root = int(self._db.execute(_LAST_ROOT).fetchone()[0])
        self._root += 1
        return self._root

    @guarded
    def inbox(self, limit: int) -> Sequence[InboxRow]:
        """Waiting mail in the order of its ids, fair by tenant, without that of parked streams."""
        lane = self._belief.lane
        rows = self._db.execute(_INBOX, (lane, limit + 1)).fetchall()
        if len(rows) > limit:
            rows = self._db.execute(_INBOX_FAIR, (lane, limit)).fetchall()
        return [_inbox_row(row) for row in rows]

    @guarded
    def parked(self) -> Sequence[tuple[UUID, str]]:
        """The streams of the lane that were set aside, with the reason, longest first."""
        rows = self._db.execute(_PARKED, (self._belief.lane,)).fetchall()
        return [(UUID(bytes=stream), reason) for stream, reason in rows]

    @guarded
    def due_timers(self, until_us: int, limit: int) -> Sequence[tuple[UUID, int]]:
        """Streams whose wake-up is due at or before `until_us`, earliest first, none parked."""
        rows = self._db.execute(_DUE, (self._belief.lane, until_us, limit)).fetchall()
        return [(UUID(bytes=stream), due_us) for stream, due_us in rows]

    @guarded
    def claim(self, ask: ClaimAsk, *, now_us: int, lease_us: int) -> Sequence[Claim]:
        """Reserve offered dispatches for a worker, and start those that may start at once."""
        return dispatch.claim(
            self._db, ask, self._belief, self._served, now_us=now_us, lease_us=lease_us
        )

    @guarded
    def start(self, reply: Reply, *, now_us: int, lease_us: int) -> Verdict:
        """Allow the worker of a reservation to act; asked again it gets the same answer."""
        return dispatch.start(self._db, reply, self._belief, now_us=now_us, lease_us=lease_us)

    @guarded
    def heartbeat(self, reply: Reply, *, now_us: int, lease_us: int) -> Verdict:
        """Extend a lease, at most to the end of its timeout, and say whether it is cancelled."""
        return dispatch.heartbeat(self._db, reply, self._belief, now_us=now_us, lease_us=lease_us)

    @guarded
    def take_reply(self, reply: Reply) -> Verdict:
        """Say whether a reply is that of the current attempt. The row stays until it is settled."""
        return dispatch.take_reply(self._db, reply, self._belief)

    @guarded
    def doubts(self, dispatch: Dispatch, *, clock_us: int) -> bool:
        """Whether the time that a restored store lost may have made an attempt that is offered."""
        if not dispatch.needs_start:
            return False
        return is_doubted(dispatch, clock_us, *self._db.execute(DOUBT).fetchone())

    @guarded
    def withdraw(self, effect: str) -> bool:
        """Take back what nobody started; a started effect is only asked to stop (False)."""
        return dispatch.withdraw(self._db, effect)

    @guarded
    def sweep(self, *, now_us: int, limit: int) -> Sequence[Overdue]:
        """Remove and report overdue dispatches; lost reservations are offered again."""
        return dispatch.sweep(self._db, self._belief.lane, now_us=now_us, limit=limit)

    @guarded
    def register(
        self,
        document: bytes,
        *,
        hash: bytes,
        saga: str,
        version: int,
        by: str,
        now_us: int,
    ) -> None:
        """Keep a definition; the same again changes nothing.

        Raises Refusal (def.version_taken) when the version exists with another hash.
        """
        found = self._db.execute(_DEFINITION, (saga, version)).fetchone()
        if found is None:
            self._db.execute(_REGISTER, (hash, saga, version, document, now_us, by))
        elif found[0] != hash:
            detail = f"{saga} version {version} is registered as {found[0].hex()[:8]}"
            raise refusal("def.version_taken", detail)

    @guarded
    def redriven(self, dead_letter: int, status: str, remedy: dict[str, Any]) -> None:
        """Set the status of a dead letter, and keep who did what and why."""
        self._db.execute(_REDRIVEN, (status, orjson.dumps(remedy), dead_letter))

    @guarded
    def write(self, write: LaneWrite, *, clock_us: int) -> Sequence[LaneBelief]:
        """Write a batch and move the lane; the answer is what holds after the commit.

        Raises LaneLost when mail that was to be consumed is gone.
        """
        after = writes.append(self._db, self._belief, write, clock_us)
        writes.rest(self._db, after, write)
        self._belief = after
        return (after,)

    @guarded
    def commit(self) -> None:
        """Make everything durable and visible; it returns after the disk has it."""
        self._db.execute("COMMIT")

    def rollback(self) -> None:
        """Undo everything. It may be called after any failure, also twice."""
        if self._db.in_transaction:
            try:
                self._db.execute("ROLLBACK")
            except sqlite3.Error:
                # The database rolled back by itself (disk full, I/O error): nothing is left.
                if self._db.in_transaction:
                    raise


def _inbox_row(row: tuple[Any, ...]) -> InboxRow:
    number, stream, tenant, kind, body, accepted_us, root, tries = row
    held = orjson.loads(body)
    message = message_of(kind, held["message"])
    mail = Mail(UUID(bytes=stream), tenant, message, held["ctx"], accepted_us, root)
    return InboxRow(number, mail, tries)
