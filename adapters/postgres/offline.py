"""A store on PostgreSQL, read as it was at one moment, and what doctor asks of its server."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any
from uuid import UUID

import psycopg

from adapters.clock import wall_us
from adapters.postgres.cluster import SILENCE_MAX_US
from adapters.postgres.faults import FAULTS, guarded, store_failed
from adapters.postgres.link import Db, where
from adapters.postgres.outbox import RELAY
from adapters.postgres.pool import marked, read_ids
from adapters.postgres.schema import check_form
from adapters.postgres.states import unpack
from adapters.sql.offline import Check, OfflineStore
from adapters.sql.reads import Row

__all__ = ["PostgresOffline"]

CONNECT_TIMEOUT_S = 5
ROWS_AT_ONCE = 2_000

DEAD_ROWS_MIN = 50_000
DEAD_SHARE_MAX = 0.5
"""Dead rows as a share of all: vacuum begins at a fifth at the latest, so half is behind."""
CHANGED_ROWS_MIN = 50_000
CHANGED_SHARE_MAX = 0.5
"""Rows that changed since the newest ANALYZE, as a share of those that live."""
UNSEEN_ROWS_MIN = 1_000
"""A table with more live rows was to be analyzed once."""
TRANSACTION_MAX_S = 3_600
"""An older transaction keeps vacuum from removing what died since it began."""
CLOCK_DIFFERENCE_MAX_US = 1_000_000

_NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
_INVALID = """
SELECT indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE NOT (i.indisvalid AND i.indisready) AND c.relnamespace = current_schema()::regnamespace
"""
_CHECKSUMS = """
SELECT checksum_failures FROM pg_stat_database
WHERE datname = current_database() AND checksum_failures > 0
"""
_TABLES = """
SELECT relname, n_live_tup, n_dead_tup, n_mod_since_analyze,
  greatest(last_analyze, last_autoanalyze) IS NULL
