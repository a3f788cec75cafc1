"""Statements on connections of other people's making: sqlite3, psycopg, SQLAlchemy.

No driver is imported here but the one Python brings: a connection says by its form what it is.
"""

from __future__ import annotations

import contextlib
import inspect
import re
import sqlite3
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, cast

from ._errors import TrothError

__all__ = [
    "Connection",
    "Dialect",
    "begun",
    "connect",
    "dialect_of",
    "ensure",
    "leave",
    "rows",
    "run",
    "run_async",
]

Dialect = Literal["sqlite", "postgres"]
Row = tuple[Any, ...]

BUSY_TIMEOUT_S = 10.0
"""How long SQLite waits for another process that writes the same file."""
CONNECT_TIMEOUT_S = 10
LOCK_TIMEOUT_MS = 10_000
"""How long PostgreSQL waits for a row that another transaction holds."""

_SQLITE = "sqlite:///"
_POSTGRES = ("postgresql://", "postgres://")
_MARK = re.compile(r"\?")


class Connection(Protocol):
    """What is needed of a DB-API connection: sqlite3's and psycopg's will do."""

    def cursor(self) -> Any: ...
    def commit(self) -> Any: ...
    def rollback(self) -> Any: ...
    def close(self) -> Any: ...


def dialect_of(url: str, setting: str) -> Dialect:
    """Which database a URL names: `sqlite:///FILE` or `postgresql://...`. Raises TrothError TR711.

    `setting` is what the URL was given as, for the message.
    """
    if url.startswith(_SQLITE) and url != _SQLITE:
        return "sqlite"
    if url.startswith(_POSTGRES):
        return "postgres"
    # A URL may hold a password: only its scheme is shown.
    shown = url.partition("://")[0]
    raise TrothError(
        "TR711",
        f"{setting} {shown!r} is not understood",
        do="sqlite:///FILE or postgresql://USER@HOST/DATABASE",
    )


def connect(url: str, setting: str) -> Connection:
    """A new connection to a URL.

    Raises TrothError TR711 (another form) and TR743 (no psycopg here), and what the driver raises.
    """
    if dialect_of(url, setting) == "sqlite":
        return _sqlite(Path(url.removeprefix(_SQLITE)))
    try:
        import psycopg
    except ImportError as error:
        raise TrothError(
            "TR743",
            f"{setting} names PostgreSQL, and psycopg is not installed",
            do="pip install 'troth[postgres]'",
        ) from error
    connection = psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_S)
    # Not as an option of the connection: it would replace those of the URL.
    run(connection, f"SET lock_timeout = {LOCK_TIMEOUT_MS}", ())
    connection.commit()
    return connection


def _sqlite(path: Path) -> Connection:
    """WAL, and each commit on the disk before it returns."""
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def leave(connection: Connection | None) -> None:
    """Close a connection after an error: it may be broken, and nothing of it counts."""
    if connection is not None:
        with contextlib.suppress(Exception):
            connection.rollback()
        with contextlib.suppress(Exception):
            connection.close()


def ensure(connection: Connection, table: str, statements: Sequence[str]) -> None:
    """Make tables if `table` is missing, and commit. Raises what the driver raises.

    Looked for first: a role that may not create tables can use those that are there.
    """
    look = f"SELECT 1 FROM {table} WHERE 1 = 0"  # noqa: S608  a name of ours
    with contextlib.suppress(Exception):
        run(connection, look, ())
        connection.commit()
        return
    connection.rollback()
    try:
        for statement in statements:
            run(connection, statement, ())
        connection.commit()
    except Exception:  # noqa: BLE001  drivers have errors of their own
        # Another process made them at the same moment: then they are there now.
        connection.rollback()
        run(connection, look, ())
        connection.commit()


def run(connection: object, sql: str, arguments: Row) -> int:
    """One statement (parameters as `?`) in the open transaction; how many rows it touched.

    The connection is one of sqlite3, psycopg or SQLAlchemy (Connection or Session). Raises
    TypeError for another, and what the driver raises.
    """
    given = cast(Any, connection)
    if hasattr(given, "exec_driver_sql"):
        marked = _marked(sql, given.dialect.paramstyle)
        return int(given.exec_driver_sql(marked, arguments).rowcount)
    if hasattr(given, "get_bind") and not hasattr(given, "cursor"):
        return run(given.connection(), sql, arguments)
    cursor = _cursor(given)
    try:
        cursor.execute(_marked(sql, _paramstyle(given)), arguments)
        return int(cursor.rowcount)
    finally:
        cursor.close()


def rows(connection: Connection, sql: str, arguments: Row) -> list[Row]:
    """All rows of a query on a connection that `connect` or the user's own function made."""
    cursor = _cursor(connection)
    try:
        cursor.execute(_marked(sql, _paramstyle(connection)), arguments)
        return list(cursor.fetchall())
    finally:
        cursor.close()


async def run_async(connection: object, sql: str, arguments: Row) -> int:
    """The same on an async connection: psycopg's, or SQLAlchemy's AsyncConnection, AsyncSession."""
    given = cast(Any, connection)
    if hasattr(given, "run_sync"):

        def inside(inner: object) -> int:
            return run(inner, sql, arguments)

        return int(await given.run_sync(inside))
    if not inspect.iscoroutinefunction(getattr(given, "execute", None)):
        raise TypeError(f"{type(given).__name__} is no async connection that is known here")
    cursor = await given.execute(_marked(sql, "format"), arguments)
    return int(cursor.rowcount)


@contextlib.contextmanager
def begun(connection: object) -> Generator[None]:
    """A transaction around a block: committed at its end, rolled back by an exception.

    Inside a transaction of the caller it is a part of that one, which the caller commits.
    """
    given = cast(Any, connection)
    if isinstance(given, sqlite3.Connection):
        yield from _sqlite_begun(given)
    elif hasattr(given, "begin_nested"):  # SQLAlchemy's Connection and Session
        with given.begin_nested() if given.in_transaction() else given.begin():
            yield
    elif hasattr(given, "transaction"):  # psycopg
        with given.transaction():
            yield
    else:
        raise TypeError(f"{type(given).__name__} is no connection that is known here")


def _sqlite_begun(connection: sqlite3.Connection) -> Generator[None]:
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def _cursor(connection: Any) -> Any:
    if not hasattr(connection, "cursor"):
        raise TypeError(f"{type(connection).__name__} is no connection that is known here")
    return connection.cursor()


def _paramstyle(connection: object) -> str:
    module = type(connection).__module__
    return "format" if module.startswith(("psycopg", "pg8000")) else "qmark"


def _marked(sql: str, paramstyle: str) -> str:
    if paramstyle in {"format", "pyformat"}:
        return sql.replace("?", "%s")
    if paramstyle == "numeric_dollar":
        numbers = iter(range(1, sql.count("?") + 1))
        return _MARK.sub(lambda _: f"${next(numbers)}", sql)
    if paramstyle != "qmark":
        raise TypeError(f"parameters of the style {paramstyle} are not known here")
    return sql
