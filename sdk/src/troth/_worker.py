"""The worker: runs the handlers of an App's participants, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import AsyncGenerator, Coroutine, Iterable
from types import FrameType
from typing import Any, Protocol, cast

import httpx

from ._bus import Bus, bus_of, kafka
from ._bus_replies import BusReplies
from ._commands import Commands
from ._commit import GroupCommit
from ._contract import Contract
from ._heartbeats import keep_alive
from ._journal import Journal
from ._line import Line
from ._link import Link
from ._run import serves
from ._settings import Settings
from ._threads import Threads
from ._transport import Transport
from ._wire import transport_for

__all__ = ["Worker"]

CLAIM_WAIT_S = 5.0
DRAIN_STOP_S = 3.0
"""After the drain time: how long cancelled handlers and their replies may still take."""
CONCURRENCY_MAX = 1_000
"""Handlers of one participant that run at once, at most."""
NAME_MAX = 256
DEFAULT_JOURNAL = "sqlite:///troth-journal.db"

Task = asyncio.Task[Any]
Work = Coroutine[Any, Any, None]
AnyContext = contextlib.AbstractAsyncContextManager[Any]

log = logging.getLogger("troth.worker")


class ServedParticipant(Protocol):
    """A participant, as far as a worker needs it."""

    name: str
    deps: Any
    contracts: dict[str, Contract]


class ServedApp(Protocol):
    """An App, as far as a worker needs it."""

    @property
    def participants(self) -> Iterable[ServedParticipant]: ...


class Worker:
    """Claims work for every participant of an app, runs its handlers, answers.

    Args:
        app: the App whose participants are served.
        url: address of the engine; default TROTH_URL.
        api_key: a key with the role participant; default TROTH_API_KEY.
        concurrency: handlers that run at once, for each participant; default
            TROTH_WORKER_CONCURRENCY, 16. It is also the most that is claimed at once.
        journal: where effects are recorded; default TROTH_JOURNAL_URL, else a file
            `troth-journal.db` in the working directory. Workers on several machines need one
            shared journal, in the participant's database.
        name: of this worker in the audit trail; default host and process id.
        drain_timeout_s: how long `stop` waits for running handlers; default 25.
        claim_wait_s: how long the engine holds a claim open when there is no work. A worker that
            stops waits for it: what the engine gives away at that moment must not get lost.
        bus: `kafka://HOST:PORT` (see Bus.at for more) or a Bus: commands then also come by Kafka,
            beside the claims over HTTP; default TROTH_BUS_URL, else HTTP alone. Effects come so
            only with a shared journal. Needs `troth[kafka]`: TrothError TR743 without it.
        http: an httpx transport, to reach an engine in the same process.
        transport: how calls travel, instead of HTTP to `url`; closed when `serve` ends. Leases are
            timed by the event loop's clock, so that a simulated loop steers all of it.

    Plain handlers run in threads, async ones in the event loop.
    """

    def __init__(
        self,
        app: ServedApp,
        *,
        url: str | None = None,
        api_key: str | None = None,
        tenant: str | None = None,
        concurrency: int | None = None,
        journal: Journal | None = None,
        name: str | None = None,
        drain_timeout_s: float | None = None,
        claim_wait_s: float = CLAIM_WAIT_S,
        http: httpx.AsyncBaseTransport | None = None,
        transport: Transport | None = None,
        bus: Bus | str | None = None,
    ) -> None:
        settings = Settings.load()
        self._app = app
        self._url = url or settings.url
        self._api_key = api_key or settings.api_key
        self._tenant = tenant or settings.tenant
        self._concurrency = concurrency or settings.worker_concurrency
        if not 1 <= self._concurrency <= CONCURRENCY_MAX:
            raise ValueError(f"concurrency is {self._concurrency}, not 1 to {CONCURRENCY_MAX}")
        self._journal = journal
        self._journal_url = settings.journal_url
        self.name = (name or f"{socket.gethostname()}/{os.getpid()}")[:NAME_MAX]
        self._drain_s = settings.drain_timeout_s if drain_timeout_s is None else drain_timeout_s
        self._claim_wait_s = claim_wait_s
        self._http = http
        self._transport = transport
        self._topic_prefix = settings.topic_prefix
        self._bus: Bus | None = None
        self._use(bus or settings.bus_url)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()

    def run(self, *, bus: Bus | str | None = None) -> None:
        """Serve until SIGTERM or SIGINT; then drain. A second signal stops the handlers at once.

        `bus` as for the worker. Raises EngineError if the engine does not let this key work.
        """
        self._use(bus)
        asyncio.run(self._run())

    def stop(self) -> None:
        """Begin to drain; from any thread. `serve` returns when it is done."""
        if self._loop is None:
            self._stopping.set()
            return
        with contextlib.suppress(RuntimeError):  # the loop is closed: it has stopped
            self._loop.call_soon_threadsafe(self._stop)

    async def serve(self) -> None:
        """Serve until `stop`, or until cancelled; then drain within the drain time.

        The engine may come and go: calls are made again until it is back. Raises EngineError if
        it does not let this key work, and whatever `deps` or the journal raise when opened.
        """
        self._loop = asyncio.get_running_loop()
        transport = self._transport or transport_for(
            self._url, self._api_key, self._tenant, http=self._http
        )
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(transport.close)
            woken = asyncio.Event()
            lines, journal = await self._lines(stack, transport, woken)
            loops = [keep_alive(lines, woken, self.name)]
            loops += [line.replies.run() for line in lines]
            if journal is not None:
                loops.append(journal.purge())
            claims = [line.claim() for line in lines]
            if self._bus is not None:
                more_loops, more_claims = self._bus_loops(self._bus, lines)
                loops, claims = loops + more_loops, claims + more_claims
            async with _tasks(loops) as background, _tasks(claims) as claiming:
                log.info(
                    "action=worker_ready name=%s participants=%s url=%s journal=%s bus=%s",
                    self.name, ",".join(line.name for line in lines), transport.url,
                    journal.kind if journal is not None else "none",
                    self._bus.servers if self._bus is not None else "none",
                )  # fmt: skip
                try:
                    await self._until_stopped([*background, *claiming])
                finally:
                    self._stopping.set()
                    await self._drain(lines, background, claiming)

    # --- inside ---

    def _use(self, bus: Bus | str | None) -> None:
        found = bus_of(bus, topic_prefix=self._topic_prefix)
        if found is not None:
            kafka()
            self._bus = found

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        for number in (signal.SIGTERM, signal.SIGINT):
            try:
                loop.add_signal_handler(number, self._stop)
            except NotImplementedError:  # Windows has no signals in its event loop
                signal.signal(number, self._signalled)
        await self.serve()

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.stop()

    def _stop(self) -> None:
        if self._stopping.is_set():
            self._hurry.set()
        self._stopping.set()

    async def _lines(
        self, stack: contextlib.AsyncExitStack, transport: Transport, woken: asyncio.Event
    ) -> tuple[list[Line], GroupCommit | None]:
        loop = asyncio.get_running_loop()
        participants = [one for one in self._app.participants if one.contracts]
        threads = Threads(loop, self._concurrency * max(1, len(participants)))
        stack.callback(threads.close)
        journal: GroupCommit | None = None
        if any(contract.external for one in participants for contract in one.contracts.values()):
            journal = GroupCommit(self._journal_here())
            await journal.open()
            stack.push_async_callback(journal.close)
        lines: list[Line] = []
        for one in participants:
            served = serves(one.contracts.values(), await _entered(stack, one.deps))
            lines.append(
                Line(
                    one.name,
                    served,
                    Link(transport, one.name, self._stopping),
                    worker=self.name,
                    concurrency=self._concurrency,
                    claim_wait_s=self._claim_wait_s,
                    threads=threads,
                    journal=journal,
                    stopping=self._stopping,
                    wake=lambda: loop.call_soon_threadsafe(woken.set),
                    bus=self._bus is not None,
                )
            )
        return lines, journal

    def _bus_loops(self, bus: Bus, lines: list[Line]) -> tuple[list[Work], list[Work]]:
        """What runs in the background, and what ends when the worker has drained."""
        replies = BusReplies(bus, self.name)
        commands = [Commands(bus, line, replies, self._stopping) for line in lines]
        background: list[Work] = [replies.run(), *(one.tell_started() for one in commands)]
        draining: list[Work] = [line.answer_bells() for line in lines]
        return background, [*draining, *(one.run() for one in commands)]

    def _journal_here(self) -> Journal:
        if self._journal is not None:
            return self._journal
        if self._journal_url is not None:
            return Journal.at(self._journal_url)
        # A file that nobody chose is not known to be the one all workers use.
        return Journal.at(DEFAULT_JOURNAL, shared=False)

    async def _until_stopped(self, tasks: list[Task]) -> None:
        """Until `stop`, or until one of the loops fails; then its error is raised."""
        async with _tasks([self._stopping.wait()]) as (stopping,):
            await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def _drain(self, lines: list[Line], background: list[Task], claiming: list[Task]) -> None:
        """Let handlers end within the drain time, then stop them; send what they answered."""
        for line in lines:
            line.wake()
        log.info("action=worker_draining name=%s running=%d", self.name, _running(lines))
        async with _tasks(
            [_all_ended(claiming, lines), self._hurry.wait(), _any_end(background)]
        ) as ends:
            await asyncio.wait(ends, timeout=self._drain_s, return_when=asyncio.FIRST_COMPLETED)
            if not ends[0].done():
                log.warning("action=handlers_stopped count=%d", _running(lines))
                for task in claiming:
                    task.cancel()
                for line in lines:
                    line.stop_handlers()
                await asyncio.wait(ends[:1], timeout=DRAIN_STOP_S)
        unsent = sum(line.replies.unsent for line in lines)
        log.info(
            "action=worker_stopped name=%s running=%d unsent=%d", self.name, _running(lines), unsent
        )


def _running(lines: list[Line]) -> int:
    return sum(len(line.running) for line in lines)


async def _all_ended(claiming: list[Task], lines: list[Line]) -> None:
    """Until nothing is claimed any more, and everything claimed is answered."""
    await asyncio.gather(*claiming, return_exceptions=True)
    await asyncio.gather(*(line.idle() for line in lines))


async def _any_end(tasks: list[Task]) -> None:
    """Until one of the loops ended: with it gone, waiting for the rest is in vain."""
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)


async def _entered(stack: contextlib.AsyncExitStack, deps: Any) -> Any:
    """What handlers get as `fx.deps`: made, and entered if it is an async context manager."""
    if not callable(deps):
        return deps
    made = cast(Any, deps())
    if isinstance(made, contextlib.AbstractAsyncContextManager):
        return await stack.enter_async_context(cast(AnyContext, made))
    return made


@contextlib.asynccontextmanager
async def _tasks(works: Iterable[Any]) -> AsyncGenerator[list[Task]]:
    """Tasks that end with the block, and whose end is waited for."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
