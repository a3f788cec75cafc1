"""The inbox of a user's service: each event it hears of is applied once.

For services that read `facts`, or anything else that may come twice. The note that an event was
applied is written in the transaction that applies it:

    with engine.begin() as connection:
        if inbox.once(connection, event["id"]):
            connection.execute("update orders ...")

Tables: `troth outbox ddl`. Works with connections of sqlite3, psycopg and SQLAlchemy.
"""

from __future__ import annotations

import time

from ._durations import seconds_of
from ._sql import Connection, ensure, run, run_async

__all__ = ["DDL", "create", "once", "once_async", "prune"]

DDL = (
    """CREATE TABLE IF NOT EXISTS troth_inbox (
  consumer TEXT NOT NULL, id TEXT NOT NULL, at_us BIGINT NOT NULL, PRIMARY KEY (consumer, id))""",
)
"""The same for SQLite and PostgreSQL."""
PRUNE_ROWS_MAX = 10_000
"""How many rows one prune removes, so that it never holds the database for long."""

_INSERT = (
    "INSERT INTO troth_inbox (consumer, id, at_us) VALUES (?, ?, ?) "
    "ON CONFLICT (consumer, id) DO NOTHING"
)
_PRUNE = (
    "DELETE FROM troth_inbox WHERE (consumer, id) IN "
    "(SELECT consumer, id FROM troth_inbox WHERE at_us < ? LIMIT ?)"
)


def create(connection: Connection) -> None:
    """Make the table if it is missing, and commit; for those without migrations of their own."""
    ensure(connection, "troth_inbox", DDL)


def once(connection: object, event_id: str, *, consumer: str = "") -> bool:
    """True the first time this event comes; False when it was applied already.

    Call it in the transaction that applies the event, before anything else: a second transaction
    with the same event waits here until the first one ends. Ids are unique for a source: where
    several sources are read, give `f"{source} {id}"`. `consumer` tells those apart that apply the
    same events each for itself. Raises what the driver raises.
    """
    return run(connection, _INSERT, (consumer, event_id, _now_us())) == 1


async def once_async(connection: object, event_id: str, *, consumer: str = "") -> bool:
    """`once` for psycopg's AsyncConnection, SQLAlchemy's AsyncConnection and AsyncSession."""
    return await run_async(connection, _INSERT, (consumer, event_id, _now_us())) == 1


def prune(connection: object, older_than: str) -> int:
    """Forget events applied longer ago than a duration (`"30d"`), 10,000 at most; how many.

    In the caller's transaction. An event that comes again after that is applied again. Raises
    ValueError if it is no duration.
    """
    before_us = _now_us() - int(seconds_of(older_than) * 1_000_000)
    return run(connection, _PRUNE, (before_us, PRUNE_ROWS_MAX))


def _now_us() -> int:
    return time.time_ns() // 1000
