"""An engine's process: the real lanes on a store that may fail, driven by the simulated clock."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Protocol
from uuid import UUID

from adapters.clock import SystemClock
from consumers.batch import Passing
from consumers.jobs import Job, Passed, Waiting, answer_of, late_answer, weight_of
from consumers.lane import Lane
from consumers.limits import LaneLimits
from consumers.owning import Ownership
from consumers.parts import ItemsRequest, merged, parts_of
from consumers.registry import Registry
from consumers.times import Times
from domain.cluster import Cluster, View
from domain.ports import LaneLost, Store
from domain.requests import ClaimRequest, Request
from tests.simulation.attached import Attached
from tests.simulation.core import Decided, MailOrder, WatchedCore
from tests.simulation.dice import Dice
from tests.simulation.ledger import BROKEN
from tests.simulation.loop import EPOCH_US, SimLoop
from tests.simulation.network import Unreachable
from tests.simulation.store import EngineCrash, FaultyStore, Leases
from tests.simulation.surroundings import compiled

__all__ = ["BROKEN", "Engine", "Home"]

Json = Any
ROUND_S = 0.001
"""What comes within this time shares a round."""
JOBS_MAX = 50
LATE_S_MAX = 20.0
STALL_S_MAX = 90.0
HELD_S_MAX = 30.0
DOWN_S_MAX = 45.0
AGAIN_S = 1.0
"""What is due and cannot be done yet is looked at again: most rounds were once spent on this."""
UNREAD_S = 30.0  # while an input is not read so far: whoever reads on wakes the engine
ROUNDS_MAX = 25_000
"""A world needs a thousand or two: an engine that is never at rest is broken."""
FAULT_PAUSE_S = 0.5
FAULTS_MAX = 20  # rounds in a row: more, and something stops the whole lane
POLL_S = 1.0
PASSED_WAIT_S = 5.0
SKEW_MAX_S = 5.0
JUMP_S_MAX = 7200.0
JUMPED_S_MAX = 300.0


class Home(Protocol):
    """What an engine's process finds around it, and whom it tells what happens in it."""

    leases: Leases
    decided: Decided
    broken_until_us: dict[UUID, int]
    unlike: str | None
    overtaken: str | None

    def open_store(self, engine: Engine) -> Store: ...
    def cluster(self, engine: Engine) -> Cluster | None: ...
    def meanwhile(self, engine: Engine) -> None: ...
    def crashed(self, engine: Engine, crash: BaseException | None) -> None: ...
    def settled(self) -> None: ...
    def silent(self, engine: Engine, until_s: float) -> None: ...
    def stepped(self) -> None: ...
    def noted(self, action: str, what: Json) -> None: ...
    def answered(self, request: Request, answer: Json) -> None: ...


