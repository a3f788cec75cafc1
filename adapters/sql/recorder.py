"""A lane as recorders of the `eventsourcing` library: notification id = position in the lane.

The engine's own loop writes batches through the store. These are for everything the library brings
(repositories, applications, projections): reading needs nothing but the database, also while an
engine runs; writing needs the lane, which one process holds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import RLock
from typing import Any, Protocol
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

from adapters.sql.reads import Row
from domain.chain import GENESIS, event_hash
from domain.ports import (
    LaneLost,
    LaneWrite,
    SnapshotRow,
    Store,
    StoreConflict,
    StoreFailed,
    Transaction,
)

__all__ = [
    "Lane", "LaneAggregateRecorder", "LaneRecorder", "LaneSnapshotRecorder", "LaneSubscription",
    "Statements",
]  # fmt: skip

POLL_S = 0.2
"""How soon a subscription sees what another process wrote; its own process wakes it at once."""

_HASHED = "SELECT prev, topic, state FROM events WHERE stream = ? AND version = ?"
_TRACK = """
INSERT INTO tracking (application, position) VALUES (?, ?)
ON CONFLICT (application) DO UPDATE SET position = excluded.position
WHERE excluded.position > tracking.position
"""
_TRACKED = "SELECT position FROM tracking WHERE application = ?"
_NOTIFICATIONS = "SELECT position, stream, version, topic, state FROM events WHERE lane = ?"
_LAST = "SELECT max(position) FROM events WHERE lane = ?"


class Done(Protocol):
    """What a statement answers."""

    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...


class Statements(Protocol):
    """The connection of an open transaction, for plain SQL with `?` for a value."""

    def execute(self, sql: str, values: Sequence[Any] = ..., /) -> Done: ...


class Lane(ABC):
    """One lane of a store, for reading, and for writing where this process owns it."""

    faults: tuple[type[Exception], ...] = ()
    """What the driver raises."""

    def __init__(self, number: int, store: Store | None = None) -> None:
        self.number = number
        self.listeners: WeakSet[LaneSubscription] = WeakSet()
        self._store = store
        self._writing = RLock()

    @abstractmethod
    def read(self, sql: str, values: Sequence[Any]) -> list[Row]:
        """Committed rows of plain SQL with `?` for a value. Raises the library's errors."""

    @abstractmethod
    def id(self, stream: UUID) -> Any:
        """A stream id as a value of a query."""

    @abstractmethod
    def state(self, stored: bytes) -> bytes:
        """The state of an event as it was written, from its column."""

    @abstractmethod
    def statements(self, transaction: Transaction) -> Statements:
        """The connection of an open transaction."""

    @abstractmethod
    def is_integrity(self, error: BaseException | None) -> bool:
        """Whether an error of the driver says that a row was there already."""

    @abstractmethod
    def close(self) -> None:
        """Close the connections, and the store too, for it was given away."""

    @contextmanager
    def transaction(self) -> Iterator[tuple[Transaction, Statements]]:
        """A lane transaction, committed at the end, with the library's errors."""
        store = self._store
        if store is None:
            raise persistence.OperationalError("this lane was opened for reading only")
        with self._writing:
            try:
                transaction = store.begin(store.belief(self.number))
                try:
                    yield transaction, self.statements(transaction)
                    transaction.commit()
                except BaseException:
                    transaction.rollback()
                    raise
            except (StoreFailed, StoreConflict, LaneLost, *self.faults) as error:
                raise self._of_the_library(error) from error
        for listener in list(self.listeners):
            listener.wake()

    def _of_the_library(self, error: Exception) -> persistence.PersistenceError:
        if self.is_integrity(error) or self.is_integrity(error.__cause__):
            return persistence.IntegrityError(str(error))
        return persistence.OperationalError(str(error))


class LaneAggregateRecorder(AggregateRecorder):
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
        values = (self._lane.id(stream), above, _bound(lte), _bound(limit))
        rows = self._lane.read(sql, values)
        state_of = self._lane.state
        return [
            StoredEvent(stream, version, topic, state_of(state)) for version, topic, state in rows
        ]

    def _insert(self, stored: Sequence[StoredEvent], tracking: Tracking | None) -> Sequence[int]:
        with self._lane.transaction() as (transaction, db):
            write = self._chained(db, stored)
            (after,) = transaction.write(write, clock_us=0)
            if tracking is not None:
                _track(db, tracking)
        return list(range(after.head - len(stored) + 1, after.head + 1))

    def _chained(self, db: Statements, stored: Sequence[StoredEvent]) -> LaneWrite:
        """The events with the hash of each one's predecessor, from the batch or the log."""
        write = LaneWrite()
        last: dict[UUID, tuple[int, bytes]] = {}
        for event in stored:
            stream = _uuid(event.originator_id)
            version = event.originator_version
            known, prev = last.get(stream, (None, GENESIS))
            if known != version - 1:
                prev = self._hash_at(db, stream, version - 1)
            now = event_hash(prev, stream.bytes, version, event.topic, event.state)
            last[stream] = (version, now)
            write.events.append(event)
            write.prevs.append(prev)
        return write

    def _hash_at(self, db: Statements, stream: UUID, version: int) -> bytes:
        row = db.execute(_HASHED, (self._lane.id(stream), version)).fetchone()
        if row is None:
            return GENESIS
        prev, topic, state = row
        return event_hash(prev, stream.bytes, version, topic, self._lane.state(state))


class LaneRecorder(LaneAggregateRecorder, ProcessRecorder):
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
        sql, values = _NOTIFICATIONS, list[Any]([self._lane.number])
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
            Notification(UUID(bytes=stream), version, topic, self._lane.state(state), position)
            for position, stream, version, topic, state in rows
        ]

    def max_notification_id(self) -> int | None:
        """The head of the log, or None while it is empty."""
        return self._lane.read(_LAST, (self._lane.number,))[0][0]

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


class LaneSnapshotRecorder(LaneAggregateRecorder):
    """Snapshots of the lane's streams; a stream keeps its newest one."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> None:
        """Keep snapshots, each with the hash of the event it stands for."""
        with self._lane.transaction() as (transaction, db):
            rows = [SnapshotRow(s, self._hash_of(db, s)) for s in stored_events]
            transaction.write(LaneWrite(snapshots=rows), clock_us=0)

    def _hash_of(self, db: Statements, snapshot: StoredEvent) -> bytes:
        return self._hash_at(db, _uuid(snapshot.originator_id), snapshot.originator_version)

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


class LaneSubscription(ListenNotifySubscription[LaneRecorder]):
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


def _track(db: Statements, tracking: Tracking) -> None:
    moved = db.execute(_TRACK, (tracking.application_name, tracking.notification_id))
    if moved.rowcount != 1:
        what = f"{tracking.application_name} was followed to {tracking.notification_id} or further"
        raise persistence.IntegrityError(what)


def _uuid(originator_id: UUID | str) -> UUID:
    return originator_id if isinstance(originator_id, UUID) else UUID(originator_id)


def _bound(value: int | None) -> int:
    return 2**63 - 1 if value is None else value
