"""PostgreSQL and Kafka for measurements: those of TROTH_TEST_*, else started for this run.

Settings that would make figures worthless (fsync off) are refused, not measured.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tools.servers import Kafka, Missing, NotUp, Postgres, Server

__all__ = [
    "ServerMissing", "broker", "database", "postgres_bytes", "postgres_settings", "postgres_url",
    "sqlite_bytes",
]  # fmt: skip

DURABLE = ("fsync", "synchronous_commit", "full_page_writes")
TOLD = (*DURABLE, "server_version", "shared_buffers", "max_wal_size", "max_connections")
_numbers = itertools.count(1)


class ServerMissing(Exception):
    """A shape or a peer needs a server that is not to be had here."""


@cache
def postgres_url() -> str:
    """A PostgreSQL that is kept for the whole run. Raises ServerMissing."""
    url = os.environ.get("TROTH_TEST_POSTGRES") or _started(Postgres)
    told = postgres_settings(url)
    off = [name for name in DURABLE if told[name] != "on"]
    if off:
        raise ServerMissing(f"PostgreSQL has {', '.join(off)} off: its figures would mean nothing")
    return url


@cache
def broker() -> str:
    """HOST:PORT of a Kafka broker that is kept for the whole run. Raises ServerMissing."""
    return os.environ.get("TROTH_TEST_KAFKA") or _started(Kafka)


def _started(kind: type[Server]) -> str:
    """The address of a server that runs until this process ends. Raises ServerMissing."""
    folder = Path(tempfile.mkdtemp(prefix=f"troth-bench-{kind.NAME}-"))
    try:
        server = kind.start(folder)
    except (Missing, NotUp) as error:
        raise ServerMissing(str(error)) from error
    # Last in, first out: the server ends, then what is left of its folder goes.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(server.discard)
    return server.address


def postgres_settings(url: str) -> dict[str, str]:
    """The settings that a reader of the figures wants to know."""
    with psycopg.connect(url) as db:
        rows = [db.execute(sql.SQL("SHOW {}").format(sql.Identifier(name))) for name in TOLD]
        return {
            name: str((row.fetchone() or ("",))[0]) for name, row in zip(TOLD, rows, strict=True)
        }


@contextlib.contextmanager
def database() -> Iterator[str]:
    """The URL of an empty database, dropped afterwards."""
    server = postgres_url()
    name = f"bench_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as db:
        db.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(server, autocommit=True) as db:
            drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            db.execute(drop.format(sql.Identifier(name)))


def postgres_bytes(url: str) -> int:
    """Tables, indexes and their dead rows; the write-ahead log is the server's."""
    with psycopg.connect(url) as db:
        row = db.execute("SELECT pg_database_size(current_database())").fetchone()
        assert row is not None
        return int(row[0])


def sqlite_bytes(path: Path) -> int:
    """Pages in use by the file, with what still lies in its write-ahead log counted once."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        pages, size = (
            db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size")
        )
        return int(pages) * int(size)