class Engine:
    """Lives, dies, and lives again on the same store, alone or beside others."""

    def __init__(
        self, name: str, loop: SimLoop, dice: Dice, limits: LaneLimits, home: Home
    ) -> None:
        self.name = name
        self.home = home
        self._loop = loop
        self._dice = dice
        self._limits = limits
        self._queue: deque[Job] = deque()
        self._waiting = Waiting()
        self._passed = Passed()
        self._offered: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._stalled_until_s = self._held_until_s = 0.0
        self._faults = 0
        self._off_us = 0
        self._cluster: Cluster | None = None
        self._ownership: Ownership | None = None
        self._is_running = False
        self.bus: Attached | None = None
        self.fires_until_us: int | None = None
        self.jobs_max = JOBS_MAX
        self.lane: Lane
        self.store: Store
        self.is_up = False
        self.lives = self.rounds = 0
        self.down_s_max = DOWN_S_MAX

    # --- life ----------------------------------------------------------------------------------

    def open(self) -> None:
        """Begin a life: nothing is known but what the store holds."""
        self.lives += 1
        self._off_us = 0
        clock = SystemClock(self._wall_us, self._loop.now_us)
        self._times = Times(clock, SKEW_MAX_S, self._loop.time)
        self.store = self.home.open_store(self)
        inner: Any = self.store
        order = MailOrder(inner.connection)
        store = FaultyStore(self.store, self._dice, self.home.leases, self._stopped, order)
        registry = Registry(compiled)
        core = WatchedCore(registry, self.home, self._dice, order)
        self._cluster = self.home.cluster(self)
        lanes = (0,) if self._cluster is None else ()
        process = f"{self.name}.{self.lives}"
        self.lane = Lane(
            store, registry=registry, core=core, limits=self._limits, lanes=lanes, process=process
        )
        self.is_up = True
        if self._cluster is not None:
            self._ownership = Ownership(self._cluster, process)
        try:
            self.lane.open()
        except (EngineCrash, LaneLost) as end:
            self.crash(end)
            return
        self.lane.serve_from(self._loop.now_us())
        if self.bus is not None:
            self.bus.opened(self)
        self.look()
        self.home.stepped()
        self._arm(ROUND_S)

    @property
    def process(self) -> str:
        """The name of this life."""
        return f"{self.name}.{self.lives}"

    def crash(self, end: BaseException | None) -> None:
        """The process dies: every cache and every open request is gone."""
        self.home.noted("engine_crashed", {"engine": self.process, "where": str(end)})
        self.is_up = False
        if self.bus is not None:
            self.bus.ended(self)
        self.home.crashed(self, end)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        jobs = [*self._queue, *self._waiting.clear(), *(job for _, job in self._passed.clear())]
        self._queue.clear()
        for job in jobs:
            _end(job, Unreachable("the engine is gone"))
        self._loop.call_later(self._dice.between(0.05, self.down_s_max), self.open)

    def close(self) -> None:
        """The end of the simulation."""
        if self._timer is not None:
            self._timer.cancel()
        if self.is_up:
            self.is_up = False
            self.store.close()

    def look(self) -> View | None:
        """See which processes live and who owns what, as with every heartbeat."""
        if not self.is_up or self._ownership is None or self._cluster is None:
            return None
        if self._loop.time() < self._stalled_until_s:
            return None
        view = self._cluster.beat()
        self._ownership._see(view)
        self._arm(ROUND_S)
        return view

    def read_until(self, us: int) -> None:
        """Everything in the logs outside up to then was applied: timers fire up to it."""
        self.fires_until_us = us
        self._arm(ROUND_S)

    def poke(self, kind: str, what: str) -> None:
        """Another process sent mail here, offered work, or answered."""
        if not self.is_up:
            return
        if kind == "lane":
            self.lane.mail_came()
        elif kind == "work":
            self._offered.add(what)
        self._arm(ROUND_S)

    def _wall_us(self) -> int:
        return self._loop.now_us() + self._off_us

    def _stopped(self) -> None:
        """Stopped within a transaction, beyond its lease: the others go on without it."""
        self.home.meanwhile(self)

    # --- requests ------------------------------------------------------------------------------

    async def submit(self, request: Request) -> Json:
        """The answer after the commit; a Refusal is given back. Raises Unreachable."""
        if isinstance(request, ItemsRequest) and self.is_up and self.lane.lanes_in_all > 1:
            parts = parts_of(request, lambda lane: lane in self.lane.lanes)
            if len(parts) > 1:
                answers = await asyncio.gather(*(self._submit(part.request) for part in parts))
                refused = [a for a in answers if not isinstance(a, dict)]
                return refused[0] if refused else merged(parts, answers)
        return await self._submit(request)

    async def _submit(self, request: Request) -> Json:
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
        self._timer = self._loop.call_at(at_s, self.round)

    def round(self) -> None:
        """One turn of the writer: everything that is there, up to a bound."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._is_running or not self.is_up:
            return
        if self._dice.hits("engine stalled"):
            self._stall()
            return
        if self._cluster is None and self._dice.hits("clock jumped"):
            self._jump()
        jobs: list[Job] = []
        while self._queue and len(jobs) < self.jobs_max:
            jobs.append(self._queue.popleft())
        self._is_running = True
        try:
            self._process(jobs)
        except EngineCrash as crash:
            for job in jobs:
                _end(job, Unreachable("the engine is gone"))
            self.crash(crash)
            return
        finally:
            self._is_running = False
        self.home.stepped()
        self._next()

    def _stall(self) -> None:
        self._stalled_until_s = self._loop.time() + self._dice.between(1, STALL_S_MAX)
        self.home.silent(self, self._stalled_until_s)
        self._arm(ROUND_S)

    def _jump(self) -> None:
        """Somebody sets the clock of this machine, and later sets it right again."""
        by_s = self._dice.between(SKEW_MAX_S + 1, JUMP_S_MAX) * self._dice.pick([1, -1])
        self._off_us = int(by_s * 1_000_000)

        def settle() -> None:
            self._off_us = 0
            if self.is_up:
                self._arm(ROUND_S)

        self._loop.call_later(self._dice.between(1, JUMPED_S_MAX), settle)

    def _process(self, jobs: list[Job]) -> None:
        self.rounds += 1
        if self.rounds > ROUNDS_MAX:
            raise AssertionError(f"{self.name} turns in circles: {ROUNDS_MAX} rounds")
        if self._ownership is not None:
            before = self.lane.lanes
            self._ownership.settle(self.lane)
            if self.lane.lanes != before:
                self.home.settled()
                if self.bus is not None:
                    self.bus.lanes_changed(self)
        now_s = self._loop.time()
        over = self._waiting.prune(now_s)
        waiting = self._waiting.jobs()
        offered, self._offered = self._offered, set()
        now_us = self._times.now_us()
        out = self.lane.process(
            [job.request for job in jobs],
            now_us,
            waiting=[job.request for job in waiting],
            holds_timers=self._times.doubt is not None or self._holds(now_s),
            fires_until_us=self.fires_until_us,
            offered=offered,
        )
        if self.bus is not None:
            self.bus.committed(self)
        for action, what in out.notes:
            self.home.noted(action, what)
        for job in over:
            self._answer(job, {"claims": []})
        for index, answer in out.served:
            self._answer(waiting[index], answer)
            self._waiting.remove(waiting[index])
        for job, answer in zip(jobs, out.answers, strict=True):
            request = job.request
            if isinstance(answer, Passing):
                self._passed.add(answer, job, now_s + PASSED_WAIT_S)
            elif isinstance(request, ClaimRequest) and request.wait_s and answer == {"claims": []}:
                self._waiting.add(job, now_s + request.wait_s)
            else:
                self._answer(job, answer)
        if self._passed:
            self._fetch(now_s)

    def _holds(self, now_s: float) -> bool:
        """Whether timers are held: now and then for a while."""
        if self._dice.hits("timers held"):
            self._held_until_s = now_s + self._dice.between(0, HELD_S_MAX)
        return now_s < self._held_until_s and not self._dice.is_calm

    def _fetch(self, now_s: float) -> None:
        """The answers of others to what was passed on, and what nobody answered in time."""
        for answer in self.lane.take_answers():
            job = self._passed.take(answer.ask)
            if job is not None:
                self._answer(job, answer_of(answer.body))
        for way, job in self._passed.prune(now_s):
            self._answer(job, late_answer(job.request, way))

    def _answer(self, job: Job, answer: Json) -> None:
        self.home.answered(job.request, answer)
        if not job.future.done():
            job.future.set_result(answer)

    def _next(self) -> None:
        if self._queue:
            self._arm(ROUND_S)
        self._faults = 0 if self.lane.fault is None else self._faults + 1
        if self.lane.fault is not None:
            if self._faults > FAULTS_MAX:
                self.home.noted("lane_fault", {"detail": f"in vain {self._faults} times"})
            self._arm(FAULT_PAUSE_S)
            return
        now_s = self._loop.time()
        for ends_s in (self._waiting.next_end_s(), self._passed.next_end_s()):
            if ends_s is not None:
                self._arm(max(ROUND_S, ends_s - now_s))
        due_us = self.lane.next_due_us()
        if due_us is not None:
            late_s = self._dice.between(0, LATE_S_MAX) if self._dice.hits("timer late") else 0.0
            due_s = max(due_us - EPOCH_US, 0) / 1_000_000
            is_unread = self.fires_until_us is not None and self.fires_until_us < due_us
            again_s = UNREAD_S if is_unread else POLL_S if self._times.doubt else AGAIN_S
            self._arm(max(again_s, due_s - now_s + late_s + 1e-6))


def _end(job: Job, error: Exception) -> None:
    if not job.future.done():
        job.future.set_exception(error)
