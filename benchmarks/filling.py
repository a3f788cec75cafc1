"""Millions of events in a store: copies of what the engine wrote, in a lane that nobody owns.

The engine writes some hundred sagas a second, so millions would take it hours. The rows are those
of its own finished sagas under new stream ids; tables and indexes grow as they would.
"""

from __future__ import annotations

import contextlib
import sqlite3
import uuid
from collections.abc import Iterator
from itertools import count, islice
from typing import Any

import psycopg

from benchmarks.shapes import Place

__all__ = ["fill"]

LANE = 9_999
TEMPLATE_EVENTS_MAX = 50_000
ROWS_A_COMMIT = 50_000

Row = tuple[Any, ...]
_COLUMNS = "lane, position, stream, version, topic, state, prev"
_TEMPLATE = f"SELECT {_COLUMNS} FROM events WHERE lane <> {LANE} ORDER BY lane, position LIMIT"
_LAST = f"SELECT coalesce(max(position), 0) FROM events WHERE lane = {LANE}"


def fill(place: Place, events: int) -> None:
    """Add so many events to a store that holds some; the engine may run."""
    if place.shape.store is None:
        _sqlite(place, events)
    else:
        _postgres(place, events)


def _sqlite(place: Place, events: int) -> None:
    with contextlib.closing(sqlite3.connect(place.sqlite_path, isolation_level=None)) as db:
        db.execute("PRAGMA busy_timeout = 60000")
        template = db.execute(f"{_TEMPLATE} {TEMPLATE_EVENTS_MAX}").fetchall()
        last = db.execute(_LAST).fetchone()[0]
        for rows in _chunks(_rows(template, last, events)):
            db.execute("BEGIN IMMEDIATE")
            db.executemany(f"INSERT INTO events ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            db.execute("COMMIT")


def _postgres(place: Place, events: int) -> None:
    with psycopg.connect(place.store_url, autocommit=True) as db:
        template = db.execute(f"{_TEMPLATE} {TEMPLATE_EVENTS_MAX}".encode()).fetchall()
        template = [(*row[:2], row[2].bytes, *row[3:]) for row in template]
        found = db.execute(_LAST.encode()).fetchone()
        assert found is not None
        for rows in _chunks(_rows(template, found[0], events)):
            with db.cursor().copy(f"COPY events ({_COLUMNS}) FROM STDIN".encode()) as copy:
                for lane, position, stream, *more in rows:
                    copy.write_row((lane, position, uuid.UUID(bytes=stream), *more))
        # What autovacuum would do within minutes.
        db.execute("VACUUM ANALYZE events")


def _rows(template: list[Row], last: int, events: int) -> Iterator[Row]:
    """Copies of the template, one after the other, under new ids."""
    positions = count(last + 1)

    def copies() -> Iterator[Row]:
        while True:
            # One mask for a copy: streams stay as different as they are.
            mask = uuid.uuid4().int
            for _, _, stream, *more in template:
                id_ = (int.from_bytes(stream) ^ mask).to_bytes(16)
                yield LANE, next(positions), id_, *more

    return islice(copies(), events)


def _chunks(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while chunk := list(islice(rows, ROWS_A_COMMIT)):
        yield chunk
