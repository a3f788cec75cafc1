"""The engine's process: the real lane on the real store, driven by the simulated clock."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from adapters.sqlite import SqliteStore
from consumers.core import Core, Step
from consumers.jobs import Job, Waiting, weight_of
from consumers.lane import Lane
from consumers.limits import LaneLimits
from consumers.registry import Registry
from domain.ports import LaneLost
from domain.requests import ClaimRequest, Request
from sagas.definition import Definition
from sagas.loading import load
from tests.simulation.dice import Dice
from tests.simulation.loop import EPOCH_US, SimLoop
from tests.simulation.network import Unreachable
from tests.simulation.store import EngineCrash, FaultyStore, Leases

__all__ = ["Engine"]

Json = Any
ROUND_S = 0.001
"""What comes within this time shares a round."""
JOBS_MAX = 50
LATE_S_MAX = 20.0
STALL_S_MAX = 90.0
DOWN_S_MAX = 45.0
AGAIN_S = 0.1
FAULT_PAUSE_S = 0.5


Decided = dict[UUID, dict[int, int]]
"""By stream and first version: the last version that the same decide made."""


class WatchedCore(Core):
    """The real core, which notes where one decide ends and the next begins."""

    def __init__(self, registry: Registry, decided: Decided) -> None:
        super().__init__(registry)
        self._decided = decided

    def step(self, state: Any, message: Any, *, stream: UUID, now_us: int, ctx: Any) -> Step:
        done = super().step(state, message, stream=stream, now_us=now_us, ctx=ctx)
        if done.events:
            first, last = (done.events[i].originator_version for i in (0, -1))
            # What was never committed is decided again from the same version, and overwritten.
            self._decided.setdefault(stream, {})[first] = last
        return done


class Engine:
    """Lives, dies, and lives again on the same file. `stepped` is called after every round.

    `noted` gets what an operator's log would say, `answered` every answer that leaves.
    """

    def __init__(
        self, loop: SimLoop, dice: Dice, path: Path, limits: LaneLimits,
        *, stepped: Callable[[], None], noted: Callable[[str, Json], None],
        answered: Callable[[Request, Json], None],
    ) -> None:  # fmt: skip
        self._loop = loop
        self._dice = dice
        self._path = path
        self._limits = limits
        self._stepped = stepped
        self._noted = noted
        self._answered = answered
        self._queue: deque[Job] = deque()
        self._waiting = Waiting()
        self._timer: asyncio.TimerHandle | None = None
        self._stalled_until_s = 0.0
        self.leases = Leases()
        self.decided: Decided = {}
        self.lane: Lane
        self.store: SqliteStore
        self.is_up = False
        self.lives = 0
        self.rounds = 0

    # --- life ----------------------------------------------------------------------------------

    def open(self) -> None:
        """Begin a life: nothing is known but what the file holds."""
        url = f"sqlite:///{self._path}"
        self.store = SqliteStore.open(url, now_us=self._loop.now_us(), durable=False)
        store = FaultyStore(self.store, self._dice, self.leases)
        registry = Registry(_compiled)
        core = WatchedCore(registry, self.decided)
        self.lane = Lane(store, registry=registry, core=core, limits=self._limits)
        self.is_up = True
        self.lives += 1
        try:
            self.lane.open()
        except (EngineCrash, LaneLost) as end:
            self.crash(str(end))
            return
        self.lane.serve_from(self._loop.now_us())
        self._stepped()
        self._arm(ROUND_S)

    def crash(self, where: str) -> None:
        """The process dies: every cache and every open request is gone."""
        self._noted("engine_crashed", {"where": where})
        self.is_up = False
        self.store.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        jobs = [*self._queue, *self._waiting.clear()]
        self._queue.clear()
        for job in jobs:
            _end(job, Unreachable("the engine is gone"))
        self._loop.call_later(self._dice.between(0.05, DOWN_S_MAX), self.open)

    def close(self) -> None:
        """The end of the simulation."""
        self._dice.calm()
        if self._timer is not None:
            self._timer.cancel()
        if self.is_up:
            self.is_up = False
            self.store.close()

    # --- requests ------------------------------------------------------------------------------

    async def submit(self, request: Request) -> Json:
        """The answer after the commit; a Refusal is given back. Raises Unreachable."""
        if not self.is_up:
            raise Unreachable("connection refused")
        job = Job(request, self._loop.create_future(), weight_of(request))
        self._queue.append(job)
        self._arm(ROUND_S)
        return await job.future

    def _arm(self, after_s: float) -> None:
        at_s = max(self._loop.time() + after_s, self._stalled_until_s)
        if self._timer is not None:
            if self._timer.when() <= at_s:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(at_s, self._round)

    def _round(self) -> None:
        self._timer = None
        if self._dice.hits("engine stalled"):
            self._stalled_until_s = self._loop.time() + self._dice.between(1, STALL_S_MAX)
            self._arm(ROUND_S)
            return
        jobs: list[Job] = []
        while self._queue and len(jobs) < JOBS_MAX:
            jobs.append(self._queue.popleft())
        try:
            self._process(jobs)
        except EngineCrash as crash:
            for job in jobs:
                _end(job, Unreachable("the engine is gone"))
            self.crash(str(crash))
            return
        self._stepped()
        self._next()

    def _process(self, jobs: list[Job]) -> None:
        self.rounds += 1
        now_s = self._loop.time()
        over = self._waiting.prune(now_s)
        waiting = self._waiting.jobs()
        out = self.lane.process(
            [job.request for job in jobs],
            self._loop.now_us(),
            waiting=[job.request for job in waiting],
            holds_timers=self._dice.hits("timers held"),
        )
        for action, what in out.notes:
            self._noted(action, what)
        for job in over:
            self._answer(job, {"claims": []})
        for index, answer in out.served:
            self._answer(waiting[index], answer)
            self._waiting.remove(waiting[index])
        for job, answer in zip(jobs, out.answers, strict=True):
            request = job.request
            if isinstance(request, ClaimRequest) and request.wait_s and answer == {"claims": []}:
                self._waiting.add(job, now_s + request.wait_s)
            else:
                self._answer(job, answer)

    def _answer(self, job: Job, answer: Json) -> None:
        self._answered(job.request, answer)
        if not job.future.done():
            job.future.set_result(answer)

    def _next(self) -> None:
        if self._queue:
            self._arm(ROUND_S)
        if self.lane.fault is not None:
            self._arm(FAULT_PAUSE_S)
            return
        ends_s = self._waiting.next_end_s()
        if ends_s is not None:
            self._arm(max(ROUND_S, ends_s - self._loop.time()))
        due_us = self.lane.next_due_us()
        if due_us is not None:
            late_s = self._dice.between(0, LATE_S_MAX) if self._dice.hits("timer late") else 0.0
            due_s = max(due_us - EPOCH_US, 0) / 1_000_000
            self._arm(max(AGAIN_S, due_s - self._loop.time() + late_s + 1e-6))


_COMPILED: dict[str, Definition] = {}


def _compiled(document: dict[str, Json], hash: str) -> Definition:
    """A definition says the same in every life: compiling it once is enough."""
    if hash not in _COMPILED:
        _COMPILED[hash] = load(document, hash)
    return _COMPILED[hash]


def _end(job: Job, error: Exception) -> None:
    if not job.future.done():
        job.future.set_exception(error)
