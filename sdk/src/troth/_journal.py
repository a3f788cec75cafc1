"""The participant's journal: what this side knows of each effect, kept in its own database.

An effect is begun here before its handler runs and answered here before its reply leaves, so that
a repeated command gets the recorded reply, one that may have happened is not run again, and one
that was undone or probed as absent never runs late. Many effects share one transaction.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from ._effect import Effect
from ._errors import NotDone, TrothError
from ._journal_rules import (
    Answer,
    Bar,
    Begin,
    Entry,
    Repeat,
    Run,
    Verdict,
    Write,
    barred,
    begun,
    judge,
    refuse,
    token_of,
)
from ._json import dumps

__all__ = ["Connection", "Journal"]

RETENTION_S = 30 * 24 * 3600
"""How long answered and barred entries are kept; longer than any commitment is open to a retry."""
PURGE_ROWS_MAX = 1_000
"""How many old entries one purge removes, so that it never holds the database for long."""
CHANGE_TRIES_MAX = 5
"""How often an entry that another worker changes at the same moment is read again."""
BUSY_TIMEOUT_S = 10.0
"""How long SQLite waits for another process that writes the same file."""

DDL = """CREATE TABLE IF NOT EXISTS troth_journal (
  effect TEXT PRIMARY KEY, digest TEXT NOT NULL, token TEXT NOT NULL, state TEXT NOT NULL,
  attempt INTEGER NOT NULL, outcome TEXT, at_us INTEGER NOT NULL)"""

_INSERT = (
    "INSERT INTO troth_journal (effect, digest, token, state, attempt, outcome, at_us) "
    "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (effect) DO NOTHING"
)
_SELECT = "SELECT digest, token, state, attempt, outcome FROM troth_journal WHERE effect = ?"
_CHANGE = (
    "UPDATE troth_journal SET digest = ?, token = ?, state = ?, attempt = ?, outcome = ?, "
    "at_us = ? WHERE effect = ? AND token = ? AND state = ? AND attempt = ?"
)
_ANSWER = (
    "UPDATE troth_journal SET state = 'answered', outcome = ?, at_us = ? "
    "WHERE effect = ? AND token = ? AND attempt = ? AND state = 'started'"
)
_RECORD = (
    "UPDATE troth_journal SET state = 'answered', outcome = ?, at_us = ? "
    "WHERE effect = ? AND attempt = ? AND state = 'started'"
)
_PURGE = (
    "DELETE FROM troth_journal WHERE effect IN (SELECT effect FROM troth_journal "
    "WHERE state <> 'started' AND at_us < ? LIMIT ?)"
)


class Cursor(Protocol):
    """What the journal needs of a DB-API cursor."""

    @property
    def rowcount(self) -> int: ...
    def execute(self, sql: str, parameters: Any = ..., /) -> Any: ...
    def fetchone(self) -> Any: ...
    def close(self) -> Any: ...


class Connection(Protocol):
    """What the journal needs of a DB-API connection: sqlite3's and psycopg's will do."""

    def cursor(self) -> Any: ...
    def commit(self) -> Any: ...
    def rollback(self) -> Any: ...
    def close(self) -> Any: ...


class Journal:
    """The table `troth_journal`, in a file of its own or in the participant's database.

    Args:
        connect: makes a DB-API connection; called in the thread that uses it.
        paramstyle: how the driver marks parameters, `qmark` (sqlite3) or `format` (psycopg).
        shared: whether every worker of the participant uses this journal. The engine pushes
            commands only to workers that share one, so say so only if it is true.
        retention_s: how long answered and barred entries are kept.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        *,
        paramstyle: Literal["qmark", "format"] = "qmark",
        shared: bool = True,
        retention_s: float = RETENTION_S,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._connect = connect
        self._connection: Connection | None = None
        self._retention_us = int(retention_s * 1_000_000)
        self._now_us = now_us
        self._marks = paramstyle != "qmark"
        self.kind = "shared" if shared else "local"

    @classmethod
    def at(cls, url: str, *, shared: bool = True, retention_s: float = RETENTION_S) -> Journal:
        """The journal of a URL: `sqlite:///file.db`, or `sqlite:////absolute/file.db`.

        Raises TrothError TR711 for any other form: give `Journal(connect=...)` then.
        """
        prefix = "sqlite:///"
        if not url.startswith(prefix) or url == prefix:
            raise TrothError(
                "TR711",
                f"journal_url {url!r} is not understood",
                do="sqlite:///FILE, or Worker(app, journal=Journal(connect=...))",
            )
        path = Path(url.removeprefix(prefix))
        return cls(lambda: _open_file(path), shared=shared, retention_s=retention_s)

    def open(self) -> None:
        """Connect and make the table if it is missing. Raises what the driver raises."""
        if self._connection is None:
            connection = self._connect()
            ddl = DDL.replace("at_us INTEGER", "at_us BIGINT") if self._marks else DDL
            self._execute(connection, ddl, ())
            connection.commit()
            self._connection = connection

    def close(self) -> None:
        """Close the connection; the journal can be opened again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def write(self, writes: Sequence[Write]) -> list[Verdict]:
        """Write all in one transaction; one verdict for each, in order.

        A Begin answers Run or Repeat; a Bar Run with `seen` and `recorded`, or Repeat if a newer
        command is known; an Answer the outcome that counts: the one recorded first.
        """
        self.open()
        assert self._connection is not None
        try:
            verdicts = [self._write(self._connection, write) for write in writes]
            self._connection.commit()
        except BaseException:
            self._connection.rollback()
            raise
        return verdicts

    def record_in(self, connection: Connection, fx: Effect[Any], result: Any = None) -> None:
        """Record `done` with this result in the participant's own open transaction.

        The journal must lie in the same database. When that transaction commits, the effect and
        its answer are one write: after a crash the recorded reply is sent, the handler does not
        run again. The result must be plain JSON.

            with orders.begin() as connection:
                connection.execute("insert into payments ...")
                journal.record_in(connection, fx, {"payment": 17})

        Raises NotDone if the effect was barred or taken over meanwhile: let it pass, so that the
        transaction rolls back.
        """
        text = dumps({"outcome": "done", "result": result})
        arguments = (text, self._now_us(), fx.key, fx.attempt)
        if self._execute(connection, _RECORD, arguments) != 1:
            raise NotDone("the journal no longer allows this effect")

    def purge(self) -> int:
        """Remove old answered and barred entries, a bounded number. Returns how many."""
        self.open()
        assert self._connection is not None
        before_us = self._now_us() - self._retention_us
        count = self._execute(self._connection, _PURGE, (before_us, PURGE_ROWS_MAX))
        self._connection.commit()
        return count

    def entry(self, effect: str) -> Entry | None:
        """What the journal knows of an effect."""
        self.open()
        assert self._connection is not None
        found = self._read(self._connection, effect)
        self._connection.commit()
        return found

    def _write(self, connection: Connection, write: Write) -> Verdict:
        match write:
            case Begin():
                return self._begin(connection, write)
            case Bar():
                return self._bar(connection, write)
            case Answer():
                return self._answer(connection, write)

    def _begin(self, connection: Connection, begin: Begin) -> Verdict:
        fresh = Entry(begin.digest, begin.token, "started", begin.attempt, None)
        for _ in range(CHANGE_TRIES_MAX):
            if self._insert(connection, begin.effect, fresh):
                return Run(seen=False)
            entry = self._read(connection, begin.effect)
            if entry is None:
                continue
            verdict = judge(entry, begin)
            if isinstance(verdict, Repeat) or self._change(connection, begin.effect, entry, fresh):
                return verdict
        return refuse("journal.busy", "another worker changes this effect at the same moment")

    def _bar(self, connection: Connection, bar: Bar) -> Verdict:
        unseen = Entry("", bar.token, "barred", 0, {"by": bar.by, "seen": False})
        for _ in range(CHANGE_TRIES_MAX):
            if self._insert(connection, bar.effect, unseen):
                return Run(seen=False)
            entry = self._read(connection, bar.effect)
            if entry is None:
                continue
            if token_of(bar.token) < token_of(entry.token):
                return refuse("journal.token", "a newer command for the effect is known")
            if self._change(connection, bar.effect, entry, barred(entry, bar)):
                recorded = entry.outcome if entry.state == "answered" else None
                return Run(seen=begun(entry), recorded=recorded)
        return refuse("journal.busy", "another worker changes this effect at the same moment")

    def _answer(self, connection: Connection, answer: Answer) -> Verdict:
        mine = (answer.effect, answer.token, answer.attempt)
        text = dumps(answer.outcome)
        if self._execute(connection, _ANSWER, (text, self._now_us(), *mine)) != 1:
            entry = self._read(connection, answer.effect)
            recorded = None if entry is None or entry.state != "answered" else entry.outcome
            if entry is not None and (entry.token, entry.attempt) == mine[1:] and recorded:
                return Repeat(recorded)
            # Barred or begun anew meanwhile: the reply still says what happened here.
        return Repeat(answer.outcome)

    def _insert(self, connection: Connection, effect: str, entry: Entry) -> bool:
        arguments = (effect, *_columns(entry), self._now_us())
        return self._execute(connection, _INSERT, arguments) == 1

    def _change(self, connection: Connection, effect: str, old: Entry, new: Entry) -> bool:
        guard = (effect, old.token, old.state, old.attempt)
        return self._execute(connection, _CHANGE, (*_columns(new), self._now_us(), *guard)) == 1

    def _read(self, connection: Connection, effect: str) -> Entry | None:
        cursor: Cursor = connection.cursor()
        cursor.execute(self._sql(_SELECT), (effect,))
        row = cursor.fetchone()
        cursor.close()
        if row is None:
            return None
        digest, token, state, attempt, outcome = row
        return Entry(
            digest, token, state, attempt, None if outcome is None else json.loads(outcome)
        )

    def _execute(self, connection: Connection, sql: str, arguments: tuple[Any, ...]) -> int:
        cursor: Cursor = connection.cursor()
        cursor.execute(self._sql(sql), arguments)
        count = cursor.rowcount
        cursor.close()
        return count

    def _sql(self, sql: str) -> str:
        return sql.replace("?", "%s") if self._marks else sql


def _columns(entry: Entry) -> tuple[str, str, str, int, str | None]:
    outcome = None if entry.outcome is None else dumps(entry.outcome)
    return entry.digest, entry.token, entry.state, entry.attempt, outcome


def _open_file(path: Path) -> Connection:
    """A file of its own: WAL, and each commit on the disk before it returns."""
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection
