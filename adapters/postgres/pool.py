"""Connections for reading: a bounded number of them, none ever writes."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, LiteralString, cast
from uuid import UUID

from psycopg import Connection
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from adapters.postgres.faults import FAULTS, store_failed
from adapters.postgres.link import Db, connect, where
from adapters.postgres.states import unpack
from adapters.sql.reads import Row
from domain.ports import StoreConflict, StoreFailed

if TYPE_CHECKING:
    from sqlalchemy import Select

__all__ = ["ReadPool", "marked", "read_ids"]

CONNECTIONS_MAX = 8
WAITING_MAX = 400
"""Reads that wait for a connection; the next one is refused at once."""
WAIT_S = 3.0
"""How long a read waits for a connection: also while the server is away."""
STATEMENT_MAX_MS = 30_000
IDLE_MAX_S = 300.0
STATEMENTS_KNOWN_MAX = 256

_NO_CONNECTION = (PoolTimeout, TooManyRequests, PoolClosed)
_SETTINGS = f"-c default_transaction_read_only=on -c statement_timeout={STATEMENT_MAX_MS}"


@lru_cache(STATEMENTS_KNOWN_MAX)
def marked(sql: str) -> LiteralString:
    """A statement of ours with `?` for a value, as the driver wants it."""
    return cast(LiteralString, sql.replace("%", "%%").replace("?", "%s"))


class _IdLoader(Loader):
    """A uuid as its 16 bytes: what hashes and other databases hold."""

    format = Format.BINARY

    def load(self, data: Buffer) -> bytes:
        return bytes(data)


def read_ids(db: Connection[Any]) -> None:
    """Make a connection give a uuid as 16 bytes, in binary results."""
    db.adapters.register_loader("uuid", _IdLoader)


class _Reading(Connection[TupleRow]):
    """Connects as every part of this adapter does, for reading only."""

    @classmethod
    def connect(cls, conninfo: str = "", **_: Any) -> Any:
        db = connect(conninfo, "troth reader", _SETTINGS)
        read_ids(db)
        return db


class ReadPool:
    """Implements `adapters.sql.reads.Reads`.

    Each statement stands alone and sees the latest commit. One that meets a broken connection is
    asked again on another: a read may be repeated.
    """

    def __init__(self, url: str) -> None:
        """Raises StoreFailed for a URL that is none."""
        self.path = where(url)
        self._pool = ConnectionPool(
            url,
            connection_class=_Reading,
            min_size=1,
            max_size=CONNECTIONS_MAX,
            max_waiting=WAITING_MAX,
            timeout=WAIT_S,
            max_idle=IDLE_MAX_S,
            name="troth reader",
            open=True,
        )

    @contextmanager
    def connection(self) -> Iterator[Db]:
        """A connection for the block. Driver errors come out as StoreFailed."""
        try:
            with self._pool.connection() as db:
                yield db
        except _NO_CONNECTION as error:
            raise StoreFailed("store.gone", f"{self.path}: no connection: {error}") from error
        except FAULTS as error:
            raise _failed(error, self.path) from error

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """All rows of one query."""
        return self._ask(marked(sql), values)

    def row(self, sql: str, values: Sequence[Any] = ()) -> Row | None:
        """The first row of a query, or None."""
        return next(iter(self._ask(marked(sql), values)), None)

    def core(self, query: Select[*Row]) -> list[Row]:
        """The rows of a Core query."""
        from sqlalchemy.dialects.postgresql import psycopg as driver

        compiled = query.compile(
            dialect=driver.dialect(), compile_kwargs={"render_postcompile": True}
        )
        return self._ask(cast(LiteralString, str(compiled)), dict(compiled.params))

    def id(self, stream: UUID) -> UUID:
        """A stream id as its column holds it."""
        return stream

    def state(self, stored: bytes) -> bytes:
        """The state of an event, from its column. Raises StoreFailed (store.corrupt)."""
        try:
            return unpack(stored)
        except (ValueError, zlib.error) as error:
            raise StoreFailed(
                "store.corrupt", f"{self.path}: a state of events: {error}"
            ) from error

    def close(self) -> None:
        """Close what is free now, and the rest when its read is over."""
        self._pool.close()

    def _ask(self, sql: LiteralString, values: Sequence[Any] | Mapping[str, Any]) -> list[Row]:
        given = values.values() if isinstance(values, Mapping) else values
        if any(isinstance(value, str) and "\0" in value for value in given):
            # No text of this database holds the character, so there is nothing to find.
            return []
        try:
            return self._once(sql, values)
        except StoreFailed as failed:
            if failed.alias != "store.gone" or isinstance(failed.__cause__, _NO_CONNECTION):
                raise
        # The server was restarted or failed over: what lies in the pool is as broken as this one.
        self._pool.check()
        return self._once(sql, values)

    def _once(self, sql: LiteralString, values: Any) -> list[Row]:
        with self.connection() as db:
            return db.execute(sql, values, binary=True).fetchall()


def _failed(error: Exception, path: str) -> StoreFailed:
    """Also what is a conflict for a writer: a reader (on a standby) has only failed."""
    found = store_failed(error, path)
    return StoreFailed("store.failed", str(found)) if isinstance(found, StoreConflict) else found
