"""One lane transaction on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from secrets import randbits
from typing import Any
from uuid import UUID

import orjson
from eventsourcing.persistence import StoredEvent
from psycopg.pq import TransactionStatus

from adapters.postgres.arrays import longs, texts, uuids
from adapters.postgres.dispatch import Desk
from adapters.postgres.faults import FAULTS, guarded, store_failed
from adapters.postgres.link import Db
from adapters.postgres.log import (
    COPY_FROM,
    appended,
    copy_rows,
    move_lanes,
    must_have_moved,
    send_rows,
)
from adapters.postgres.states import unpack
from adapters.postgres.telling import Told
from adapters.postgres.writes import REQUEST, Rest, write_dead_letter
from adapters.sql.restoring import DOUBT, is_doubted
from domain.chain import GENESIS, event_hash
from domain.errors import refusal
from domain.ids import lane_of
from domain.messages import Mail, message_of
from domain.ports import (
    Claim,
    ClaimAsk,
    Cursor,
    Dispatch,
    InboxRow,
    LaneBelief,
    LaneWrite,
    Overdue,
    Passed,
    Receipt,
    Reply,
    StoreConflict,
    StoredStream,
    StoreFailed,
    Verdict,
)
from domain.requests import passed_of

__all__ = ["PostgresTransaction"]

ROOT_BITS = 52
"""Of the random number of an acceptance: exact in every JSON reader, and never met twice."""

_STREAMS = """
SELECT 0 AS part, stream, version, topic, state, hash FROM snapshots WHERE stream = ANY(%s)
UNION ALL
SELECT 1, e.stream, e.version, e.topic, e.state, e.prev FROM unnest(%s) AS w (stream), LATERAL (
  SELECT * FROM events WHERE stream = w.stream AND version > coalesce(
    (SELECT max(s.version) FROM snapshots s WHERE s.stream = w.stream), 0)) e
ORDER BY 1, 3
"""
_RECEIPT = """
SELECT digest, root, accepted_us, outcome FROM receipts
WHERE tenant = %s AND source = %s AND id = %s
"""
_RECEIPTS = """
SELECT r.tenant, r.source, r.id, r.digest, r.root, r.accepted_us, r.outcome
FROM unnest(%s, %s, %s) AS n (tenant, source, id) JOIN receipts r USING (tenant, source, id)
"""
_INBOX_COLUMNS = "id, lane, stream, tenant, kind, asker, ask, body, accepted_us, root, tries"
# Mail of a parked stream waits until the stream is released, and never in anybody's way.
_UNPARKED = "NOT EXISTS (SELECT 1 FROM parked_streams p WHERE p.stream = i.stream)"
_INBOX = f"""
SELECT waiting.* FROM unnest(%s) AS l (number), LATERAL (
  SELECT {_INBOX_COLUMNS} FROM inbox i WHERE lane = l.number AND {_UNPARKED}
  ORDER BY id LIMIT %s) waiting
ORDER BY id LIMIT %s
"""  # noqa: S608 - names of our own
# More waits than is asked for: the oldest of every tenant first. A stream has one tenant, so its
# own order stays.
_INBOX_FAIR = f"""
SELECT {_INBOX_COLUMNS} FROM inbox WHERE (lane, id) IN (
  SELECT lane, id FROM (
    SELECT lane, id, row_number() OVER (PARTITION BY tenant ORDER BY id) AS place
    FROM inbox i WHERE lane = ANY(%s) AND {_UNPARKED}) AS line
  ORDER BY place, id LIMIT %s)
ORDER BY id
"""  # noqa: S608 - as above
_PARKED = "SELECT stream, reason FROM parked_streams WHERE lane = ANY(%s) ORDER BY since_us, stream"
_DUE = """
SELECT due.stream, due.due_us FROM unnest(%s) AS l (number), LATERAL (
  SELECT stream, due_us FROM timers t WHERE lane = l.number AND due_us <= %s
  AND NOT EXISTS (SELECT 1 FROM parked_streams p WHERE p.stream = t.stream)
  ORDER BY due_us LIMIT %s) due
