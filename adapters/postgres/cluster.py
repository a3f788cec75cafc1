"""Who owns which lane. Clocks decide when a lane is taken over, its row whether that is safe."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable

import psycopg

from adapters.postgres.arrays import longs
from adapters.postgres.clock import DatabaseClock
from adapters.postgres.faults import guarded, is_locked
from adapters.postgres.link import NAME_CHARS_MAX, Link, query
from adapters.postgres.schema import FORMAT
from domain.cluster import LaneState, View
from domain.ports import LaneBelief

__all__ = ["SILENCE_MAX_US", "PostgresCluster"]

SILENCE_MAX_US = 3_000_000
"""A process that said nothing for so long lives no more."""
SILENCE_ALONE_US = 1_500_000
"""So long if it has no connection either: what was killed is seen sooner than what stands still.

More than a heartbeat: whoever lost a connection opens it again with the next one.
"""

WAIT_FOR_ROW_MS = 1_000
"""How long a claim waits for a lane's row before it ends whoever holds it."""

CLAIM_TRIES_MAX = 3
END_TIMEOUT_MS = 1_000

BEATS_PER_TIDYING = 30
KEPT_US = 60_000_000
"""Answers that nobody fetched, and silent processes, are dropped after so long."""

_NOW = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
_BEAT = f"""
INSERT INTO processes (process, beat_us, started_us, host, pid, format, works)
VALUES (%s, {_NOW}, {_NOW}, %s, %s, %s, %s)
ON CONFLICT (process) DO UPDATE SET beat_us = excluded.beat_us, works = excluded.works
RETURNING beat_us
"""  # noqa: S608 - names of our own
_NAME = "troth {} cluster"
# A server that was started after the last heartbeat has ended every connection: that says nothing.
_LIVES = f"""p.beat_us >= %(now_us)s - {SILENCE_MAX_US} AND (
  p.beat_us >= %(now_us)s - {SILENCE_ALONE_US}
  OR p.beat_us < (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint
  OR EXISTS (SELECT FROM pg_stat_activity s
    WHERE s.datname = current_database()
    AND s.application_name = left(replace('{_NAME}', '{{}}', p.process), {NAME_CHARS_MAX})))"""
_LANES = f"""
SELECT l.lane, l.owner, l.epoch, l.head, l.owner <> '' AND NOT coalesce({_LIVES}, false)
FROM lanes l LEFT JOIN processes p ON p.process = l.owner ORDER BY l.lane
"""  # noqa: S608 - names of our own
_WORKERS = f"""
SELECT p.process FROM processes p WHERE p.works AND {_LIVES} ORDER BY p.process
"""  # noqa: S608 - as above
# Read again under the row's lock: of two that claim at once the second finds a living owner.
_CLAIM = f"""
UPDATE lanes SET epoch = epoch + 1, owner = %(process)s, backend = %(backend)s
WHERE lane = %(lane)s AND (owner IN ('', %(process)s) OR NOT EXISTS (
  SELECT 1 FROM processes p WHERE p.process = lanes.owner
  AND {_LIVES.replace("%(now_us)s", _NOW)}))
"""  # noqa: S608 - as above
_BELIEF = """
SELECT epoch, head, chain, clock_us, (SELECT incarnation FROM store) FROM lanes
WHERE lane = %s AND owner = %s
"""
_HELD_BY = "SELECT backend FROM lanes WHERE lane = %s"
_END = """
SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity WHERE pid = %s
AND (extract(epoch FROM backend_start) * 1000000)::bigint = %s
"""
_RELEASE = "UPDATE lanes SET owner = '', backend = '' WHERE lane = ANY(%s) AND owner = %s"
_RELEASE_ALL = "UPDATE lanes SET owner = '', backend = '' WHERE owner = %s"
_TELL = "SELECT pg_notify('troth_shares', %s)"
_GONE = "DELETE FROM processes WHERE process = %s"
_OLD_ANSWERS = f"DELETE FROM answers WHERE at_us < {_NOW} - %s"  # noqa: S608 - as above
_OLD_PROCESSES = f"DELETE FROM processes WHERE beat_us < {_NOW} - %s"  # noqa: S608 - as above


