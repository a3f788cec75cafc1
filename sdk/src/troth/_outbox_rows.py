"""The table of the outbox: rows taken in order by one relay at a time, and settled."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ._sql import Connection, Dialect, ensure, leave, rows, run

__all__ = ["Row", "Rows", "ddl"]

LEASE_S = 60.0
"""SQLite: how long a relay that stopped without a word keeps others out. Above a send's timeout."""
REASON_MAX = 2_000
"""Characters of the reason why a row was set aside."""

_NUMBER = {
    "sqlite": "INTEGER PRIMARY KEY AUTOINCREMENT",
    "postgres": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
}
_TAKE = (
    "SELECT number, id, key, event FROM troth_outbox WHERE error IS NULL ORDER BY number LIMIT ?"
)
_LOCK = "SELECT one FROM troth_outbox_relay WHERE one = 1 FOR UPDATE SKIP LOCKED"
_LEASE = (
    "UPDATE troth_outbox_relay SET owner = ?, until_us = ? "
    "WHERE one = 1 AND (owner = ? OR until_us < ?)"
)
_RELEASE = "UPDATE troth_outbox_relay SET until_us = 0 WHERE one = 1 AND owner = ?"
_SENT = "DELETE FROM troth_outbox WHERE number = ?"
_ASIDE = "UPDATE troth_outbox SET error = ? WHERE number = ?"


def ddl(dialect: Dialect) -> tuple[str, ...]:
    """The statements that make the tables of the outbox, for users' own migrations."""
    return (
        f"""CREATE TABLE IF NOT EXISTS troth_outbox (
  number {_NUMBER[dialect]}, id TEXT NOT NULL UNIQUE, key TEXT NOT NULL,
  event TEXT NOT NULL, at_us BIGINT NOT NULL, error TEXT)""",
        "CREATE INDEX IF NOT EXISTS troth_outbox_open ON troth_outbox (number) WHERE error IS NULL",
        """CREATE TABLE IF NOT EXISTS troth_outbox_relay (
  one INTEGER PRIMARY KEY CHECK (one = 1), owner TEXT NOT NULL, until_us BIGINT NOT NULL)""",
        """INSERT INTO troth_outbox_relay (one, owner, until_us) VALUES (1, '', 0)
  ON CONFLICT (one) DO NOTHING""",
    )


@dataclass(frozen=True, slots=True)
class Row:
    """An event that waits to be sent: its place, its id, its key, and itself as JSON."""

    number: int
    id: str
    key: str
    event: str


class Rows:
    """The rows as one relay sees them; used by one thread at a time.

    PostgreSQL: the relay's row is locked from `take` to `settle`, in one transaction, and free at
    once when the relay dies. SQLite has no row locks, and its one writer must not wait for a
    network: there the relay holds a lease, and two short transactions.
    """

    def __init__(self, connect: Callable[[], Connection], dialect: Dialect, owner: str) -> None:
        self._connect = connect
        self._dialect: Dialect = dialect
        self._owner = owner
        self._connection: Connection | None = None

    def take(self, limit: int, bytes_max: int) -> list[Row] | None:
        """The first rows; None while another relay is at work. Raises what the driver raises."""
        connection = self._open()
        try:
            if not self._mine(connection):
                connection.rollback()
                return None
            found = [Row(*row) for row in rows(connection, _TAKE, (limit,))]
            if not found or self._dialect == "sqlite":
                connection.commit()
        except BaseException:
            self.drop()
            raise
        return _bounded(found, bytes_max)

    def settle(self, sent: Sequence[int], aside: Sequence[tuple[int, str]]) -> None:
        """Remove what was acknowledged, set aside what was refused. Raises what the driver raises.

        What is in neither comes again.
        """
        connection = self._open()
        try:
            if self._dialect == "sqlite":
                run(connection, "BEGIN IMMEDIATE", ())
            for number in sent:
                run(connection, _SENT, (number,))
            for number, reason in aside:
                run(connection, _ASIDE, (reason[:REASON_MAX], number))
            connection.commit()
        except BaseException:
            self.drop()
            raise

    def close(self) -> None:
        """Let another relay go on at once."""
        if self._connection is not None and self._dialect == "sqlite":
            with contextlib.suppress(Exception):
                run(self._connection, _RELEASE, (self._owner,))
                self._connection.commit()
        self.drop()

    def drop(self) -> None:
        """Leave the connection, with all that it holds."""
        connection, self._connection = self._connection, None
        leave(connection)

    def _open(self) -> Connection:
        if self._connection is None:
            connection = self._connect()
            try:
                statements = ddl(self._dialect)
                ensure(connection, "troth_outbox_relay", statements)
                # Migrations may have made the tables and not the relay's row.
                run(connection, statements[-1], ())
                connection.commit()
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _mine(self, connection: Connection) -> bool:
        if self._dialect == "postgres":
            return bool(rows(connection, _LOCK, ()))
        run(connection, "BEGIN IMMEDIATE", ())
        now_us = time.time_ns() // 1000
        until_us = now_us + int(LEASE_S * 1_000_000)
        return run(connection, _LEASE, (self._owner, until_us, self._owner, now_us)) == 1


def _bounded(found: list[Row], bytes_max: int) -> list[Row]:
    """The first rows that fit together, one at least."""
    size = 0
    for at, row in enumerate(found):
        size += len(row.event.encode())
        if at and size > bytes_max:
            return found[:at]
    return found
