"""The SDK's real worker in a simulated process: its clock, its threads, its crashes."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from unittest.mock import patch

from tests.simulation.books import Books
from tests.simulation.dice import Dice
from tests.simulation.loop import SimLoop
from tests.simulation.network import EngineTransport, Network
from troth import _heartbeats, _lease, _line, _link, _worker
from troth._app import App
from troth._journal import Journal
from troth._lease import Lease
from troth._settings import Settings

__all__ = ["Machine", "Process", "journal_database", "process_here", "simulated_sdk"]

Json = Any
IDLE_TICK_S = 6 * 3600.0
"""Without a lease there is nothing to renew; a new one wakes the loop."""
PAUSED_S_MAX = 150.0
CUT_S_MAX = 60.0
AWAY_S_MAX = 40.0
DRAIN_S = 3.0


@contextlib.contextmanager
def simulated_sdk(loop: SimLoop, dice: Dice) -> Iterator[None]:
    """Within it the SDK reads the simulated clock, and has no threads and no chance of its own."""
    tick_s = _heartbeats._tick_s

    def ticks(lines: Any) -> float:
        return tick_s(lines) if any(line.running for line in lines) else IDLE_TICK_S

    settings = Settings.load()
    with contextlib.ExitStack() as stack:
        stack.enter_context(patch.object(_lease, "datetime", _datetime_of(loop)))
        stack.enter_context(patch.object(_link, "random", dice.random))
        stack.enter_context(patch.object(_line, "Lease", _lease_of()))
        stack.enter_context(patch.object(_worker, "Threads", _Inline))
        stack.enter_context(patch.object(_heartbeats, "_tick_s", ticks))
        stack.enter_context(patch.object(Settings, "load", lambda *_: settings))
        yield


def journal_database() -> sqlite3.Connection:
    """The database of the participants' journal: it outlives every worker."""
    return sqlite3.connect(":memory:", check_same_thread=False)