FROM pg_stat_user_tables WHERE schemaname = current_schema() ORDER BY relname
"""
_SETTINGS = """
SELECT name, setting FROM pg_settings
WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'autovacuum') AND setting = 'off'
ORDER BY name
"""
_OLDEST = """
SELECT pid, application_name, state, extract(epoch FROM now() - xact_start)::bigint
FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
AND xact_start < now() - make_interval(secs => ?) ORDER BY xact_start
"""
_PREPARED = """
SELECT gid, extract(epoch FROM now() - prepared)::bigint FROM pg_prepared_xacts
WHERE database = current_database() AND prepared < now() - make_interval(secs => ?)
"""
_OWNERS = """
SELECT l.lane, l.owner, p.beat_us FROM lanes l LEFT JOIN processes p ON p.process = l.owner
ORDER BY l.lane
"""
_CURSORS = "SELECT topic, topic_id, partition, next_offset FROM cursors"
_RELAYED = """
SELECT l.lane, l.head - coalesce(r.position, 0) FROM lanes l
LEFT JOIN relays r ON r.lane = l.lane AND r.name = ? ORDER BY l.lane
"""
_WORKERS = "SELECT count(*) FROM processes WHERE works AND beat_us >= ?"


class PostgresSnapshot:
    """Implements `adapters.sql.offline.Snapshot` in a transaction of its own."""

    def __init__(self, db: Db, path: str) -> None:
        self.path = path
        self._db = db
        self._cursors = count()

    @guarded
    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return self._db.execute(marked(sql), values, binary=True).fetchall()

    def row(self, sql: str, values: Sequence[Any] = ()) -> Row | None:
        return next(iter(self.rows(sql, values)), None)

    def each(self, sql: str, values: Sequence[Any] = ()) -> Iterator[Row]:
        try:
            # A name of its own: several may be read side by side.
            with self._db.cursor(f"rows {next(self._cursors)}", binary=True) as cursor:
                cursor.itersize = ROWS_AT_ONCE
                yield from cursor.execute(marked(sql), values)
        except FAULTS as error:
            raise store_failed(error, self.path) from error

    def id(self, stream: UUID) -> UUID:
        return stream

    def state(self, stored: bytes) -> bytes:
        try:
            return unpack(stored)
        except (ValueError, zlib.error):
            # Damage must not end the verifying: as it lies there its hash cannot fit.
            return stored

    def close(self) -> None:
        self._db.close()


class PostgresOffline(OfflineStore):
    """A database that is only read, on a standby too.

    Raises StoreFailed where there is no store, or one of another form. While it is open vacuum
    keeps what died since: close it soon.
    """

    waits_for = """
    SELECT 1 FROM json_array_elements(convert_from(c.body, 'UTF8')::json -> 'waits_for') w
    WHERE w ->> 'kind'
    """

    def __init__(self, url: str) -> None:
        path = where(url)
        try:
            db = psycopg.connect(url, application_name="troth offline", autocommit=True,
                                 connect_timeout=CONNECT_TIMEOUT_S)  # fmt: skip
        except FAULTS as error:
            raise store_failed(error, path) from error
        try:
            check_form(db, path, None)
            read_ids(db)
            db.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            super().__init__(path, PostgresSnapshot(db, path))
        except FAULTS as error:
            db.close()
            raise store_failed(error, path) from error
        except BaseException:
            db.close()
            raise

    def now_us(self) -> int:
        """The database's clock."""
        row = self._db.row(_NOW)
        return 0 if row is None else row[0]

    def damage(self) -> list[str]:
        """Indexes that are not valid, and pages whose checksum did not fit."""
        found = [f"index {name} is not valid" for (name,) in self._db.rows(_INVALID)]
        failed = [f"{count} pages failed their checksum" for (count,) in self._db.rows(_CHECKSUMS)]
        return found + failed

    def cursors(self) -> dict[tuple[str, int], tuple[str, int]]:
        """Topic id and next offset of each partition of a log outside that was read."""
        rows = self._db.rows(_CURSORS)
        return {(topic, number): (id_, offset) for topic, id_, number, offset in rows}

    def relay_lag(self) -> dict[int, int]:
        """Events of each lane that are not yet published."""
        return dict(self._db.rows(_RELAYED, (RELAY,)))

    def checks(self) -> list[Check]:
        """Owners, clocks, settings, statistics and what vacuum has to do."""
        tables = self._db.rows(_TABLES)
        return [
            Check("2 every lane has a living owner", self._ownerless(), _RUNS),
            Check("12 clocks agree", self._clocks(), _CLOCKS),
            Check("1 what was answered survives a crash", self._unsafe(), _SAFE),
            Check("tables are analyzed", _unseen(tables), _ANALYZE),
            Check("vacuum keeps up", _dead(tables), _VACUUM),
            Check("no old transaction holds vacuum back", self._old(), _END),
        ]

    def _ownerless(self) -> list[str]:
        """Lanes that nobody works on. Where no engine runs at all, a released lane is as it is."""
        lives_us = self.now_us() - SILENCE_MAX_US
        workers = self._db.row(_WORKERS, (lives_us,))
        is_worked = workers is not None and workers[0] > 0
        found: list[str] = []
        for lane, owner, beat_us in self._db.rows(_OWNERS):
            if owner and (beat_us or 0) < lives_us:
                found.append(f"lane {lane}: {owner} was not heard of for {SILENCE_MAX_US} us")
            elif not owner and is_worked:
                found.append(f"lane {lane} is released, and nobody took it")
        return found

    def _clocks(self) -> list[str]:
        difference_us = wall_us() - self.now_us()
        if abs(difference_us) <= CLOCK_DIFFERENCE_MAX_US:
            return []
        return [f"this machine's clock is {difference_us / 1_000_000:+.1f} s from the database's"]

    def _unsafe(self) -> list[str]:
        return [f"{name} is {setting}" for name, setting in self._db.rows(_SETTINGS)]

    def _old(self) -> list[str]:
        limit = (TRANSACTION_MAX_S,)
        return [
            *(f"process {pid} ({name}, {state}) is in one since {age_s} s"
              for pid, name, state, age_s in self._db.rows(_OLDEST, limit)),
            *(f"prepared transaction {gid} is {age_s} s old"
              for gid, age_s in self._db.rows(_PREPARED, limit)),
        ]  # fmt: skip


_RUNS = "is an engine running on this store?  troth-engine work"
_CLOCKS = "keep both machines on one time source (NTP)"
_SAFE = "set it back to on in postgresql.conf, reload or restart the server"
_ANALYZE = "ANALYZE the table; is autovacuum on for it?"
_VACUUM = "VACUUM (ANALYZE) the table; see pg_stat_progress_vacuum, autovacuum_max_workers"
_END = "end it: SELECT pg_terminate_backend(PID), or ROLLBACK PREPARED"


def _unseen(tables: Sequence[Row]) -> list[str]:
    found: list[str] = []
    for name, live, _, changed, never in tables:
        if never and live > UNSEEN_ROWS_MIN:
            found.append(f"{name}: {live} rows, never analyzed")
        elif changed > max(CHANGED_ROWS_MIN, CHANGED_SHARE_MAX * live):
            found.append(f"{name}: {changed} of {live} rows changed since it was analyzed")
    return found


def _dead(tables: Sequence[Row]) -> list[str]:
    return [
        f"{name}: {dead} dead rows beside {live} live ones"
        for name, live, dead, _, _ in tables
        if dead > max(DEAD_ROWS_MIN, DEAD_SHARE_MAX * (live + dead))
    ]
