"""The participant's journal: what this side knows of each effect, kept in its own database.

An effect is begun here before its handler runs and answered here before its reply leaves, so that
a repeated command gets the recorded reply, one that may have happened is not run again, and one
that was undone or probed as absent never runs late. Many effects share one transaction.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

from . import _journal_sql as sql
from ._durations import seconds_of
from ._errors import NotDone
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
    too_old,
)
from ._json import dumps
from ._sql import Connection, connect, dialect_of, leave, run, run_async

__all__ = ["Connection", "Journal"]

RETENTION_S = 30 * 24 * 3600
"""How long answered and barred entries are kept; longer than any commitment is open to a retry."""
PURGE_ROWS_MAX = 1_000
"""How many old entries one purge removes, so that it never holds the database for long."""
CHANGE_TRIES_MAX = 5
"""How often an entry that another worker changes at the same moment is read again."""
CLOCK_SLACK_US = 60_000_000
"""How far the clocks of workers and brokers may differ, where old commands are told apart."""


class Journal:
    """The table `troth_journal`, in a file of its own or in the participant's database.

    Args:
        connect: makes a DB-API connection; called in the thread that uses it, and again after the
            connection broke.
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
        """The journal of a URL: `sqlite:///FILE` or `postgresql://USER@HOST/DATABASE`.

        Raises TrothError TR711 for any other form: give `Journal(connect=...)` then.
        """
        dialect = dialect_of(url, "journal_url")
        return cls(
            lambda: connect(url, "journal_url"),
            paramstyle="qmark" if dialect == "sqlite" else "format",
            shared=shared,
            retention_s=retention_s,
        )

    def open(self) -> None:
        """Connect and make the tables if they are missing. Raises what the driver raises."""
        if self._connection is not None:
            return
        connection = self._connect()
        try:
            if not self._is_born(connection):
                self._bear(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def close(self) -> None:
        """Close the connection; the journal can be opened again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def write(self, writes: Sequence[Write]) -> list[Verdict]:
        """Write all in one transaction; one verdict for each, in order.

        A Begin answers Run or Repeat; a Bar Run with `seen` and `recorded`, or Repeat if a newer
        command is known; an Answer the outcome that counts: the one recorded first. What fails
        before its commit is tried once more on a new connection: a database that was restarted
        costs nothing. Raises what the driver raises.
        """
        try:
            return self._written(writes)
        except _Uncommitted as first:
            if isinstance(first.cause, (ValueError, TypeError)):
                raise first.cause from None
        try:
            return self._written(writes)
        except _Uncommitted as second:
            raise second.cause from None

    def answer_in(
        self, connection: object, effect: str, token: str, attempt: int, result: Any
    ) -> None:
        """Record `done` with this result (plain JSON) in the participant's own transaction.

        Handlers call `Effect.answer_in` or `Effect.transaction`, which come here. The journal must
        lie in the same database. When that transaction commits, the effect and its answer are one
        write. Raises NotDone if the effect was barred or taken over meanwhile: let it pass, so that
        the transaction rolls back.
        """
        _allowed(run(connection, sql.ANSWER, self._answered(effect, token, attempt, result)))

    async def answer_in_async(
        self, connection: object, effect: str, token: str, attempt: int, result: Any
    ) -> None:
        """`answer_in` on an async connection."""
        arguments = self._answered(effect, token, attempt, result)
        _allowed(await run_async(connection, sql.ANSWER, arguments))

    def first_worker(self, participant: str) -> None:
        """None of its commands was ever run: one that is older than the journal is not in doubt."""
        self.open()
        assert self._connection is not None
        try:
            self._execute(self._connection, sql.BORN, (participant, 0))
            self._connection.commit()
        except BaseException:
            self._drop()
            raise

    def prune(self, older_than: str) -> int:
        """Remove all answered and barred entries older than a duration (`"90d"`); how many.

        A command from before is answered unknown afterwards, never run: prune only what is older
        than any commitment stays open. Raises ValueError if it is no duration.
        """
        before_us = self._now_us() - int(seconds_of(older_than) * 1_000_000)
        total = 0
        while True:
            count = self._purged(before_us)
            total += count
            if count < PURGE_ROWS_MAX:
                return total

    def purge(self) -> int:
        """Remove entries older than the retention, a bounded number. Returns how many."""
        return self._purged(self._now_us() - self._retention_us)

    def entry(self, effect: str) -> Entry | None:
        """What the journal knows of an effect."""
        self.open()
        assert self._connection is not None
        found = self._read(self._connection, effect)
        self._connection.commit()
        return found

    # --- inside ---

    def _is_born(self, connection: Connection) -> bool:
        """Whether the tables are there. A role that may not make tables can use them."""
        try:
            known = self._known_us(connection)
            connection.commit()
        except Exception:  # noqa: BLE001  drivers have errors of their own; this one is "no table"
            connection.rollback()
            return False
        return sql.BIRTH in known

    def _bear(self, connection: Connection) -> None:
        try:
            for statement in sql.DDL:
                self._execute(connection, statement, ())
            self._execute(connection, sql.BORN, (sql.FORGOTTEN, 0))
            self._execute(connection, sql.BORN, (sql.BIRTH, self._now_us()))
            connection.commit()
        except Exception:
            # Another worker made them at the same moment: then they are there now.
            connection.rollback()
            if not self._is_born(connection):
                raise

    def _written(self, writes: Sequence[Write]) -> list[Verdict]:
        verdicts: list[Verdict | None] = [None] * len(writes)
        # In order of the effects, as every worker does: two that wait for each other would lock up.
        order = sorted(range(len(writes)), key=lambda at: writes[at].effect)
        try:
            self.open()
            assert self._connection is not None
            connection = self._connection
            dated = any(isinstance(one, Begin) and one.intended_us is not None for one in writes)
            known_us = self._known_us(connection) if dated else {}
            for at in order:
                verdicts[at] = self._write(connection, writes[at], known_us)
        except Exception as error:
            self._drop()
            raise _Uncommitted(error) from error
        try:
            connection.commit()
        except BaseException:
            self._drop()
            raise
        return [verdict for verdict in verdicts if verdict is not None]

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        leave(connection)

    def _known_us(self, connection: Connection) -> dict[str, int]:
        """From when on the journal knows every command, by participant."""
        cursor = connection.cursor()
        cursor.execute(sql.KNOWN, ())
        rows = cursor.fetchall()
        cursor.close()
        return {str(participant): int(since_us) for participant, since_us in rows}

    def _purged(self, before_us: int) -> int:
        self.open()
        assert self._connection is not None
        connection = self._connection
        try:
            count = self._execute(connection, sql.PURGE, (before_us, PURGE_ROWS_MAX))
            if count:
                since_us = before_us + CLOCK_SLACK_US
                self._execute(connection, sql.FORGET, (since_us, since_us))
            connection.commit()
        except BaseException:
            self._drop()
            raise
        return count

    def _answered(self, effect: str, token: str, attempt: int, result: Any) -> tuple[Any, ...]:
        text = dumps({"outcome": "done", "result": result})
        return text, self._now_us(), effect, token, attempt

    def _write(self, connection: Connection, write: Write, known_us: dict[str, int]) -> Verdict:
        match write:
            case Begin():
                return self._begin(connection, write, _is_older(write, known_us))
            case Bar():
                return self._bar(connection, write)
            case Answer():
                return self._answer(connection, write)

    def _begin(self, connection: Connection, begin: Begin, older: bool) -> Verdict:
        token_of(begin.token)
        fresh = Entry(begin.digest, begin.token, "started", begin.attempt, None)
        for _ in range(CHANGE_TRIES_MAX):
            if not older and self._insert(connection, begin.effect, fresh):
                return Run(seen=False)
            entry = self._read(connection, begin.effect)
            if entry is None:
                if older:
                    return too_old()
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
        if self._execute(connection, sql.ANSWER, (text, self._now_us(), *mine)) != 1:
            entry = self._read(connection, answer.effect)
            recorded = None if entry is None or entry.state != "answered" else entry.outcome
            if entry is not None and (entry.token, entry.attempt) == mine[1:] and recorded:
                return Repeat(recorded)
            # Barred or begun anew meanwhile: the reply still says what happened here.
        return Repeat(answer.outcome)

    def _insert(self, connection: Connection, effect: str, entry: Entry) -> bool:
        arguments = (effect, *_columns(entry), self._now_us())
        return self._execute(connection, sql.INSERT, arguments) == 1

    def _change(self, connection: Connection, effect: str, old: Entry, new: Entry) -> bool:
        guard = (effect, old.token, old.state, old.attempt)
        return self._execute(connection, sql.CHANGE, (*_columns(new), self._now_us(), *guard)) == 1

    def _read(self, connection: Connection, effect: str) -> Entry | None:
        row = self._first(connection, sql.SELECT, (effect,))
        if row is None:
            return None
        digest, token, state, attempt, outcome = row
        return Entry(
            digest, token, state, attempt, None if outcome is None else json.loads(outcome)
        )

    def _execute(self, connection: Connection, text: str, arguments: tuple[Any, ...]) -> int:
        cursor = connection.cursor()
        cursor.execute(self._marked(text), arguments)
        count = int(cursor.rowcount)
        cursor.close()
        return count

    def _first(
        self, connection: Connection, text: str, arguments: tuple[Any, ...]
    ) -> tuple[Any, ...] | None:
        cursor = connection.cursor()
        cursor.execute(self._marked(text), arguments)
        row: tuple[Any, ...] | None = cursor.fetchone()
        cursor.close()
        return row

    def _marked(self, text: str) -> str:
        return text.replace("?", "%s") if self._marks else text


def _is_older(begin: Begin, known_us: dict[str, int]) -> bool:
    """Whether the command may be one that the journal lacks."""
    if begin.intended_us is None:
        return False
    own_us = known_us.get(begin.participant, known_us[sql.BIRTH])
    return begin.intended_us < max(own_us, known_us[sql.FORGOTTEN])


def _columns(entry: Entry) -> tuple[str, str, str, int, str | None]:
    outcome = None if entry.outcome is None else dumps(entry.outcome)
    return entry.digest, entry.token, entry.state, entry.attempt, outcome


class _Uncommitted(Exception):
    """It failed before its commit: nothing of it is in the database."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _allowed(count: int) -> None:
    if count != 1:
        raise NotDone(
            "the journal in this database does not allow the effect: it was barred or taken over "
            "meanwhile, or the worker's journal lies elsewhere"
        )
