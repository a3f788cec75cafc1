"""The outbox of a user's service: events that leave exactly when their transaction commits.

`publish` writes a row in the service's own transaction; a relay (`troth outbox run`, or `Relay`)
sends the rows to the engine in order and removes them once they are acknowledged. An event may be
sent twice, always with the same id, which the engine knows.

    with engine.begin() as connection:
        connection.execute("insert into orders ...")
        outbox.publish(connection, OrderPlaced(number="17"))

Tables: `troth outbox ddl`. Works with connections of sqlite3, psycopg and SQLAlchemy.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from uuid import uuid4

from pydantic import BaseModel

from ._bus import Bus, bus_of
from ._client import AsyncClient
from ._events import event_of
from ._json import dumps
from ._link import backoff_s
from ._outbox_rows import Rows, ddl
from ._outbox_send import Refusal, Said, Sender, ToEngine, ToKafka
from ._problems import EngineError
from ._registering import payload_of
from ._settings import Settings
from ._sql import Connection, Dialect, connect, dialect_of, ensure, rows, run, run_async

__all__ = ["Relay", "again", "aside", "create", "ddl", "publish", "publish_async"]

SOURCE = "urn:troth:outbox"
"""The source of an event that names none: set your service's own, ids are unique for a source."""
BATCH_MAX = 500
"""Events of one request."""
BATCH_BYTES_MAX = 4 * 1024 * 1024
"""Bytes of one request, about; a single event may be larger."""
POLL_S = 0.5
"""How often an empty outbox is looked at."""
ASIDE_MAX = 1_000

_INSERT = "INSERT INTO troth_outbox (id, key, event, at_us) VALUES (?, ?, ?, ?)"
_SET_ASIDE = (
    "SELECT id, error, event FROM troth_outbox WHERE error IS NOT NULL ORDER BY number LIMIT ?"
)
_AGAIN = "UPDATE troth_outbox SET error = NULL WHERE id = ? AND error IS NOT NULL"

T = TypeVar("T")
log = logging.getLogger("troth.outbox")


def create(connection: Connection, dialect: Dialect) -> None:
    """Make the tables if they are missing, and commit; for those without migrations of their own.

    A relay does the same when it starts.
    """
    ensure(connection, "troth_outbox_relay", ddl(dialect))


def publish(
    connection: object,
    event: BaseModel | str | Mapping[str, Any],
    data: Any = None,
    /,
    *,
    id: str | None = None,
    source: str = SOURCE,
    key: str | None = None,
    **attributes: str,
) -> str:
    """Send an event when the caller's open transaction commits, and not if it rolls back.

    Args:
        connection: of sqlite3, psycopg or SQLAlchemy (Connection or Session).
        event: an instance of an `@event` model, a type (with `data`), or a whole CloudEvent.
        data: of a type: a model, or plain JSON.
        id: stable for one happening; default a new one.
        source: URI of the service.
        key: of the Kafka record; default the event's key field, else its subject, else its id.
        attributes: further CloudEvents attributes, such as `subject` or `correlationid`.

    Returns the event's id. Raises KeyError for a CloudEvent without `type`, TrothError TR123 for a
    model that is no event, and what the driver raises (an id that waits already, for example).
    """
    arguments = _row(event, data, id=id, source=source, key=key, attributes=attributes)
    run(connection, _INSERT, arguments)
    return str(arguments[0])


async def publish_async(
    connection: object,
    event: BaseModel | str | Mapping[str, Any],
    data: Any = None,
    /,
    *,
    id: str | None = None,
    source: str = SOURCE,
    key: str | None = None,
    **attributes: str,
) -> str:
    """`publish` for psycopg's AsyncConnection, SQLAlchemy's AsyncConnection and AsyncSession."""
    arguments = _row(event, data, id=id, source=source, key=key, attributes=attributes)
    await run_async(connection, _INSERT, arguments)
    return str(arguments[0])


def aside(connection: Connection) -> list[tuple[str, str, str]]:
    """Events that were refused for good: id, reason and the event as JSON; 1,000 at most."""
    return [(id, error, event) for id, error, event in rows(connection, _SET_ASIDE, (ASIDE_MAX,))]


def again(connection: object, id: str) -> bool:
    """Send an event again that was set aside; False if there is none of this id."""
    return run(connection, _AGAIN, (id,)) == 1


def _row(
    event: BaseModel | str | Mapping[str, Any],
    data: Any,
    *,
    id: str | None,
    source: str,
    key: str | None,
    attributes: Mapping[str, str],
) -> tuple[Any, ...]:
    if isinstance(event, Mapping):
        found = {"specversion": "1.0", "id": id or str(uuid4()), "source": source, **event}
        found["type"] = event["type"]
    else:
        found: dict[str, Any] = {"specversion": "1.0", "id": id or str(uuid4()), "source": source}
        if isinstance(event, str):
            found |= {"type": event, **attributes, "data": payload_of(data)}
        else:
            kind = event_of(type(event))
            payload = payload_of(event)
            found |= {"type": kind.type, **attributes, "data": payload}
            key = key or str(payload[kind.key])
    place = key or found.get("subject") or found["id"]
    return found["id"], str(place), dumps(found), time.time_ns() // 1000


