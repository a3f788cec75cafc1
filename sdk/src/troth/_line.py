"""One participant in a worker: claims its work, runs it, answers."""

from __future__ import annotations

import asyncio
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
        self._now_s = asyncio.get_running_loop().time
        self._tasks: set[asyncio.Task[None]] = set()
        self._freed = asyncio.Event()

    # --- from outside ---

    async def claim(self) -> None:
        """Claim while there is room, until the worker stops. Raises EngineError if not allowed.

        A claim that is under way is waited for: the engine may just be giving us work.
        """
        while not self._stopping.is_set():
            free = self._concurrency - len(self.running)
            if free <= 0 or self.replies.unsent >= UNSENT_MAX:
                self._freed.clear()
                await self._freed.wait()
                continue
            try:
                leases = await self._ask(min(free, CLAIMS_MAX))
            except Stopping:
                return
            if leases:
                self.running.update(leases)
                self._spawn(self._take(leases))
                # Quick handlers end within these turns. Their replies go before the next claim is
                # made up, and one large claim beats many small ones.
                for _ in range(TURNS):
                    await asyncio.sleep(0)

    def wake(self) -> None:
        """Let `claim` see that the worker stops, though there is no room."""
        self._freed.set()

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

    async def _ask(self, most: int) -> list[Lease]:
        body: dict[str, Any] = {
            "worker": self._worker, "contracts": self._contracts, "max": most, "start": True
        }  # fmt: skip
        if self._journal is not None:
            body["journal"] = self._journal.kind
        answer = await self.link.ask(
            "claims",
            body,
            query={"wait_s": self._claim_wait_s},
            timeout_s=self._claim_wait_s + ANSWER_SLACK_S,
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
        outcome: Outcome | None = None
        try:
            if self._stopping.is_set():
                outcome = not_run("draining", "the worker is stopping")
            elif not lease.holds(self._now_s()):
                outcome = not_run("lease", "the lease ended before the handler could begin")
            elif lease.kind == "probe":
                outcome = await run_probe(served, lease, begun.recorded, self._threads)
            else:
                outcome = await run_handler(served, lease, begun, self._threads)
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
        if outcome is not None:
            self.replies.add(lease.reply(outcome))
        self._freed.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("action=worker_fault participant=%s", self.name, exc_info=error)
