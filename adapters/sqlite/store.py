"""The store on SQLite: one file, one process, one writer at a time.

The write path uses the standard library's driver: for the same batches of 100 rows SQLAlchemy
Core took 2.2 to 2.7 times as long (1.5 with `text`), and 23 us against 5 us for a single row.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from uuid import uuid4

from adapters.sql.log_rows import DEFINITIONS
from adapters.sqlite.faults import FAULTS, guarded, store_failed
from adapters.sqlite.files import FileLock, path_of
from adapters.sqlite.schema import HEAD, create, revision_of
from adapters.sqlite.transaction import SqliteTransaction
from domain.chain import GENESIS
from domain.ports import LaneBelief, LaneLost, PassedAnswer, StoreFailed

__all__ = ["FORMAT", "SqliteStore"]

FORMAT = 1
"""The form of what is written into the tables; a store of another one is refused."""

LANES = 1
BUSY_TIMEOUT_MS = 5_000
STATEMENTS_CACHED_MAX = 256
PAGE_CACHE_KIB = 65_536

PAGES_BEFORE_CHECKPOINT = 1_000
"""When the writer, after a commit, copies the log (4 MiB) into the file. 4,000 pages gave the same
throughput and longer stalls: p99 of a batch 32 ms against 24. Only the writer may do it: a thread
beside a busy writer never finds the log at rest, and it would grow without a bound."""

WAL_BYTES_KEPT = 67_108_864

_CLAIM = "UPDATE lanes SET epoch = epoch + 1, owner = ?, backend = ? WHERE lane = 0"
_LANE = "SELECT epoch, head, chain, clock_us FROM lanes WHERE lane = ?"
# The same head is written: the row is locked and compared, nothing reaches the disk for it.
_CHECK = "UPDATE lanes SET head = head WHERE lane = ? AND epoch = ? AND head = ?"
_NEXT_DUE = """
SELECT min(due) FROM (
  SELECT (SELECT due_us FROM timers t WHERE t.lane = ?1 AND NOT EXISTS
    (SELECT 1 FROM parked_streams p WHERE p.stream = t.stream) ORDER BY due_us LIMIT 1) AS due
  UNION ALL SELECT min(lease_until_us) FROM dispatches WHERE lane = ?1 AND state <> 'offered'
  UNION ALL SELECT min(start_by_us) FROM dispatches WHERE lane = ?1 AND state = 'offered'
  UNION ALL SELECT min(not_after_us) + 1 FROM dispatches
    WHERE lane = ?1 AND state <> 'started' AND not_after_us IS NOT NULL)
