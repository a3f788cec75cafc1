"""A lane as recorders of the `eventsourcing` library: notification id = position in the lane.

The engine's own loop writes batches through the store. These are for everything the library brings
(repositories, applications, projections): reading needs nothing but the file, also while an engine
runs; writing needs the store, which one process holds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import RLock
from typing import Any
from urllib.parse import quote
from uuid import UUID
from weakref import WeakSet

from eventsourcing import persistence
from eventsourcing.persistence import (
    AggregateRecorder,
    ListenNotifySubscription,
    Notification,
    ProcessRecorder,
    StoredEvent,
    Tracking,
)

from adapters.sqlite.store import SqliteStore
from adapters.sqlite.transaction import SqliteTransaction
from domain.chain import GENESIS, event_hash
from domain.ports import LaneLost, LaneWrite, SnapshotRow, StoreFailed

__all__ = [
    "Lane", "LaneSubscription", "SqliteAggregateRecorder", "SqliteLaneRecorder",
    "SqliteSnapshotRecorder",
]  # fmt: skip

LANE = 0
POLL_S = 0.2
"""How soon a subscription sees what another process wrote; its own process wakes it at once."""

_HASHED = "SELECT prev, topic, state FROM events WHERE stream = ? AND version = ?"
_TRACK = """
INSERT INTO tracking VALUES (?, ?)
ON CONFLICT (application) DO UPDATE SET position = excluded.position
WHERE excluded.position > tracking.position
"""
_TRACKED = "SELECT position FROM tracking WHERE application = ?"
_NOTIFICATIONS = "SELECT position, stream, version, topic, state FROM events WHERE lane = 0"


class Lane:
    """The one lane of a store: a connection for reading, and the store where it may be written."""

    def __init__(self, path: str, store: SqliteStore | None = None) -> None:
        """`path` is the database file. Raises the library's OperationalError if it is not there."""
        self._store = store
        self._writing = RLock()
        self._reading = RLock()
        self.listeners: WeakSet[LaneSubscription] = WeakSet()
        try:
            uri = f"file:{quote(path)}?mode=ro"
            self._db = sqlite3.connect(uri, uri=True, check_same_thread=False)
        except sqlite3.Error as error:
            raise persistence.OperationalError(f"{path}: {error}") from error

    def read(self, sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Committed rows."""
        with self._reading:
            try:
                return self._db.execute(sql, values).fetchall()
            except sqlite3.Error as error:
                raise persistence.OperationalError(str(error)) from error

    @contextmanager
    def transaction(self) -> Iterator[tuple[SqliteTransaction, sqlite3.Connection]]:
        """A lane transaction, committed at the end, with the library's errors."""
        if self._store is None:
            raise persistence.OperationalError("this lane was opened for reading only")
        with self._writing:
            try:
                transaction = self._store.begin(self._store.belief(LANE))
                try:
                    yield transaction, self._store.connection
                    transaction.commit()
                except BaseException:
                    transaction.rollback()
                    raise
            except (StoreFailed, LaneLost, sqlite3.Error) as error:
                raise _of_the_library(error) from error
        for listener in list(self.listeners):
            listener.wake()

    def close(self) -> None:
        """Close both; the store too, for it was given away."""
        with self._reading:
            self._db.close()
        if self._store is not None:
            self._store.close()


class SqliteAggregateRecorder(AggregateRecorder):
    """Streams of the lane, for the library's event store."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Append to the lane; a version that exists raises IntegrityError and writes nothing."""
        self._insert(stored_events, kwargs.get("tracking"))
        return None

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """The events of a stream, by version."""
        return self._select("events", _uuid(originator_id), gt, lte, desc, limit)

    def _select(
        self,
        table: str,
        stream: UUID,
        gt: int | None,
        lte: int | None,
        desc: bool,
        limit: int | None,
    ) -> Sequence[StoredEvent]:
        order = "DESC" if desc else "ASC"
        sql = (
            f"SELECT version, topic, state FROM {table} WHERE stream = ?"  # noqa: S608 - our names
            f" AND version > ? AND version <= ? ORDER BY version {order} LIMIT ?"
        )
        above = -1 if gt is None else gt
        values = (stream.bytes, above, 2**63 - 1 if lte is None else lte, _limit(limit))
        rows = self._lane.read(sql, values)
        return [StoredEvent(stream, version, topic, state) for version, topic, state in rows]

    def _insert(self, stored: Sequence[StoredEvent], tracking: Tracking | None) -> Sequence[int]:
        with self._lane.transaction() as (transaction, db):
            write = _chained(db, stored)
            after = transaction.write(write, clock_us=0)
            if tracking is not None:
                _track(db, tracking)
        return list(range(after.head - len(stored) + 1, after.head + 1))


class SqliteLaneRecorder(SqliteAggregateRecorder, ProcessRecorder):
    """The whole lane: streams, the log as notifications, and tracking in the same transaction."""

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Append to the lane, with a `tracking` if there is one; the answer is the positions."""
        return self._insert(stored_events, kwargs.get("tracking"))

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """The log in order, from `start` to `stop`, of some topics or all."""
        sql, values = _NOTIFICATIONS, list[Any]()
        if start is not None:
            sql += f" AND position {'>=' if inclusive_of_start else '>'} ?"
            values.append(start)
        if stop is not None:
            sql += " AND position <= ?"
            values.append(stop)
        if topics:
            sql += f" AND topic IN ({', '.join('?' * len(topics))})"
            values.extend(topics)
        rows = self._lane.read(f"{sql} ORDER BY position LIMIT ?", [*values, limit])
        return [
            Notification(UUID(bytes=stream), version, topic, state, position)
            for position, stream, version, topic, state in rows
        ]

    def max_notification_id(self) -> int | None:
        """The head of the log, or None while it is empty."""
        return self._lane.read("SELECT max(position) FROM events WHERE lane = 0", ())[0][0]

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> LaneSubscription:
        """The log after `gt`, and everything that is appended from then on."""
        subscription = LaneSubscription(self, gt, topics)
        self._lane.listeners.add(subscription)
        return subscription

    def insert_tracking(self, tracking: Tracking) -> None:
        """Move on in another log; going back, or standing still, raises IntegrityError."""
        with self._lane.transaction() as (_, db):
            _track(db, tracking)

    def max_tracking_id(self, application_name: str) -> int | None:
        """How far another log was followed, or None."""
        rows = self._lane.read(_TRACKED, (application_name,))
        return rows[0][0] if rows else None


class SqliteSnapshotRecorder(SqliteAggregateRecorder):
    """Snapshots of the lane's streams; a stream keeps its newest one."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> None:
        """Keep snapshots, each with the hash of the event it stands for."""
        with self._lane.transaction() as (transaction, db):
            rows = [SnapshotRow(s, _hash_of(db, s)) for s in stored_events]
            transaction.write(LaneWrite(snapshots=rows), clock_us=0)

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """The snapshots of a stream, by version."""
        return self._select("snapshots", _uuid(originator_id), gt, lte, desc, limit)


class LaneSubscription(ListenNotifySubscription[SqliteLaneRecorder]):
    """Notifications as they come: woken by this process's writes, polling for those of others."""

    def wake(self) -> None:
        """Something was appended."""
        self._has_been_notified.set()

    def _loop_on_pull(self) -> None:
        try:
            while not self._has_been_stopped:
                self._pull()
                self._has_been_notified.wait(timeout=POLL_S)
        except BaseException as error:  # noqa: BLE001 - the iterating thread raises it there
            self._thread_error = error
            self.stop()


def _chained(db: sqlite3.Connection, stored: Sequence[StoredEvent]) -> LaneWrite:
    """The events with the hash of each one's predecessor, from the batch or the log."""
    write = LaneWrite()
    last: dict[bytes, tuple[int, bytes]] = {}
    for event in stored:
        stream = _uuid(event.originator_id).bytes
        version = event.originator_version
        known, prev = last.get(stream, (None, GENESIS))
        if known != version - 1:
            prev = _hash_at(db, stream, version - 1)
        last[stream] = (version, event_hash(prev, stream, version, event.topic, event.state))
        write.events.append(event)
        write.prevs.append(prev)
    return write


def _hash_of(db: sqlite3.Connection, snapshot: StoredEvent) -> bytes:
    return _hash_at(db, _uuid(snapshot.originator_id).bytes, snapshot.originator_version)


def _hash_at(db: sqlite3.Connection, stream: bytes, version: int) -> bytes:
    row = db.execute(_HASHED, (stream, version)).fetchone()
    return GENESIS if row is None else event_hash(row[0], stream, version, row[1], row[2])


def _track(db: sqlite3.Connection, tracking: Tracking) -> None:
    moved = db.execute(_TRACK, (tracking.application_name, tracking.notification_id))
    if moved.rowcount != 1:
        what = f"{tracking.application_name} was followed to {tracking.notification_id} or further"
        raise persistence.IntegrityError(what)


def _uuid(originator_id: UUID | str) -> UUID:
    return originator_id if isinstance(originator_id, UUID) else UUID(originator_id)


def _limit(limit: int | None) -> int:
    return -1 if limit is None else limit


def _of_the_library(error: Exception) -> persistence.PersistenceError:
    cause = error.__cause__ if isinstance(error, StoreFailed) else error
    if isinstance(cause, sqlite3.IntegrityError):
        return persistence.IntegrityError(str(error))
    return persistence.OperationalError(str(error))