class Relay:
    """Sends the rows of one outbox, in order; any number may run, one at a time works.

    Args:
        database: `postgresql://...` or `sqlite:///FILE`.
        url: address of the engine; default TROTH_URL.
        api_key: its key, one that may send events; default TROTH_API_KEY.
        tenant: for a key of all tenants, and of events sent by Kafka.
        bus: `kafka://HOST:PORT`: send to the topic `events` there, not over HTTP.
        batch_max: events of one request.
        poll_s: how often an empty outbox is looked at.
        sender: where to send, instead of both.
    """

    def __init__(
        self,
        database: str,
        *,
        url: str | None = None,
        api_key: str | None = None,
        tenant: str | None = None,
        bus: Bus | str | None = None,
        batch_max: int = BATCH_MAX,
        poll_s: float = POLL_S,
        sender: Sender | None = None,
    ) -> None:
        settings = Settings.load()
        dialect = dialect_of(database, "the outbox's database")
        owner = f"{socket.gethostname()}/{os.getpid()}/{uuid4().hex[:8]}"
        self._rows = Rows(lambda: connect(database, "the outbox's database"), dialect, owner)
        self._tenant = tenant or settings.tenant
        self._to = (url or settings.url, api_key or settings.api_key)
        self._bus = bus_of(bus, topic_prefix=settings.topic_prefix)
        self._sender = sender
        self._batch_max = batch_max
        self._poll_s = poll_s
        self._stopping = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises EngineError if the key may not send events."""
        asyncio.run(self._run())

    def stop(self) -> None:
        """End after the batch under way; from any thread."""
        if self._loop is None:
            self._stopping.set()
            return
        with contextlib.suppress(RuntimeError):  # the loop is closed: it has stopped
            self._loop.call_soon_threadsafe(self._stopping.set)

    async def serve(self) -> None:
        """Send until `stop`. Database, engine and brokers may come and go.

        Raises EngineError if the engine does not let this key send events.
        """
        self._loop = asyncio.get_running_loop()
        failures = 0
        async with contextlib.AsyncExitStack() as stack:
            thread = stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="troth-outbox"))
            sender = self._sender or self._made()
            stack.push_async_callback(self._in(thread, self._rows.close))
            stack.push_async_callback(sender.close)
            log.info("action=outbox_ready")
            while not self._stopping.is_set():
                try:
                    count = await self._batch(thread, sender)
                    failures = 0
                except EngineError as error:
                    if error.status in {401, 403}:
                        raise
                    failures += 1
                    log.warning("action=engine_unreached %s", error.message)
                    await self._pause(backoff_s(failures, error.retry_after_s))
                except Exception as error:  # noqa: BLE001  drivers have errors of their own
                    failures += 1
                    log.warning("action=outbox_waits error=%r", error)
                    await self._pause(backoff_s(failures, None))
                else:
                    if count == 0:
                        await self._pause(self._poll_s)
        log.info("action=outbox_stopped")

    # --- inside ---

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            # Windows has no signals in its event loop: there Ctrl-C ends it at once, harmlessly.
            with contextlib.suppress(NotImplementedError):
                self._loop.add_signal_handler(number, self._stopping.set)
        await self.serve()

    def _made(self) -> Sender:
        if self._bus is not None:
            return ToKafka(self._bus, self._tenant)
        return ToEngine(AsyncClient(*self._to, tenant=self._tenant))

    async def _batch(self, thread: ThreadPoolExecutor, sender: Sender) -> int:
        """Take, send, settle; how many left the outbox. Raises where nothing could be sent."""
        batch = await self._in(thread, lambda: self._rows.take(self._batch_max, BATCH_BYTES_MAX))()
        if not batch:
            return 0
        said: list[Said] = []
        try:
            said = await sender.send(batch)
        finally:
            # Also after a failure, which settles nothing: it ends the transaction of `take`.
            pairs = list(zip(batch, said, strict=False))
            sent = [row.number for row, one in pairs if one == "sent"]
            bad = [(row.number, one.reason) for row, one in pairs if isinstance(one, Refusal)]
            await self._in(thread, lambda: self._rows.settle(sent, bad))()
        for row, one in pairs:
            if isinstance(one, Refusal):
                log.error("action=event_set_aside id=%s reason=%s", row.id, one.reason)
        if not sent and not bad:
            raise _NothingSent(f"none of {len(batch)} events was taken")
        return len(sent) + len(bad)

    def _in(self, thread: ThreadPoolExecutor, work: Callable[[], T]) -> Callable[[], Any]:
        """The work as something to await: it runs in the thread that has the connection."""

        async def done() -> T:
            return await asyncio.get_running_loop().run_in_executor(thread, work)

        return done

    async def _pause(self, wait_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), wait_s)


class _NothingSent(Exception):
    """Every event of a batch is to be sent again."""