"""
_TRY_LESS = "UPDATE inbox SET tries = tries - 1 WHERE id = ? AND tries > 0"


class SqliteStore:
    """Implements `domain.ports.Store`. Use it from one thread at a time.

    Every method raises StoreFailed when the database fails or refuses.
    """

    def __init__(self, db: sqlite3.Connection, lock: FileLock, path: str) -> None:
        self.path = path
        self.lanes = LANES
        self.connection = db
        self._lock = lock
        self.incarnation: int = db.execute("SELECT incarnation FROM store").fetchone()[0]
        # Whom each participant's work was last given to: only fairness hangs on it.
        self._served: dict[str, str] = {}

    @classmethod
    def open(
        cls, url: str, *, now_us: int, lanes: int = LANES, durable: bool = True
    ) -> SqliteStore:
        """Open the store of `sqlite:///PATH`, made if it is not there, and claim its lane.

        `durable=False` leaves out the flush of each commit: for simulations, where the disk is not
        what is tested. Raises StoreFailed: store.locked, store.corrupt, store.format, store.lanes,
        store.full or store.failed.
        """
        if lanes != LANES:
            raise StoreFailed("store.lanes", f"a store on SQLite has {LANES} lane, not {lanes}")
        path = path_of(url)
        lock = FileLock(path)
        try:
            db = sqlite3.connect(
                path,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=STATEMENTS_CACHED_MAX,
            )
            try:
                _set_up(db, path, durable)
                _begin_life(db, path, now_us)
                return cls(db, lock, str(path))
            except BaseException:
                db.close()
                raise
        except FAULTS as error:
            lock.release()
            raise store_failed(error, str(path)) from error
        except BaseException:
            lock.release()
            raise

    @guarded
    def belief(self, lane: int) -> LaneBelief:
        """The lane as the database holds it now."""
        row = self.connection.execute(_LANE, (lane,)).fetchone()
        if row is None:
            raise StoreFailed("store.lanes", f"there is no lane {lane}")
        return LaneBelief(lane, *row, incarnation=self.incarnation)

    @guarded
    def begin(self, *beliefs: LaneBelief) -> SqliteTransaction:
        """Open a transaction on the lane. Raises LaneLost when the row is not as believed."""
        (belief,) = beliefs
        db = self.connection
        db.execute("BEGIN IMMEDIATE")
        found = db.execute(_CHECK, (belief.lane, belief.epoch, belief.head))
        if found.rowcount != 1:
            db.execute("ROLLBACK")
            raise LaneLost(f"lane {belief.lane} is not at epoch {belief.epoch}, head {belief.head}")
        return SqliteTransaction(db, belief, self.path, self._served)

    @guarded
    def definitions(self) -> Iterable[tuple[bytes, bytes]]:
        """Every registered definition: its hash and its document, as registered."""
        return self.connection.execute(DEFINITIONS).fetchall()

    @guarded
    def next_due_us(self, *lanes: int) -> int | None:
        """When something of the lane is due next: a timer, a lease, or the end of a wait."""
        (lane,) = lanes
        return self.connection.execute(_NEXT_DUE, (lane,)).fetchone()[0]

    def answers(self, asker: str) -> Sequence[PassedAnswer]:  # noqa: ARG002 - of the port
        """Nothing: there is nobody whom a request could be passed to."""
        return ()

    @guarded
    def take_back_tries(
        self,
        lanes: Sequence[int],  # noqa: ARG002 - of the port
        rows: Sequence[int],
    ) -> None:
        """Count a try less of each of these rows of the inbox."""
        self.connection.executemany(_TRY_LESS, [(row,) for row in rows])

    def close(self) -> None:
        """Close the file and let go of its lock; an open transaction is rolled back."""
        self.connection.close()
        self._lock.release()


def _set_up(db: sqlite3.Connection, path: Path, durable: bool) -> None:
    db.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    mode = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise StoreFailed("store.failed", f"{path}: this file system cannot hold a WAL ({mode})")
    db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("PRAGMA temp_store = MEMORY")
    db.execute(f"PRAGMA cache_size = -{PAGE_CACHE_KIB}")
    db.execute(f"PRAGMA wal_autocheckpoint = {PAGES_BEFORE_CHECKPOINT}")
    db.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}")


def _begin_life(db: sqlite3.Connection, path: Path, now_us: int) -> None:
    revision = revision_of(db)
    if revision is None:
        create(db)
    elif revision != HEAD:
        detail = f"{path} has revision {revision}, this release wants {HEAD}"
        raise StoreFailed("store.format", detail)
    db.execute("BEGIN IMMEDIATE")
    if db.execute("SELECT 1 FROM store").fetchone() is None:
        # Also after a crash between making the tables and filling them.
        db.execute("INSERT INTO store VALUES (1, ?, ?, 1, ?, 0, 0)", (str(uuid4()), LANES, now_us))
        db.execute("INSERT INTO lanes VALUES (0, '', '', 0, 0, ?, 0, ?)", (GENESIS, FORMAT))
    _check_form(db, path)
    db.execute(_CLAIM, (f"pid {os.getpid()}", ""))
    db.execute("COMMIT")


def _check_form(db: sqlite3.Connection, path: Path) -> None:
    lanes = db.execute("SELECT lanes FROM store").fetchone()[0]
    if lanes != LANES:
        raise StoreFailed("store.lanes", f"{path} has {lanes} lanes, this engine wants {LANES}")
    head, form = db.execute("SELECT head, format FROM lanes WHERE lane = 0").fetchone()
    if form != FORMAT:
        raise StoreFailed("store.format", f"{path} has format {form}, this release writes {FORMAT}")
    last = db.execute("SELECT max(position) FROM events WHERE lane = 0").fetchone()[0] or 0
    if last != head:
        raise StoreFailed("store.corrupt", f"{path}: the log ends at {last}, its lane at {head}")
