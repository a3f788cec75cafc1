"""The participants' own books: what they really did, in a database the engine never sees.

They are what the engine's record is compared with. A key is honoured: the second call with it does
nothing and gives the same answer.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Books", "Difference", "compare"]

_TABLES = """
CREATE TABLE IF NOT EXISTS done (key TEXT PRIMARY KEY, kind TEXT NOT NULL, company TEXT NOT NULL,
  answer TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS calls (number INTEGER PRIMARY KEY, key TEXT NOT NULL) STRICT;
"""

Difference = dict[str, list[str]]


class Books:
    """One SQLite file, opened by each process that reads or writes it."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, timeout=30, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_TABLES)

    def called(self, key: str) -> int:
        """Count a call, and say the how-many-th of this key it is; kept across restarts."""
        with self._db:
            self._db.execute("INSERT INTO calls (key) VALUES (?)", (key,))
        row = self._db.execute("SELECT count(*) FROM calls WHERE key = ?", (key,)).fetchone()
        return int(row[0])

    def do(self, key: str, kind: str, company: str, answer: str) -> str:
        """Do it once: the answer of the first call with this key."""
        with self._db:
            self._db.execute(
                "INSERT OR IGNORE INTO done VALUES (?, ?, ?, ?)", (key, kind, company, answer)
            )
        row = self._db.execute("SELECT answer FROM done WHERE key = ?", (key,)).fetchone()
        return str(row[0])

    def answer_of(self, key: str) -> str | None:
        """What was answered for a key, or None if nothing happened."""
        row = self._db.execute("SELECT answer FROM done WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def effects(self) -> Counter[tuple[str, str]]:
        """How often each (kind, company) happened."""
        rows = self._db.execute("SELECT kind, company FROM done")
        return Counter((str(kind), str(company)) for kind, company in rows)

    def calls(self) -> int:
        """All calls, repeated ones too."""
        return int(self._db.execute("SELECT count(*) FROM calls").fetchone()[0])

    def close(self) -> None:
        self._db.close()


@contextmanager
def opened(path: Path) -> Iterator[Books]:
    """Books, closed at the end."""
    books = Books(path)
    try:
        yield books
    finally:
        books.close()


def compare(books: Counter[tuple[str, str]], record: Counter[tuple[str, str]]) -> Difference:
    """The books against the engine's record, each as how often (kind, company) happened.

    lost: recorded as done, not in the books; doubled: done more than once; unrecorded: done without
    the engine knowing.
    """
    return {
        "lost": _names(record - books),
        "doubled": _names(Counter({k: n - 1 for k, n in books.items() if n > 1})),
        "unrecorded": _names(Counter(books.keys() - record.keys())),
    }


def _names(counted: Counter[tuple[str, str]]) -> list[str]:
    return sorted(f"{kind} {company}" for kind, company in counted.elements())
