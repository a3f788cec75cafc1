"""One participant in a worker: claims its work, runs it, answers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from ._begin import Begun, begin_in_journal, plain, start_at_engine
from ._commit import GroupCommit
from ._journal_rules import Answer, Outcome, Repeat
from ._lease import Lease, lag_of
from ._link import Link, Stopping
from ._outcomes import not_run
from ._replies import Replies
from ._run import Served, run_handler, run_probe
from ._threads import Threads

__all__ = ["Line"]

CLAIMS_MAX = 500
"""Claims of one request."""
UNSENT_MAX = 10_000
"""With so many replies unsent a participant claims nothing more."""
POLL_SHARE = 4
"""With a bus the long poll asks for this part of the handlers that may run at once."""
TURNS = 5
"""Turns of the event loop from a claim to the reply of a handler that waits for nothing."""
ANSWER_SLACK_S = 10.0
"""How much longer than the engine's wait a claim may take before the connection counts as lost."""

log = logging.getLogger("troth.worker")


class Line:
    """The loop of one participant. Made in the event loop it runs in.

    Args:
        name: the participant.
        served: what it serves, by contract and kind.
        worker: the name of this worker process.
        concurrency: handlers that run at once.
        claim_wait_s: how long the engine holds a claim open when there is no work.
        journal: for effects; steps that touch nothing outside need none.
        stopping: set when the worker drains: nothing new begins then.
        wake: called from any thread when a handler reports progress.
        bus: whether commands also come by a topic.
    """

    def __init__(
        self,
        name: str,
        served: dict[tuple[str, str], Served],
        link: Link,
        *,
        worker: str,
        concurrency: int,
        claim_wait_s: float,
        threads: Threads,
        journal: GroupCommit | None,
        stopping: asyncio.Event,
        wake: Callable[[], object],
        bus: bool = False,
    ) -> None:
        self.name = name
        self.link = link
        self.replies = Replies(link, worker)
        self.running: set[Lease] = set()
        self._served = served
        self._contracts = sorted({contract for contract, kind in served if kind != "probe"})
        self._worker = worker
        self._concurrency = concurrency
        self._claim_wait_s = claim_wait_s
        self._threads = threads
        self._journal = journal
        self._stopping = stopping
        self._wake = wake
        self._bus = bus
        self._now_s = asyncio.get_running_loop().time
        self._tasks: set[asyncio.Task[None]] = set()
        self._freed = asyncio.Event()
        self._rung = asyncio.Event()
        self._asking = 0
        self._turns = asyncio.Semaphore(concurrency)

    # --- from outside ---

    async def claim(self) -> None:
        """Claim while there is room, until the worker stops. Raises EngineError if not allowed.

        A claim that is under way is waited for: the engine may just be giving us work.
        """
        while not self._stopping.is_set():
            free = self.room
            if free <= 0 or self.replies.unsent >= UNSENT_MAX:
                self._freed.clear()
                await self._freed.wait()
                continue
            try:
                self._asking = self._share(free)
                leases = await self._ask(self._asking, self._claim_wait_s)
            except Stopping:
                return
            finally:
                self._asking = 0
            if leases:
                self.push(leases)
                # Quick handlers end within these turns. Their replies go before the next claim is
                # made up, and one large claim beats many small ones.
                for _ in range(TURNS):
                    await asyncio.sleep(0)

    async def answer_bells(self) -> None:
        """Claim at once whenever the doorbell rang, beside the long poll, until the worker stops.

        Raises EngineError if not allowed.
        """
        while not self._stopping.is_set():
            await self._rung.wait()
            self._rung.clear()
            # Without room the long poll gets it, as soon as there is some.
            while not self._stopping.is_set() and (room := self.room - self._asking) > 0:
                try:
                    leases = await self._ask(min(room, CLAIMS_MAX), 0.0)
                except Stopping:
                    return
                if not leases:
                    break
                self.push(leases)

    def ring(self) -> None:
        """There may be work to claim."""
        self._rung.set()

    def push(self, leases: list[Lease]) -> None:
        """Take these, as if they had been claimed."""
        self.running.update(leases)
        self._spawn(self._take(leases))

    @property
    def room(self) -> int:
        """How many handlers more may run at once."""
        return self._concurrency - len(self.running)

    @property
    def contracts(self) -> dict[tuple[str, str], Served]:
        """What is served here, by contract and kind."""
        return self._served

    @property
    def journal_kind(self) -> str | None:
        """`shared`, another word, or None without a journal."""
        return None if self._journal is None else self._journal.kind

    @property
    def progressed(self) -> Callable[[], object]:
        """What a lease calls when its handler reports progress."""
        return self._wake

    async def first_worker(self) -> None:
        """No worker of this participant ever ran a command, so the journal lacks none."""
        if self._journal is not None:
            await self._journal.first_worker(self.name)

    async def freed(self, timeout_s: float) -> None:
        """Wait until a handler ends or the worker stops, for so long at most."""
        self._freed.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._freed.wait(), timeout_s)

    def wake(self) -> None:
        """Let the loops see that the worker stops, though there is no room and no work."""
        self._freed.set()
        self._rung.set()

    async def idle(self) -> None:
        """Wait until no handler runs and every reply was taken."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        await self.replies.flushed()

    def stop_handlers(self) -> None:
        """Cancel the async handlers that still run, and tell the threads to stop."""
        for lease in self.running:
            lease.cancel()

    # --- one batch ---

    def _share(self, free: int) -> int:
        """How many the long poll asks for: with a bus it leaves room for what comes by topic."""
        most = max(1, self._concurrency // POLL_SHARE) if self._bus else free
        return min(free, most, CLAIMS_MAX)

    async def _ask(self, most: int, wait_s: float) -> list[Lease]:
        body: dict[str, Any] = {
            "worker": self._worker, "contracts": self._contracts, "max": most, "start": True
        }  # fmt: skip
        if self._journal is not None:
            body["journal"] = self._journal.kind
        answer = await self.link.ask(
            "claims",
            body,
            query={"wait_s": wait_s},
            timeout_s=wait_s + ANSWER_SLACK_S,
            stops=True,
        )
        if answer.json is None:
            return []
        now_s, lag = self._now_s(), lag_of(answer.headers.get("date"))
        return [Lease.of(claim, now_s, lag, self._wake) for claim in answer.json["claims"]]

    async def _take(self, leases: list[Lease]) -> None:
        try:
            for begun in await self._begun(leases):
                self._spawn(self._work(*begun))
        except BaseException:
            for lease in leases:
                self._leave(lease, None)
            raise

    async def _begun(self, leases: list[Lease]) -> list[Begun]:
        """Those that may act now, by the engine's word and the journal's."""
        reserved = [lease for lease in leases if not lease.started]
        if reserved and not self._stopping.is_set():
            await start_at_engine(self.link, self._worker, reserved, self._leave)
        begun: list[Begun] = []
        effects: list[tuple[Lease, Served]] = []
        for lease in leases:
            served = self._served.get((lease.contract, lease.kind))
            if not lease.started:
                self._leave(lease, None)
            elif served is None:
                self._leave(lease, not_run("contract", f"{lease.contract} is not served here"))
            elif served.external:
                effects.append((lease, served))
            else:
                begun.append(plain(lease, served))
        if effects:
            assert self._journal is not None, "a worker with effects has a journal"
            begun += await begin_in_journal(self._journal, effects, self._leave)
        return begun

    async def _work(self, lease: Lease, served: Served, begun: Any) -> None:
        # Claims that were under way together may be more than there was room for.
        async with self._turns:
            await self._act(lease, served, begun)

    async def _act(self, lease: Lease, served: Served, begun: Any) -> None:
        outcome: Outcome | None = None
        try:
            if self._stopping.is_set():
                if lease.pushed is not None:
                    return  # it stays in its topic, for the next worker
                outcome = not_run("draining", "the worker is stopping")
            elif not lease.holds(self._now_s()):
                outcome = not_run("lease", "the lease ended before the handler could begin")
            elif lease.kind == "probe":
                outcome = await run_probe(served, lease, begun.recorded, self._threads)
            else:
                journal = None if self._journal is None else self._journal.journal
                outcome = await run_handler(served, lease, begun, self._threads, journal)
            if served.external and lease.kind != "probe":
                outcome = await self._recorded(lease, outcome)
        finally:
            self._leave(lease, outcome)

    async def _recorded(self, lease: Lease, outcome: Outcome) -> Outcome:
        """Write the answer to the journal; what is recorded there already is what counts."""
        assert self._journal is not None, "a worker with effects has a journal"
        answer = Answer(lease.effect, lease.token, lease.attempt, outcome)
        try:
            (verdict,) = await self._journal.write([answer])
        except Exception as error:  # noqa: BLE001  drivers have errors of their own
            # What happened did happen: the engine records it, the journal keeps "started".
            log.warning("action=journal_failed effect=%s error=%s", lease.effect, error)
            return outcome
        assert isinstance(verdict, Repeat), "an answer is always answered"
        return verdict.outcome

    def _leave(self, lease: Lease, outcome: Outcome | None) -> None:
        """A claim is over: answered with this outcome, or let go. A second time is harmless."""
        if lease not in self.running:
            return
        self.running.discard(lease)
        reply = None if outcome is None else lease.reply(outcome)
        if lease.pushed is not None:
            lease.pushed.ended(reply)
        elif reply is not None:
            self.replies.add(reply)
        self._freed.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("action=worker_fault participant=%s", self.name, exc_info=error)
