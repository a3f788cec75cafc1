"""A lane of a store on PostgreSQL, for the recorders of adapters/sql/recorder.py."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import psycopg
from eventsourcing import persistence

from adapters.postgres.cluster import PostgresCluster
from adapters.postgres.pool import ReadPool, marked
from adapters.postgres.store import PostgresStore
from adapters.postgres.transaction import PostgresTransaction
from adapters.sql.reads import Row
from adapters.sql.recorder import Done, Lane, Statements
from domain.ports import StoreFailed, Transaction

__all__ = ["PostgresLane"]

BEAT_S = 1.0
_OWNER = "SELECT owner FROM lanes WHERE lane = ?"


class PostgresLane(Lane):
    """Connections for reading, and the lane itself where it may be written.

    An owner says every second that it lives, or an engine would take the lane over.
    """

    faults = (psycopg.Error,)

    def __init__(self, url: str, number: int, *, is_writable: bool = False) -> None:
        """Raises the library's OperationalError where there is no store.

        Raises StoreFailed where the lane is not there (store.lanes) or has a living owner
        (store.locked).
        """
        self._pool = ReadPool(url)
        try:
            found = self.read(_OWNER, (number,))
            if not found:
                raise StoreFailed("store.lanes", f"{self._pool.path} has no lane {number}")
            self._held = _Held(url, number) if is_writable else None
        except BaseException:
            self._pool.close()
            raise
        super().__init__(number, self._held.store if self._held is not None else None)

    def read(self, sql: str, values: Sequence[Any]) -> list[Row]:
        """Committed rows."""
        try:
            return self._pool.rows(sql, values)
        except StoreFailed as failed:
            raise persistence.OperationalError(str(failed)) from failed

    def id(self, stream: UUID) -> UUID:
        """As it is."""
        return stream

    def state(self, stored: bytes) -> bytes:
        """Without the byte that tells its form."""
        return self._pool.state(stored)

    def statements(self, transaction: Transaction) -> Statements:
        """The connection of the transaction."""
        assert isinstance(transaction, PostgresTransaction), transaction
        return _Marked(transaction)

    def is_integrity(self, error: BaseException | None) -> bool:
        """Whether a row was there already."""
        return isinstance(error, psycopg.IntegrityError)

    def close(self) -> None:
        """Close everything; the lane is released."""
        self._pool.close()
        if self._held is not None:
            self._held.leave()


class _Marked:
    """Plain SQL with `?` for a value, on the connection of a transaction."""

    def __init__(self, transaction: PostgresTransaction) -> None:
        self._db = transaction.connection

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> Done:
        return self._db.execute(marked(sql), values, binary=True)


class _Held:
    """A lane that this process owns."""

    def __init__(self, url: str, lane: int) -> None:
        process = f"recorder {socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self.store = PostgresStore.open(url, process=process)
        self._cluster = PostgresCluster(
            url, process=process, backend=lambda: self.store.backend, works=False
        )
        self._left = threading.Event()
        self._beating = threading.Thread(target=self._beat, name="lane heartbeat", daemon=True)
        try:
            if self._cluster.claim(lane) is None:
                raise StoreFailed("store.locked", f"lane {lane} has a living owner")
        except BaseException:
            self._cluster.close()
            self.store.close()
            raise
        self._beating.start()

    def leave(self) -> None:
        """Release the lane. Where the database is away others take it when we are silent."""
        self._left.set()
        self._beating.join()
        try:
            self._cluster.leave()
        except StoreFailed:
            self._cluster.close()
        self.store.close()

    def _beat(self) -> None:
        while not self._left.wait(BEAT_S):
            try:
                self._cluster.beat()
            except StoreFailed:
                # The next one may reach the database; a lane that was lost shows at a write.
                continue
