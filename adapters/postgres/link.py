"""A connection that is opened again by the next call after it broke."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, LiteralString, cast

import psycopg
from psycopg import Connection, Cursor
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from adapters.postgres.arrays import register
from adapters.postgres.faults import store_failed
from domain.ports import StoreFailed

__all__ = ["NAME_CHARS_MAX", "Db", "Link", "connect", "query", "where"]

Db = Connection[TupleRow]

CONNECT_TIMEOUT_S = 5
SILENCE_MAX_MS = 10_000
"""A server that acknowledges nothing for so long is gone, and the call fails."""

PAUSE_FIRST_S = 0.05
PAUSE_MAX_S = 2.0
"""Between attempts to connect again. In between every call fails at once."""

STATEMENTS_PREPARED_MAX = 200
NAME_CHARS_MAX = 63
"""Of a connection's name in pg_stat_activity."""

# What a statement of ours touches it finds by an index: a plan made while a table was empty (a
# scan, a hash of everything) would be kept long after it has grown. One plan serves all values: to
# plan again for each array took the server longer than to read a stream (248 us against 103).
_SETTINGS = (
    "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c enable_bitmapscan=off"
    " -c jit=off -c plan_cache_mode=force_generic_plan"
    " -c default_transaction_isolation=read\\ committed -c timezone=UTC"
)


def where(url: str) -> str:
    """Host, port and name of the database of a URL, for messages: never its password."""
    try:
        parts = conninfo_to_dict(url)
    except psycopg.Error as error:
        detail = f"store_url is no postgresql://USER@HOST:PORT/DATABASE: {str(error).strip()}"
        raise StoreFailed("store.failed", detail) from error
    return f"{parts.get('host', 'local')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"


def connect(url: str, name: str, settings: str = "") -> Db:
    """Open a connection in autocommit mode. `name` is what pg_stat_activity shows.

    Raises psycopg.Error.
    """
    given = str(conninfo_to_dict(url).get("options", ""))
    db = psycopg.connect(
        url,
        autocommit=True,
        prepare_threshold=0,
        application_name=name[:NAME_CHARS_MAX],
        connect_timeout=CONNECT_TIMEOUT_S,
        tcp_user_timeout=SILENCE_MAX_MS,
        keepalives_idle=5,
        keepalives_interval=2,
        keepalives_count=3,
        client_encoding="UTF8",
        options=f"{_SETTINGS} {settings} {given}".strip(),
    )
    db.prepared_max = STATEMENTS_PREPARED_MAX
    register(db)
    return db


def query(db: Db, sql: str, values: Any) -> Cursor[TupleRow]:
    """Execute a statement that was put together from names of our own."""
    return db.execute(cast(LiteralString, sql), values, binary=True)


class Link:
    """One connection, opened at its first use and again when it broke.

    `prepare` is called with every new connection before it is used. Use it from one thread.
    """

    def __init__(
        self,
        url: str,
        name: str,
        *,
        prepare: Callable[[Db], None] = lambda _: None,
        settings: str = "",
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = where(url)
        self._url = url
        self._name = name
        self._prepare = prepare
        self._settings = settings
        self._now_s = now_s
        self._db: Db | None = None
        self._again_s = 0.0
        self._pause_s = 0.0
        self._fault = ""

    def db(self) -> Db:
        """The open connection. Raises StoreFailed (store.gone) while there is none."""
        if self._db is not None and not self._db.closed:
            return self._db
        self._db = None
        if self._now_s() < self._again_s:
            raise StoreFailed("store.gone", self._fault)
        try:
            self._db = self._open()
        except psycopg.Error as error:
            failed = store_failed(error, self.path)
            self._pause_s = min(max(2 * self._pause_s, PAUSE_FIRST_S), PAUSE_MAX_S)
            self._again_s = self._now_s() + self._pause_s
            self._fault = failed.detail if isinstance(failed, StoreFailed) else str(failed)
            raise failed from error
        self._pause_s = 0.0
        return self._db

    def _open(self) -> Db:
        db = connect(self._url, self._name, self._settings)
        try:
            self._prepare(db)
        except BaseException:
            db.close()
            raise
        return db

    def drop(self) -> None:
        """Close the connection: the server rolls back what it was in."""
        if self._db is not None:
            self._db.close()
            self._db = None

    @property
    def pause_s(self) -> float:
        """How long until the next attempt to connect is made; 0 while there is a connection."""
        return max(0.0, self._again_s - self._now_s()) if self._db is None else 0.0
