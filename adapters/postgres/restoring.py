"""A store on PostgreSQL that was restored from a backup, to a point in time or not."""

from __future__ import annotations

from contextlib import closing

from adapters.postgres.copying import SETTINGS, keep_out
from adapters.postgres.faults import FAULTS, store_failed
from adapters.postgres.link import Db, connect, where
from adapters.postgres.pool import marked
from adapters.postgres.schema import check_form
from adapters.sql.restoring import Restored, mark

__all__ = ["mark_restored"]

_NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"


def mark_restored(url: str, doubt_us: int) -> Restored:
    """Tell the store. Raises StoreFailed, store.locked while an engine runs on it."""
    path = where(url)
    try:
        with closing(connect(url, "troth restored", SETTINGS)) as db:
            check_form(db, path, None)
            keep_out(db, path)
            now_us = _number(db, _NOW)
            restored = mark(
                lambda sql, values: db.execute(marked(sql), values).rowcount,
                lambda sql: _number(db, sql),
                true="true", now_us=now_us, doubt_until_us=now_us + doubt_us,
            )  # fmt: skip
            db.execute("COMMIT")
            return restored
    except FAULTS as error:
        raise store_failed(error, path) from error


def _number(db: Db, sql: str) -> int:
    row = db.execute(marked(sql)).fetchone()
    assert row is not None
    return int(row[0])
