"""The embedded store: SQLite in WAL mode, one process, one writer."""

from adapters.sqlite.reader import SqliteReader
from adapters.sqlite.schema import migrate
from adapters.sqlite.store import SqliteStore

__all__ = ["SqliteReader", "SqliteStore", "migrate"]