class PostgresCluster:
    """Implements `domain.ports.Cluster` on a connection of its own; may be used from any thread.

    `backend` tells the server's process behind the writer of this process (PostgresStore.backend):
    whoever takes a lane over ends it, should it still hold the row. Every method raises StoreFailed
    (store.gone when the database cannot be reached).
    """

    def __init__(
        self,
        url: str,
        *,
        process: str,
        backend: Callable[[], str],
        works: bool = True,
        clock: DatabaseClock | None = None,
    ) -> None:
        # A heartbeat is not worth a flush: one that a crash loses is a second old.
        settings = f"-c lock_timeout={WAIT_FOR_ROW_MS} -c synchronous_commit=off"
        self._link = Link(url, _NAME.format(process), settings=settings)
        self.path = self._link.path
        self.process = process
        self.works = works
        self._backend = backend
        self._clock = clock
        self._host = socket.gethostname()
        self._beats = 0
        self._lock = threading.Lock()

    @guarded
    def beat(self) -> View:
        """Say that this process lives, and see the others."""
        with self._lock:
            db = self._link.db()
            if self._beats % BEATS_PER_TIDYING == 0:
                db.execute(_OLD_ANSWERS, (KEPT_US,))
                db.execute(_OLD_PROCESSES, (KEPT_US,))
            self._beats += 1
            now = {"now_us": self._say()}
            with db.pipeline():
                lanes = query(db, _LANES, now)
                workers = query(db, _WORKERS, now)
            states = [LaneState(*row) for row in lanes.fetchall()]
            return View(states, [name for (name,) in workers.fetchall()])

    def _say(self) -> int:
        """Write the heartbeat; the answer is the database's time, which measures its clock."""
        db = self._link.db()
        values = (self.process, self._host, os.getpid(), FORMAT, self.works)
        asked_us = self._clock.steady_us() if self._clock is not None else 0
        row = db.execute(_BEAT, values, binary=True).fetchone()
        assert row is not None
        if self._clock is not None:
            self._clock.measured(asked_us, row[0], self._clock.steady_us())
        return row[0]

    @guarded
    def claim(self, lane: int) -> LaneBelief | None:
        """Take a lane that is released, overdue or ours: epoch + 1, committed. None: taken.

        Where a silent owner still holds the row, its connection is ended first.
        """
        with self._lock:
            # Whoever is not seen to live could not keep what it takes.
            self._say()
            for _ in range(CLAIM_TRIES_MAX):
                try:
                    return self._take(lane)
                except psycopg.Error as error:
                    if not is_locked(error):
                        raise
                    self._end_holder(lane)
            return None

    def _take(self, lane: int) -> LaneBelief | None:
        db = self._link.db()
        values = {"process": self.process, "backend": self._backend(), "lane": lane}
        if query(db, _CLAIM, values).rowcount != 1:
            return None
        # Committed: nobody with an earlier epoch writes any more, and what is read now stays.
        row = db.execute(_BELIEF, (lane, self.process), binary=True).fetchone()
        return None if row is None else LaneBelief(lane, *row)

    def _end_holder(self, lane: int) -> None:
        """End the connection of the owner that the lane's row names: it holds the row too long."""
        db = self._link.db()
        row = db.execute(_HELD_BY, (lane,), binary=True).fetchone()
        pid, _, began_us = (row[0] if row else "").partition(":")
        if pid.isdecimal() and began_us.isdecimal():
            db.execute(_END, (END_TIMEOUT_MS, int(pid), int(began_us)), binary=True)

    @guarded
    def release(self, *lanes: int) -> None:
        """Give lanes away, between two batches; the others are told, and need not wait to see."""
        with self._lock:
            db = self._link.db()
            db.execute(_RELEASE, (longs(lanes), self.process), binary=True)
            db.execute(_TELL, (self.process,))

    @guarded
    def leave(self) -> None:
        """Release every lane, say that this process is gone, and close the connection."""
        with self._lock:
            db = self._link.db()
            with db.transaction():
                db.execute(_RELEASE_ALL, (self.process,), binary=True)
                db.execute(_GONE, (self.process,), binary=True)
                db.execute(_TELL, (self.process,))
            self._link.drop()

    def close(self) -> None:
        """Close the connection without a word, as a crash would."""
        with self._lock:
            self._link.drop()
