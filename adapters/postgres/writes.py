"""From a LaneWrite to rows: one statement for each kind of row of a batch, in one pipeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import orjson
from psycopg import Cursor

from adapters.postgres.arrays import ARRAYS, bools, bytes_, ints, longs, texts, uuids
from adapters.postgres.link import Db, query
from adapters.postgres.states import pack
from adapters.postgres.views import fold
from adapters.sql.views import VIEWS
from domain.ids import lane_of
from domain.messages import Mail, to_body
from domain.ports import (
    DeadLetter,
    Dispatch,
    LaneBelief,
    LaneLost,
    LaneWrite,
    Passed,
    StoreConflict,
    ViewRow,
)
from domain.requests import request_body

__all__ = ["REQUEST", "Rest", "write_dead_letter", "write_views"]

REQUEST = "request."
"""Begins the kind of an inbox row that is a request passed on, not mail."""

_SNAPSHOT = """
INSERT INTO snapshots (stream, version, lane, topic, state, hash)
SELECT * FROM unnest(%s, %s, %s, %s, %s, %s)
ON CONFLICT (stream, version) DO UPDATE
SET topic = excluded.topic, state = excluded.state, hash = excluded.hash
"""
_SNAPSHOTS_BEFORE = """
DELETE FROM snapshots s USING unnest(%s, %s) AS n (stream, version)
WHERE s.stream = n.stream AND s.version < n.version
"""
_RECEIPT = """
INSERT INTO receipts (tenant, source, id, digest, root, accepted_us, outcome)
SELECT * FROM unnest(%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
_OUTCOME = """
UPDATE receipts r SET outcome = n.outcome FROM unnest(%s, %s) AS n (root, outcome)
WHERE r.root = n.root
"""
_INBOX = """
INSERT INTO inbox (lane, root, tenant, stream, kind, asker, ask, body, accepted_us, tries)
SELECT *, 0 FROM unnest(%s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_INBOX_DONE = "DELETE FROM inbox WHERE lane = ANY(%s) AND id = ANY(%s)"
_INBOX_TRIED = "UPDATE inbox SET tries = tries + 1 WHERE lane = ANY(%s) AND id = ANY(%s)"
_ANSWER = """
INSERT INTO answers (asker, ask, body, at_us)
SELECT asker, ask, body, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
FROM unnest(%s, %s, %s) AS n (asker, ask, body) ON CONFLICT DO NOTHING
"""
_CURSOR = """
INSERT INTO cursors (topic, topic_id, partition, next_offset, digest, lane)
SELECT * FROM unnest(%s, %s, %s, %s, %s, %s) ON CONFLICT (topic, partition) DO UPDATE
SET topic_id = excluded.topic_id, next_offset = excluded.next_offset, digest = excluded.digest
"""
_SETTLED = "DELETE FROM dispatches WHERE effect = ANY(%s)"
# In doubt it stands as started, with a lease that is over: nobody gets it, the sweep says that its
# outcome is unknown, and it is looked into before it is commanded again. Not only a first attempt:
# of one that was taken back, and is commanded anew, the lost time may have done this, and so it may
# the next attempt where the copy waits for it. Not what was heard of since.
_OFFER = """
INSERT INTO dispatches (effect, lane, stream, tenant, participant, contract, kind, attempt,
  position, body, needs_start, offered_us, start_by_us, timeout_us, not_after_us, state,
  lease_until_us, ends_us, reservation, cancelled)
SELECT n.effect, n.lane, n.stream, n.tenant, n.participant, n.contract, n.kind, n.attempt,
  n.position, n.body, n.needs_start, n.offered_us, n.start_by_us, n.timeout_us, n.not_after_us,
  CASE WHEN doubted THEN 'started' ELSE 'offered' END,
  CASE WHEN doubted THEN n.offered_us END, CASE WHEN doubted THEN n.offered_us END, 0, false
FROM unnest(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
  AS n (effect, lane, stream, tenant, participant, contract, kind, attempt, position, body,
  needs_start, offered_us, start_by_us, timeout_us, not_after_us, heard_us),
  LATERAL (SELECT n.needs_start AND n.kind = 'do' AND EXISTS (SELECT 1 FROM store
    WHERE n.offered_us < doubt_until_us AND (n.heard_us IS NULL OR n.heard_us <= restored_us))
    AS doubted) d
"""
_TIMER = """
INSERT INTO timers (stream, lane, due_us) SELECT * FROM unnest(%s, %s, %s)
ON CONFLICT (stream) DO UPDATE SET due_us = excluded.due_us
WHERE timers.due_us IS DISTINCT FROM excluded.due_us
"""
_TIMER_OFF = "DELETE FROM timers WHERE stream = ANY(%s)"
_PARK = """
INSERT INTO parked_streams (stream, lane, tenant, reason, detail, since_us)
SELECT * FROM unnest(%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
_RELEASE = "DELETE FROM parked_streams WHERE stream = ANY(%s)"
_SEEN_AGAIN = """
UPDATE dead_letters SET seen = seen + 1 WHERE tenant = %s AND source = %s AND event_id = %s
AND code = %s AND raw = %s AND status = 'open'
"""
_DEAD_LETTER = """
INSERT INTO dead_letters (tenant, source, event_id, code, detail, raw, at_us, seen, status)
VALUES (%s, %s, %s, %s, %s, %s, %s, 1, 'open')
"""

Check = Callable[[], None]


class Rest:
    """Everything of a batch beside the log. `send` inside a pipeline, `check` once it is over."""

    def __init__(self, db: Db, held: dict[int, LaneBelief], lanes: int) -> None:
        """`held` are the lanes of the transaction as they will be, `lanes` how many there are."""
        self._db = db
        self._held = held
        self._lanes = lanes
        self._checks: list[Check] = []

    def send(self, write: LaneWrite) -> None:
        """Send the statements. What leaves goes before what comes in its place."""
        self._snapshots(write)
        self._receipts(write)
        self._inbox(write)
        self._logs(write)
        if write.settled:
            self._run(_SETTLED, bytes_([bytes.fromhex(effect) for effect in write.settled]))
        if write.offered:
            self._offers(write.offered)
        self._timers(write)
        if write.views:
            write_views(self._db, write.views)
        self._parking(write)

    def check(self) -> None:
        """Raise LaneLost or StoreConflict if a statement met other rows than it had to."""
        for check in self._checks:
            check()

    def _run(self, sql: str, *values: Any) -> Cursor[Any]:
        return query(self._db, sql, values)

    def _must_count(self, done: Cursor[Any], count: int, fault: Exception) -> None:
        def check() -> None:
            if done.rowcount != count:
                raise fault

        self._checks.append(check)

    def _lane(self, stream: Any) -> int:
        return lane_of(stream, self._lanes)

    def _snapshots(self, write: LaneWrite) -> None:
        if not write.snapshots:
            return
        # Of two in one batch the later one stays; a statement may not meet a row twice.
        rows = {row.event.originator_id: row for row in write.snapshots}
        events = [row.event for row in rows.values()]
        # The streams of troth are UUIDs.
        streams = uuids([e.originator_id for e in events])  # pyright: ignore[reportArgumentType]
        versions = ints([e.originator_version for e in events])
        lanes = ints([self._lane(e.originator_id) for e in events])
        states, topics = bytes_([pack(e.state) for e in events]), texts([e.topic for e in events])
        hashes = bytes_([row.hash for row in rows.values()])
        self._run(_SNAPSHOT, streams, versions, lanes, topics, states, hashes)
        self._run(_SNAPSHOTS_BEFORE, streams, versions)

    def _receipts(self, write: LaneWrite) -> None:
        if write.receipts:
            # Two processes that accept the same ones meet in the same order, and not crosswise.
            rows = sorted(write.receipts, key=lambda r: (r.tenant, r.source, r.id))
            done = self._run(
                _RECEIPT,
                texts([r.tenant for r in rows]),
                texts([r.source for r in rows]),
                texts([r.id for r in rows]),
                bytes_([r.digest for r in rows]),
                longs([r.root for r in rows]),
                longs([r.accepted_us for r in rows]),
                bytes_([_json(r.outcome) for r in rows]),
            )
            fault = StoreConflict("a receipt exists already: another process accepted it just now")
            self._must_count(done, len(rows), fault)
        if write.outcomes:
            known = dict(write.outcomes)
            roots = longs(list(known))
            self._run(_OUTCOME, roots, bytes_([_json(outcome) for outcome in known.values()]))

    def _inbox(self, write: LaneWrite) -> None:
        held = ints(list(self._held))
        if write.inbox_done:
            done = self._run(_INBOX_DONE, held, longs(write.inbox_done))
            lanes = ", ".join(map(str, self._held))
            fault = LaneLost(f"mail of lanes {lanes} was consumed by another owner")
            self._must_count(done, len(write.inbox_done), fault)
        if write.inbox_tried:
            self._run(_INBOX_TRIED, held, longs(write.inbox_tried))
        rows = [self._letter(mail) for mail in write.inbox]
        rows += [_request(passed) for passed in write.passed]
        if rows:
            lane, root, tenant, stream, kind, asker, ask, body, at_us = zip(*rows, strict=True)
            self._run(
                _INBOX, ints(lane), longs(root), texts(tenant), uuids(stream), texts(kind),
                texts(asker), texts(ask), bytes_(body), longs(at_us),
            )  # fmt: skip

    def _letter(self, mail: Mail) -> tuple[Any, ...]:
        message = mail.message
        body = orjson.dumps({"message": to_body(message), "ctx": mail.ctx})
        lane = self._lane(mail.stream)
        return (
            lane, mail.root, mail.tenant, mail.stream, message.KIND, None, None, body,
            mail.accepted_us,
        )  # fmt: skip

    def _logs(self, write: LaneWrite) -> None:
        if write.answers:
            self._run(
                _ANSWER,
                texts([a.asker for a in write.answers]),
                texts([a.ask for a in write.answers]),
                bytes_([orjson.dumps(a.body) for a in write.answers]),
            )
        if write.cursors:
            rows = list({(c.topic, c.partition): c for c in write.cursors}.values())
            self._run(
                _CURSOR,
                texts([c.topic for c in rows]),
                texts([c.topic_id for c in rows]),
                ints([c.partition for c in rows]),
                longs([c.offset for c in rows]),
                bytes_([c.digest for c in rows]),
                ints([c.partition % self._lanes for c in rows]),
            )

    def _offers(self, rows: Sequence[Dispatch]) -> None:
        lanes = [self._lane(d.stream) for d in rows]
        self._run(
            _OFFER,
            bytes_([bytes.fromhex(d.effect) for d in rows]),
            ints(lanes),
            uuids([d.stream for d in rows]),
            texts([d.tenant for d in rows]),
            texts([d.participant for d in rows]),
            texts([d.contract for d in rows]),
            texts([d.kind for d in rows]),
            ints([d.attempt for d in rows]),
            longs([d.position for d in rows]),
            bytes_([orjson.dumps(d.body) for d in rows]),
            bools([d.needs_start for d in rows]),
            longs([self._held[lane].clock_us for lane in lanes]),
            longs([d.start_by_us for d in rows]),
            longs([d.timeout_us for d in rows]),
            longs([d.not_after_us for d in rows]),
            longs([d.heard_us for d in rows]),
        )

    def _timers(self, write: LaneWrite) -> None:
        due = {stream: at_us for stream, at_us in write.timers.items() if at_us is not None}
        if due:
            lanes = ints([self._lane(stream) for stream in due])
            self._run(_TIMER, uuids(list(due)), lanes, longs(list(due.values())))
        if len(due) < len(write.timers):
            self._run(_TIMER_OFF, uuids([s for s, at_us in write.timers.items() if at_us is None]))

    def _parking(self, write: LaneWrite) -> None:
        if write.released_streams:
            self._run(_RELEASE, uuids(write.released_streams))
        if write.parked_streams:
            rows = write.parked_streams
            lanes = [self._lane(stream) for stream, *_ in rows]
            self._run(
                _PARK,
                uuids([stream for stream, *_ in rows]),
                ints(lanes),
                texts([tenant for _, tenant, _, _ in rows]),
                texts([reason for _, _, reason, _ in rows]),
                texts([detail for *_, detail in rows]),
                longs([self._held[lane].clock_us for lane in lanes]),
            )


def write_views(db: Db, rows: Sequence[ViewRow]) -> None:
    """Write view rows: one statement for each table and set of columns."""
    gone, kept = fold(rows)
    for table, keys in gone.items():
        query(db, _gone_sql(table), _arrays(table, tuple(VIEWS[table].keys), keys))
    for (table, names), values in kept.items():
        query(db, _view_sql(table, names), _arrays(table, names, values))


def write_dead_letter(db: Db, letter: DeadLetter) -> None:
    """Keep it, or count it when the same bytes with the same fault came before."""
    which = (letter.tenant, letter.source, letter.event_id, letter.code)
    if letter.event_id and db.execute(_SEEN_AGAIN, (*which, letter.raw), binary=True).rowcount:
        return
    db.execute(_DEAD_LETTER, (*which, letter.detail, letter.raw, letter.at_us), binary=True)


def _request(passed: Passed) -> tuple[Any, ...]:
    kind, body = request_body(passed.request)
    return (
        passed.lane, None, passed.tenant, None, REQUEST + kind, passed.asker, passed.ask,
        orjson.dumps(body), passed.accepted_us,
    )  # fmt: skip


def _arrays(table: str, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[Any]:
    """The columns of rows, each an array of its type."""
    kinds = VIEWS[table].kinds
    columns = zip(*rows, strict=True)
    return [ARRAYS[kinds[name]](column) for name, column in zip(names, columns, strict=True)]


@lru_cache(maxsize=64)
def _view_sql(table: str, names: tuple[str, ...]) -> str:
    """An upsert that lets only a newer version through.

    Names come from projections, never from outside; the known tables are checked all the same.
    """
    keys = VIEWS[table].keys
    columns = [name for name in names if name not in keys]
    newer = f" WHERE excluded.version > {table}.version" if "version" in columns else ""
    return (
        f"INSERT INTO {table} ({', '.join(names)})"  # noqa: S608 - names of our own
        f" SELECT * FROM unnest({', '.join(['%s'] * len(names))})"
        f" ON CONFLICT ({', '.join(keys)}) DO UPDATE SET"
        f" {', '.join(f'{name} = excluded.{name}' for name in columns)}{newer}"
    )


@lru_cache(maxsize=8)
def _gone_sql(table: str) -> str:
    keys = VIEWS[table].keys
    same = " AND ".join(f"t.{name} = n.{name}" for name in keys)
    marks = ", ".join(["%s"] * len(keys))
    return (
        f"DELETE FROM {table} t USING unnest({marks})"  # noqa: S608 - as above
        f" AS n ({', '.join(keys)}) WHERE {same}"
    )


def _json(value: Any) -> bytes | None:
    return None if value is None else orjson.dumps(value)
