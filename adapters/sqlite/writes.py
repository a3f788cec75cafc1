"""From a LaneWrite to rows: one `executemany` for each kind of row of a batch."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any
from uuid import UUID

import orjson

from adapters.sql.restoring import DOUBT, is_doubted
from adapters.sql.views import VIEWS
from domain.chain import event_hash, lane_chain
from domain.messages import Mail, to_body
from domain.ports import DeadLetter, Dispatch, LaneBelief, LaneLost, LaneWrite, ViewRow

__all__ = ["append", "rest", "write_views"]

_EVENT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)"
_LANE = """
UPDATE lanes SET head = ?, chain = ?, clock_us = ? WHERE lane = ? AND epoch = ? AND head = ?
"""
_SNAPSHOT = "INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?, ?, ?, ?)"
_SNAPSHOTS_BEFORE = "DELETE FROM snapshots WHERE stream = ? AND version < ?"
_RECEIPT = "INSERT INTO receipts VALUES (?, ?, ?, ?, ?, ?, ?)"
_OUTCOME = "UPDATE receipts SET outcome = ? WHERE root = ?"
_INBOX = """
INSERT INTO inbox (lane, root, tenant, stream, kind, body, accepted_us, tries)
VALUES (?, ?, ?, ?, ?, ?, ?, 0)
"""
_INBOX_DONE = "DELETE FROM inbox WHERE id = ?"
_INBOX_TRIED = "UPDATE inbox SET tries = tries + 1 WHERE id = ?"
_SETTLED = "DELETE FROM dispatches WHERE effect = ?"
_OFFER = """
INSERT INTO dispatches (effect, lane, stream, tenant, participant, contract, kind, attempt,
  position, body, needs_start, offered_us, start_by_us, timeout_us, not_after_us,
  state, lease_until_us, ends_us, reservation, cancelled)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0)
