"""The participants' own books: what they really did, in a database the engine never sees.

They are what the engine's record is compared with. A key is honoured: the second call with it does
nothing and gives the same answer.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["ERROR", "LOST_REPLY", "Books", "Differences", "Done", "compare", "opened"]

_TABLES = """
CREATE TABLE IF NOT EXISTS done (key TEXT PRIMARY KEY, kind TEXT NOT NULL, company TEXT NOT NULL,
  answer TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS calls (number INTEGER PRIMARY KEY, key TEXT NOT NULL,
  went TEXT NOT NULL) STRICT;
"""
_BUSY_S = 30.0

ERROR = "error"
LOST_REPLY = "reply lost"


@dataclass(frozen=True, slots=True, order=True)
class Done:
    """Something that happened once, under its idempotency key."""

    kind: str
    company: str
    key: str

    def __str__(self) -> str:
        return f"{self.kind} {self.company}"


@dataclass(frozen=True, slots=True)
class Differences:
    """Between books and record.

    lost: recorded as done, not in the books. doubled: in the books under two keys. unrecorded: in
    the books, and the engine does not know.
    """

    lost: list[str]
    doubled: list[str]
    unrecorded: list[str]

    def __bool__(self) -> bool:
        return bool(self.lost or self.doubled or self.unrecorded)


class Books:
    """One SQLite file; opened by each process that reads or writes it, shared by its threads."""

    def __init__(self, path: Path) -> None:
        self._one_at_a_time = threading.Lock()
        self._db = sqlite3.connect(path, timeout=_BUSY_S, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_TABLES)

    def calls_of(self, key: str) -> int:
        """How often a key was called; kept across restarts."""
        return int(self._row("SELECT count(*) FROM calls WHERE key = ?", key)[0])

    def called(self, key: str, went: str) -> None:
        """Note a call, and how it will go."""
        with self._one_at_a_time, self._db:
            self._db.execute("INSERT INTO calls (key, went) VALUES (?, ?)", (key, went))

    def do(self, key: str, kind: str, company: str, answer: str) -> str:
        """Do it once: the answer of the first call with this key."""
        with self._one_at_a_time, self._db:
            self._db.execute(
                "INSERT OR IGNORE INTO done VALUES (?, ?, ?, ?)", (key, kind, company, answer)
            )
        given = self.answer_of(key)
        assert given is not None, key
        return given

    def answer_of(self, key: str) -> str | None:
        """What was answered for a key, or None if nothing happened."""
        row = self._row("SELECT max(answer) FROM done WHERE key = ?", key)
        return None if row[0] is None else str(row[0])

    def done(self) -> set[Done]:
        """Everything that happened."""
        with self._one_at_a_time:
            rows = self._db.execute("SELECT kind, company, key FROM done").fetchall()
        return {Done(*map(str, row)) for row in rows}

    def went(self) -> Counter[str]:
        """How many calls went how: ERROR, LOST_REPLY or empty."""
        with self._one_at_a_time:
            rows = self._db.execute("SELECT went, count(*) FROM calls GROUP BY went").fetchall()
        return Counter({str(went): int(count) for went, count in rows})

    def close(self) -> None:
        with self._one_at_a_time:
            self._db.close()

    def _row(self, query: str, key: str) -> tuple[Any, ...]:
        with self._one_at_a_time:
            return self._db.execute(query, (key,)).fetchone()


@contextmanager
def opened(path: Path) -> Iterator[Books]:
    """Books, closed at the end."""
    books = Books(path)
    try:
        yield books
    finally:
        books.close()


def compare(books: set[Done], record: set[Done]) -> Differences:
    """The books against the engine's record."""
    often = Counter((done.kind, done.company) for done in books)
    return Differences(
        lost=[str(done) for done in sorted(record - books)],
        doubled=[f"{kind} {company}" for (kind, company), n in sorted(often.items()) if n > 1],
        unrecorded=[str(done) for done in sorted(books - record)],
    )