ORDER BY due.due_us, due.stream LIMIT %s
"""
_DEFINITION = "SELECT hash FROM definitions WHERE saga = %s AND version = %s"
_ROUTING = "UPDATE store SET routing = routing + 1 WHERE routing = %s"
_REGISTER = """
INSERT INTO definitions (hash, saga, version, document, registered_us, registered_by)
VALUES (%s, %s, %s, %s, %s, %s)
"""
_REDRIVEN = "UPDATE dead_letters SET status = %s, remedy = %s WHERE id = %s"

Row = tuple[Any, ...]

_CURSOR = "SELECT topic_id, next_offset, digest FROM cursors WHERE topic = %s AND partition = %s"


class PostgresTransaction:
    """Implements `domain.ports.Transaction`; made by `PostgresStore.begin`.

    `foresee` is beyond the port: what it is told to expect is read in one round trip.
    """

    def __init__(
        self,
        db: Db,
        path: str,
        beliefs: Sequence[LaneBelief],
        routing: int,
        *,
        lanes: int,
        desk: Desk,
        tell: Callable[[Told], None],
    ) -> None:
        self.path = path
        self.routing = routing
        self._db = db
        self._beliefs = {b.lane: b for b in sorted(beliefs, key=lambda b: b.lane)}
        self._lanes = lanes
        self._desk = desk
        self._tell = tell
        self._told = Told()
        self._streams: dict[UUID, StoredStream] = {}
        self._receipts: dict[tuple[str, str, str], Receipt | None] = {}

    @property
    def connection(self) -> Db:
        """The open connection, for what a recorder writes beside the log."""
        return self._db

    foresees = True

    @guarded
    def foresee(
        self,
        *,
        streams: Sequence[UUID] = (),
        receipts: Sequence[tuple[str, str, str]] = (),
        effects: Sequence[str] = (),
    ) -> None:
        """Read what will be asked for one by one; nothing else changes by it."""
        wanted = [stream for stream in dict.fromkeys(streams) if stream not in self._streams]
        if wanted:
            self._read_streams(wanted)
        asked = [key for key in dict.fromkeys(receipts) if key not in self._receipts]
        if asked:
            self._receipts.update(dict.fromkeys(asked))
            columns = [texts(column) for column in zip(*asked, strict=True)]
            for row in self._db.execute(_RECEIPTS, columns, binary=True):
                self._receipts[row[0], row[1], row[2]] = _receipt(row[:3], row[3:])
        self._desk.foresee(effects)

    @guarded
    def load(self, stream: UUID) -> StoredStream:
        """The newest snapshot of a stream, the events after it, and the hash of the last one."""
        if stream not in self._streams:
            self._read_streams([stream])
        return self._streams[stream]

    def _read_streams(self, streams: Sequence[UUID]) -> None:
        keys = uuids(streams)
        rows: dict[UUID, list[Row]] = {stream: [] for stream in streams}
        for row in self._db.execute(_STREAMS, (keys, keys), binary=True):
            rows[row[1]].append(row)
        for stream, found in rows.items():
            self._streams[stream] = _stream(stream, found)

    @guarded
    def receipt(self, tenant: str, source: str, id: str) -> Receipt | None:
        """The acceptance of this id, if there was one."""
        key = (tenant, source, id)
        if key not in self._receipts:
            row = self._db.execute(_RECEIPT, key, binary=True).fetchone()
            self._receipts[key] = None if row is None else _receipt(key, row)
        return self._receipts[key]

    @guarded
    def cursor(self, topic: str, partition: int) -> Cursor | None:
        """How far a partition of a log outside was read into this store."""
        row = self._db.execute(_CURSOR, (topic, partition), binary=True).fetchone()
        return None if row is None else Cursor(topic, row[0], partition, row[1], row[2])

    def next_root(self) -> int:
        """A number for a new acceptance; drawn, so that no process has to ask another."""
        return randbits(ROOT_BITS) or 1

    @guarded
    def inbox(self, limit: int) -> Sequence[InboxRow]:
        """What waits in the lanes, in the order of ids, fair by tenant; none of parked streams."""
        lanes = longs(list(self._beliefs))
        values = (lanes, limit + 1, limit + 1)
        rows = self._db.execute(_INBOX, values, binary=True).fetchall()
        if len(rows) > limit:
            rows = self._db.execute(_INBOX_FAIR, (lanes, limit), binary=True).fetchall()
        return [_inbox_row(row) for row in rows]

    @guarded
    def parked(self) -> Sequence[tuple[UUID, str]]:
        """The streams of the lanes that were set aside, with the reason, longest first."""
        rows = self._db.execute(_PARKED, (longs(list(self._beliefs)),), binary=True)
        return rows.fetchall()

    @guarded
    def due_timers(self, until_us: int, limit: int) -> Sequence[tuple[UUID, int]]:
        """Streams whose wake-up is due at or before `until_us`, earliest first, none parked."""
        values = (longs(list(self._beliefs)), until_us, limit, limit)
        return self._db.execute(_DUE, values, binary=True).fetchall()

    @guarded
    def claim(self, ask: ClaimAsk, *, now_us: int, lease_us: int) -> Sequence[Claim]:
        """Reserve offered dispatches for a worker, and start those that may start at once."""
        return self._desk.claim(ask, now_us=now_us, lease_us=lease_us)

    @guarded
    def start(self, reply: Reply, *, now_us: int, lease_us: int) -> Verdict:
        """Allow the worker of a reservation to act; asked again it gets the same answer."""
        return self._desk.start(reply, now_us=now_us, lease_us=lease_us)

    @guarded
    def heartbeat(self, reply: Reply, *, now_us: int, lease_us: int) -> Verdict:
        """Extend a lease, at most to the end of its timeout, and say whether it is cancelled."""
        return self._desk.heartbeat(reply, now_us=now_us, lease_us=lease_us)

    @guarded
    def take_reply(self, reply: Reply) -> Verdict:
        """Say whether a reply is that of the current attempt. The row stays until it is settled."""
        return self._desk.take_reply(reply)

    @guarded
    def doubts(self, dispatch: Dispatch, *, clock_us: int) -> bool:
        """Whether the time that a restored store lost may have made an attempt that is offered."""
        if not dispatch.needs_start:
            return False
        row: Any = self._db.execute(DOUBT).fetchone()
        return is_doubted(dispatch, clock_us, *row)

    @guarded
    def withdraw(self, effect: str) -> bool:
        """Take back what nobody started; a started effect is only asked to stop (False)."""
        return self._desk.withdraw(effect)

    @guarded
    def sweep(self, *, now_us: int, limit: int) -> Sequence[Overdue]:
        """Remove and report overdue dispatches; lost reservations are offered again."""
        return self._desk.sweep(list(self._beliefs), now_us=now_us, limit=limit)

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
        """Keep a definition and count the registration; the same again changes nothing.

        Raises Refusal (def.version_taken) when the version exists with another hash, StoreConflict
        when another process registered something since this transaction began.
        """
        found = self._db.execute(_DEFINITION, (saga, version), binary=True).fetchone()
        if found is None:
            if self._db.execute(_ROUTING, (self.routing,), binary=True).rowcount != 1:
                raise StoreConflict("another definition was registered just now")
            values = (hash, saga, version, document, now_us, by)
            self._db.execute(_REGISTER, values, binary=True)
            self.routing += 1
        elif found[0] != hash:
            detail = f"{saga} version {version} is registered as {found[0].hex()[:8]}"
            raise refusal("def.version_taken", detail)

    @guarded
    def redriven(self, dead_letter: int, status: str, remedy: dict[str, Any]) -> None:
        """Set the status of a dead letter, and keep who did what and why."""
        self._db.execute(_REDRIVEN, (status, orjson.dumps(remedy), dead_letter), binary=True)

    @guarded
    def write(self, write: LaneWrite, *, clock_us: int) -> Sequence[LaneBelief]:
        """Write a batch and move the lanes; the answer is what holds after the commit.

        Raises LaneLost when mail that was to be consumed is gone, StoreConflict when a receipt
        exists already.
        """
        log = appended(self._beliefs, write, clock_us, self._lanes)
        by_copy = len(log.rows) >= COPY_FROM
        if by_copy:
            copy_rows(self._db, log.rows)
        rest = Rest(self._db, log.after, self._lanes)
        moved = None
        with self._db.pipeline():
            if log.rows and not by_copy:
                send_rows(self._db, log.rows)
            if log.after:
                moved = move_lanes(self._db, self._beliefs, log.after)
            rest.send(write)
        if moved is not None:
            must_have_moved(moved, log.after)
        rest.check()
        for letter in write.dead_letters:
            write_dead_letter(self._db, letter)
        self._beliefs = log.after
        self._keep_up(write)
        return list(log.after.values())

    def _keep_up(self, write: LaneWrite) -> None:
        """Forget what was read and is written now; note whom the commit concerns."""
        if write.events or write.snapshots:
            self._streams.clear()
        self._receipts.clear()
        self._desk.forget([*write.settled, *(d.effect for d in write.offered)])
        lanes = {lane_of(mail.stream, self._lanes) for mail in write.inbox}
        lanes.update(passed.lane for passed in write.passed)
        self._told.lanes |= lanes - self._beliefs.keys()
        self._told.participants.update(d.participant for d in write.offered)
        self._told.askers.update(answer.asker for answer in write.answers)

    def commit(self) -> None:
        """Make everything durable and visible; it returns after the disk has it.

        Raises StoreFailed (store.gone) also when the connection broke in the middle: then nobody
        knows whether it happened, and the lanes have to be read again.
        """
        try:
            self._db.execute("COMMIT")
        except FAULTS as error:
            # Never to be used again: the next call opens another, and ends this one's backend.
            self._db.close()
            raise store_failed(error, self.path) from error
        self._tell(self._told)

    def rollback(self) -> None:
        """Undo everything. It may be called after any failure, also twice."""
        status = self._db.info.transaction_status
        if self._db.closed or status == TransactionStatus.IDLE:
            return
        try:
            self._db.execute("ROLLBACK")
        except FAULTS:
            # The server rolls back whoever leaves.
            self._db.close()


def _stream(stream: UUID, rows: Sequence[Row]) -> StoredStream:
    version, last, snapshot = 0, GENESIS, None
    kept = [row for row in rows if row[0] == 0]
    events = [row for row in rows if row[0] == 1]
    if kept:
        _, _, version, topic, state, last = kept[-1]
        snapshot = StoredEvent(stream, version, topic, unpack(state))
    found = [StoredEvent(stream, row[2], row[3], unpack(row[4])) for row in events]
    if found:
        newest = found[-1]
        if found[0].originator_version != version + 1 or (
            newest.originator_version != version + len(found)
        ):
            detail = f"stream {stream} has a gap before {newest.originator_version}"
            raise StoreFailed("store.corrupt", detail)
        version = newest.originator_version
        last = event_hash(events[-1][5], stream.bytes, version, newest.topic, newest.state)
    return StoredStream(snapshot, found, version, last)


def _receipt(key: Sequence[str], row: Row) -> Receipt:
    tenant, source, number = key
    digest, root, accepted_us, outcome = row
    answer = None if outcome is None else orjson.loads(outcome)
    return Receipt(tenant, source, number, digest, root, accepted_us, answer)


def _inbox_row(row: Row) -> InboxRow:
    number, lane, stream, tenant, kind, asker, ask, body, accepted_us, root, tries = row
    held = orjson.loads(body)
    if asker is not None:
        request = passed_of(kind.removeprefix(REQUEST), held)
        return InboxRow(number, Passed(lane, asker, ask, tenant, request, accepted_us), tries)
    message = message_of(kind, held["message"])
    return InboxRow(number, Mail(stream, tenant, message, held["ctx"], accepted_us, root), tries)