"""
_TIMER = """
INSERT INTO timers VALUES (?, ?, ?) ON CONFLICT (stream) DO UPDATE SET due_us = excluded.due_us
"""
_TIMER_OFF = "DELETE FROM timers WHERE stream = ?"
_SEEN_AGAIN = """
UPDATE dead_letters SET seen = seen + 1 WHERE tenant = ? AND source = ? AND event_id = ?
AND code = ? AND raw = ? AND status = 'open'
"""
_DEAD_LETTER = """
INSERT INTO dead_letters (tenant, source, event_id, code, detail, raw, at_us, seen, status)
VALUES (?, ?, ?, ?, ?, ?, ?, 1, 'open')
"""
_PARK = "INSERT INTO parked_streams VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_RELEASE = "DELETE FROM parked_streams WHERE stream = ?"

Rows = list[tuple[Any, ...]]


def append(
    db: sqlite3.Connection, belief: LaneBelief, write: LaneWrite, clock_us: int
) -> LaneBelief:
    """Append the events and move head, chain and clock; the clock never goes back."""
    lane, position, chain = belief.lane, belief.head, belief.chain
    rows: Rows = []
    hashes = write.hashes or _hashes(write)
    for event, prev, known in zip(write.events, write.prevs, hashes, strict=True):
        position += 1
        # The streams of troth are UUIDs; the library also allows text.
        stream = event.originator_id.bytes  # pyright: ignore[reportAttributeAccessIssue]
        chain = lane_chain(chain, position, known)
        version = event.originator_version
        rows.append((lane, position, stream, version, event.topic, event.state, prev))
    _many(db, _EVENT, rows)
    clock_us = max(clock_us, belief.clock_us)
    moved = db.execute(_LANE, (position, chain, clock_us, lane, belief.epoch, belief.head))
    if moved.rowcount != 1:
        raise LaneLost(f"lane {lane} left epoch {belief.epoch}, head {belief.head}")
    return LaneBelief(lane, belief.epoch, position, chain, clock_us, belief.incarnation)


def _hashes(write: LaneWrite) -> list[bytes]:
    found: list[bytes] = []
    for e, prev in zip(write.events, write.prevs, strict=True):
        stream = e.originator_id.bytes  # pyright: ignore[reportAttributeAccessIssue] - as above
        found.append(event_hash(prev, stream, e.originator_version, e.topic, e.state))
    return found


def rest(db: sqlite3.Connection, after: LaneBelief, write: LaneWrite) -> None:
    """Write everything beside the log. What leaves goes before what comes in its place."""
    lane, clock_us = after.lane, after.clock_us
    _snapshots(db, lane, write)
    _receipts(db, write)
    _mail(db, lane, write)
    _many(db, _SETTLED, [(bytes.fromhex(effect),) for effect in write.settled])
    if write.offered:
        may_be = any(d.needs_start for d in write.offered)
        until_us, restored_us = db.execute(DOUBT).fetchone() if may_be else (0, 0)
        rows = [_offer(d, lane, clock_us, until_us, restored_us) for d in write.offered]
        db.executemany(_OFFER, rows)
    timers = write.timers.items()
    _many(db, _TIMER, [(s.bytes, lane, due) for s, due in timers if due is not None])
    _many(db, _TIMER_OFF, [(s.bytes,) for s, due in timers if due is None])
    if write.views:
        write_views(db, write.views)
    for letter in write.dead_letters:
        _dead_letter(db, letter)
    parked = [(s.bytes, lane, *words, clock_us) for s, *words in write.parked_streams]
    _many(db, _RELEASE, [(s.bytes,) for s in write.released_streams])
    _many(db, _PARK, parked)


def _many(db: sqlite3.Connection, sql: str, rows: Sequence[Sequence[Any]]) -> None:
    if rows:
        db.executemany(sql, rows)


def _snapshots(db: sqlite3.Connection, lane: int, write: LaneWrite) -> None:
    for kept in write.snapshots:
        event = kept.event
        stream = event.originator_id.bytes  # pyright: ignore[reportAttributeAccessIssue] - as above
        row = (stream, event.originator_version, lane, event.topic, event.state, kept.hash)
        db.execute(_SNAPSHOT, row)
        db.execute(_SNAPSHOTS_BEFORE, (stream, event.originator_version))


def _receipts(db: sqlite3.Connection, write: LaneWrite) -> None:
    rows = [
        (r.tenant, r.source, r.id, r.digest, r.root, r.accepted_us, _json(r.outcome))
        for r in write.receipts
    ]
    _many(db, _RECEIPT, rows)
    _many(db, _OUTCOME, [(_json(outcome), root) for root, outcome in write.outcomes])


def _mail(db: sqlite3.Connection, lane: int, write: LaneWrite) -> None:
    if write.inbox_done:
        gone = db.executemany(_INBOX_DONE, [(number,) for number in write.inbox_done])
        if gone.rowcount != len(write.inbox_done):
            raise LaneLost(f"mail of lane {lane} was consumed by another owner")
    _many(db, _INBOX_TRIED, [(number,) for number in write.inbox_tried])
    _many(db, _INBOX, [_letter(mail, lane) for mail in write.inbox])


def _letter(mail: Mail, lane: int) -> tuple[Any, ...]:
    message = mail.message
    body = orjson.dumps({"message": to_body(message), "ctx": mail.ctx})
    stream = mail.stream.bytes
    return (lane, mail.root, mail.tenant, stream, message.KIND, body, mail.accepted_us)


def _offer(
    d: Dispatch, lane: int, clock_us: int, until_us: int, restored_us: int
) -> tuple[Any, ...]:
    # In doubt it stands as started, with a lease that is over: nobody gets it, the sweep says that
    # its outcome is unknown, and it is looked into before it is commanded again.
    in_doubt = is_doubted(d, clock_us, until_us, restored_us)
    state = ("started", clock_us, clock_us) if in_doubt else ("offered", None, None)
    return (
        bytes.fromhex(d.effect), lane, d.stream.bytes, d.tenant, d.participant, d.contract, d.kind,
        d.attempt, d.position, orjson.dumps(d.body), int(d.needs_start), clock_us, d.start_by_us,
        d.timeout_us, d.not_after_us, *state,
    )  # fmt: skip


def _dead_letter(db: sqlite3.Connection, letter: DeadLetter) -> None:
    """Keep it, or count it when the same bytes with the same fault came before."""
    which = (letter.tenant, letter.source, letter.event_id, letter.code)
    if letter.event_id and db.execute(_SEEN_AGAIN, (*which, letter.raw)).rowcount:
        return
    db.execute(_DEAD_LETTER, (*which, letter.detail, letter.raw, letter.at_us))


def write_views(db: sqlite3.Connection, views: Sequence[ViewRow]) -> None:
    """Write view rows by table, keeping the order within each table."""
    by_table: dict[str, list[ViewRow]] = {}
    for view in views:
        by_table.setdefault(view.table, []).append(view)
    for table, rows in by_table.items():
        for names, run in groupby(rows, _columns_of):
            sql = _view_sql(table, names)
            _many(db, sql, [tuple(map(_value, _values_of(row))) for row in run])


def _columns_of(row: ViewRow) -> tuple[str, ...] | None:
    return None if row.columns is None else tuple(row.columns)


def _values_of(row: ViewRow) -> Iterable[Any]:
    return (*row.key.values(), *(row.columns or {}).values())


@lru_cache(maxsize=64)
def _view_sql(table: str, columns: tuple[str, ...] | None) -> str:
    """An upsert that lets only a newer version through, or a delete.

    Names come from projections, never from outside; the known tables are checked all the same.
    """
    keys = VIEWS[table].keys
    if columns is None:
        where = " AND ".join(f"{name} = ?" for name in keys)
        return f"DELETE FROM {table} WHERE {where}"  # noqa: S608 - names of our own
    names = (*keys, *columns)
    newer = f" WHERE excluded.version > {table}.version" if "version" in columns else ""
    return (
        f"INSERT INTO {table} ({', '.join(names)})"  # noqa: S608 - as above
        f" VALUES ({', '.join('?' * len(names))}) ON CONFLICT ({', '.join(keys)}) DO UPDATE SET"
        f" {', '.join(f'{name} = excluded.{name}' for name in columns)}{newer}"
    )


def _value(value: Any) -> Any:
    """A value of a column: UUIDs are their bytes, JSON its text."""
    kind = type(value)
    if kind is UUID:
        return value.bytes
    return orjson.dumps(value) if kind is dict or kind is list else value


def _json(value: Any) -> bytes | None:
    return None if value is None else orjson.dumps(value)