class Machine:
    """A host that runs one worker process at a time, kills it, pauses it and starts it again."""

    def __init__(
        self, name: str, loop: SimLoop, dice: Dice, network: Network, journal: sqlite3.Connection,
        app: App, books: Books, *, claim_wait_s: float, concurrency: int,
        tenant: str | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.tenant = tenant
        self.loop = loop
        self.dice = dice
        self.books = books
        self.claim_wait_s = claim_wait_s
        self._app = app
        self._network = network
        self._database = journal
        self._concurrency = concurrency
        self._process: Process | None = None
        self._is_over = asyncio.Event()
        self.lives = 0

    async def run(self) -> None:
        """Keep a worker running until `stop`."""
        while not self._is_over.is_set():
            self.lives += 1
            self._process = process = Process(self, f"{self.name}.{self.lives}")
            await process.run(self._app, self._network, self._database, self._concurrency)
            with contextlib.suppress(TimeoutError):
                away_s = 0.1 if self.dice.is_calm else self.dice.between(0.1, AWAY_S_MAX)
                await asyncio.wait_for(self._is_over.wait(), away_s)

    def restart(self) -> None:
        """Kill what runs; another one takes its place."""
        if self._process is not None:
            self._process.crash()

    def stop(self) -> None:
        self._is_over.set()
        self.restart()


class Process:
    """One life of a worker. Once dead nothing it does reaches anything outside."""

    def __init__(self, machine: Machine, name: str) -> None:
        self.name = name
        self.tenant = machine.tenant
        self.machine = machine
        self.is_dead = False
        self._paused_until_s = 0.0
        self._cut_until_s = 0.0
        self._died = asyncio.Event()
        self._worker: _worker.Worker | None = None

    async def run(
        self, app: App, network: Network, database: sqlite3.Connection, concurrency: int
    ) -> None:
        loop = self.machine.loop
        gate = _Gate(database, self)
        self._worker = _worker.Worker(
            app, url="http://engine", api_key="key", concurrency=concurrency, name=self.name,
            journal=Journal(lambda: gate, now_us=loop.now_us), drain_timeout_s=DRAIN_S,
            claim_wait_s=self.machine.claim_wait_s, transport=EngineTransport(network, self),
        )  # fmt: skip
        _HERE.set(self)
        serving = asyncio.ensure_future(self._worker.serve())
        died = asyncio.ensure_future(self._died.wait())
        await asyncio.wait([serving, died], return_when=asyncio.FIRST_COMPLETED)
        died.cancel()
        if not serving.done():
            serving.cancel()
            _FORGOTTEN.add(serving)
            serving.add_done_callback(_FORGOTTEN.discard)
            return
        error = None if serving.cancelled() else serving.exception()
        # A process whose journal cannot be opened ends; whoever runs it starts it again.
        if error is not None and not isinstance(error, sqlite3.OperationalError):
            self.machine.books.wrong.append(f"worker ended: {error!r}")

    def crash(self) -> None:
        self.is_dead = True
        self._died.set()

    async def gate(self) -> None:
        """An await of this process: here it may die, be paused, be cut off, or be told to end."""
        dice, loop = self.machine.dice, self.machine.loop
        if dice.hits("worker crashed"):
            self.crash()
        if dice.hits("worker paused"):
            self._paused_until_s = loop.time() + dice.between(1, PAUSED_S_MAX)
        if dice.hits("worker cut off"):
            self._cut_until_s = loop.time() + dice.between(1, CUT_S_MAX)
        if dice.hits("worker drained") and self._worker is not None:
            self._worker.stop()
        until_s = max(self._paused_until_s, self._cut_until_s)
        if until_s > loop.time():
            await asyncio.sleep(until_s - loop.time())
        if self.is_dead:
            await asyncio.get_running_loop().create_future()

    async def work(self) -> None:
        """A handler does its work: it takes a while, and anything may happen meanwhile."""
        dice = self.machine.dice
        slow = dice.hits("handler slow")
        await asyncio.sleep(dice.between(5, 50) if slow else dice.between(0.001, 0.5))
        await self.gate()


_FORGOTTEN: set[asyncio.Future[None]] = set()
_HERE: contextvars.ContextVar[Process] = contextvars.ContextVar("simulated_process")


def process_here() -> Process:
    """The process in which this runs."""
    return _HERE.get()


class _Gate:
    """The journal's connection as a process sees it. A commit may be the last thing it does."""

    def __init__(self, database: sqlite3.Connection, process: Process) -> None:
        self._database = database
        self._process = process

    def cursor(self) -> sqlite3.Cursor:
        if self._process.is_dead:
            raise sqlite3.OperationalError("the process is gone")
        return self._database.cursor()

    def commit(self) -> None:
        dice = self._process.machine.dice
        if dice.hits("worker crashed"):
            self._process.crash()
        if self._process.is_dead or dice.hits("journal failed"):
            self._database.rollback()
            raise sqlite3.OperationalError("disk I/O error")
        self._database.commit()
        if dice.hits("worker crashed"):
            self._process.crash()

    def rollback(self) -> None:
        self._database.rollback()

    def close(self) -> None:
        """The database outlives the process."""


class _Inline:
    """Takes the place of the worker's threads: plain handlers run in the loop."""

    def __init__(self, loop: SimLoop, limit: int) -> None:
        del limit
        self._loop = loop

    def run(self, function: Callable[[], Any]) -> asyncio.Future[Any]:
        return self._loop.run_in_executor(None, function)

    def close(self) -> None:
        """There are no threads."""


def _datetime_of(loop: SimLoop) -> type[datetime]:
    class SimulatedTime(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return loop.now().astimezone(tz)

    return SimulatedTime


def _lease_of() -> type[Lease]:
    count = 0

    class SimulatedLease(Lease):
        """Sets of leases have one order in every run, and a new one wakes the heartbeats."""

        __slots__ = ("number",)

        def __hash__(self) -> int:
            return self.number

        @classmethod
        def of(cls, *args: Any, **more: Any) -> Lease:
            nonlocal count
            lease = Lease.of.__func__(cls, *args, **more)
            count += 1
            lease.number = count
            lease.wake()
            return lease

    return SimulatedLease
