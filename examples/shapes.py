"""The shapes of the engine, for examples: which servers each needs, and the settings that say so.

A server that TROTH_TEST_POSTGRES or TROTH_TEST_KAFKA names is used, with a database and topics of
this run's own; else one is started for the run, and goes with its data when the run ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString
from urllib.parse import urlsplit, urlunsplit

import psycopg
from aiokafka.admin import AIOKafkaAdminClient
from psycopg import sql

from examples.children import RunFailed
from tools.servers import Missing, NotUp, Running, down, guard, up

__all__ = ["SHAPES", "Place", "Shape", "place"]

TENANT = "default"
DATABASES = ("store", "journal")


@dataclass(frozen=True, slots=True)
class Shape:
    """`servers` by their names in tools.servers.

    `lanes` is how many processes of `work` run beside `serve`; 0: one process does all of it.
    """

    name: str
    servers: tuple[str, ...]
    lanes: int
    text: str


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("embedded", (), 0, "one process, SQLite"),
        Shape("postgres", ("postgres",), 2, "serve and two of work, PostgreSQL"),
        Shape(
            "kafka", ("postgres", "kafka"), 2,
            "serve and two of work, PostgreSQL; events, commands, replies and facts over Kafka",
        ),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Where one run keeps everything: databases and topics are its own.

    `store_url` is the engine's, `journal_url` that of its participants. `broker` is HOST:PORT, or
    None without Kafka; `prefix` begins the names of its topics there.
    """

    shape: Shape
    store_url: str
    journal_url: str
    broker: str | None = None
    prefix: str = ""

    def topic(self, name: str) -> str:
        """The full name of a topic such as `events`."""
        return f"{self.prefix}{name}"

    def engine(self, participants: Sequence[str] = ()) -> dict[str, str]:
        """The engine's settings. The participants named are served over Kafka, where it is."""
        found = {"TROTH_STORE_URL": self.store_url}
        if self.broker is not None:
            names = ",".join(participants)
            found |= {
                "TROTH_BUS_URL": f"kafka://{self.broker}/{self.prefix}",
                "TROTH_KAFKA_TENANT": TENANT,
                "TROTH_KAFKA_PARTICIPANTS": names,
                # All their workers share one journal: repeatable steps are pushed to them.
                "TROTH_KAFKA_JOURNALS": names,
            }
        return found

    def worker(self) -> dict[str, str]:
        """The settings of a participants' process, beside the address and the key."""
        found = {"TROTH_JOURNAL_URL": self.journal_url}
        if self.broker is not None:
            found["TROTH_BUS_URL"] = f"kafka://{self.broker}?topic_prefix={self.prefix}"
        return found

    @property
    def told(self) -> str:
        """For people: the store, and the topics beside it."""
        parts = urlsplit(self.store_url)
        if parts.scheme == "sqlite":
            return os.path.relpath(self.store_url.removeprefix("sqlite:///"))
        store = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        return store if self.broker is None else f"{store} · topics {self.prefix}* on {self.broker}"


@contextlib.contextmanager
def place(shape: Shape, folder: Path) -> Iterator[Place]:
    """An empty place for a run in `folder`. Raises RunFailed when a server cannot be had."""
    if not shape.servers:
        store, journal = (f"sqlite:///{folder.resolve() / n}" for n in ("troth.db", "journal.db"))
        yield Place(shape, store, journal)
        return
    # With the pid: a guard of an earlier run in the same folder must not find this one's servers.
    servers = folder.resolve() / f"servers-{os.getpid()}"
    name = f"{re.sub(r'[^a-z0-9]', '', folder.resolve().name.lower())}_{os.getpid()}"
    with contextlib.ExitStack() as stack:
        stack.callback(down, servers)
        found = {running.name: running for running in _running(servers, shape.servers)}
        store, journal = _databases(stack, found["postgres"], name)
        kafka, prefix = found.get("kafka"), f"{name}."
        if kafka is not None and kafka.server is None:
            stack.callback(lambda: asyncio.run(_remove_topics(kafka.address, prefix)))
        yield Place(shape, store, journal, None if kafka is None else kafka.address, prefix)


def _running(folder: Path, names: Sequence[str]) -> list[Running]:
    """The servers; those that are started here do not outlive this process."""
    folder.mkdir(parents=True)
    guard(folder, os.getpid())
    try:
        return up(folder, names)
    except (Missing, NotUp) as failure:
        raise RunFailed(str(failure)) from failure


def _databases(stack: contextlib.ExitStack, server: Running, name: str) -> list[str]:
    """URLs of empty databases; on a server that stays they are dropped at the end."""
    names = [f"{name}_{what}" for what in DATABASES]
    try:
        _for_each("CREATE DATABASE {}", names, server.address)
    except psycopg.OperationalError as error:
        raise RunFailed(f"PostgreSQL: {error}") from error
    if server.server is None:
        drop = "DROP DATABASE IF EXISTS {} WITH (FORCE)"
        stack.callback(_for_each, drop, names, server.address)
    return [urlunsplit(urlsplit(server.address)._replace(path=f"/{one}")) for one in names]


def _for_each(statement: LiteralString, databases: Sequence[str], server: str) -> None:
    with psycopg.connect(server, autocommit=True) as db:
        for one in databases:
            db.execute(sql.SQL(statement).format(sql.Identifier(one)))


async def _remove_topics(broker: str, prefix: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    try:
        await admin.delete_topics([n for n in await admin.list_topics() if n.startswith(prefix)])
    finally:
        await admin.close()
