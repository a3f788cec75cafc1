"""The desk: what asyncio callers submit, one writer thread applies to the lane, in batches.

The thread takes everything that is there, up to a bound, processes it in one transaction and hands
all answers back in one call to the loop. It sleeps until somebody asks or something is due.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import structlog

from consumers.jobs import Job, Waiting, weight_of
from consumers.lane import Lane
from consumers.limits import DeskLimits
from domain.errors import Refusal, refusal
from domain.requests import ClaimRequest, Publish, Request, StartRequest

__all__ = ["DeskClock", "LaneDesk"]

Json = Any
US_PER_S = 1_000_000
_INGRESS = (Publish, StartRequest)
_PLAIN = frozenset({"definition_registered"})
"""Notes that are no warning."""
_log = structlog.get_logger("consumers")


class DeskClock(Protocol):
    """The clock of the store's machine; its skew says how far it can be trusted."""

    def now_us(self) -> int: ...
    def clock_skew_s(self) -> float: ...


class LaneDesk:
    """Implements `domain.requests.Desk` for one lane and one event loop.

    `boot_s` is a clock that nobody can set, in seconds; tests hand in their own. `round_s` is how
    long the last round took.
    """

    def __init__(
        self,
        lane: Lane,
        clock: DeskClock,
        *,
        limits: DeskLimits | None = None,
        boot_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lane = lane
        self._limits = DeskLimits() if limits is None else limits
        self._times = _Times(clock, self._limits.clock_skew_max_s, boot_s)
        self._boot_s = boot_s
        self._queue: deque[Job] = deque()
        self._in_hand: list[Job] = []
        self._wake = threading.Condition()
        self._waiting: Waiting = Waiting()
        self._tenants: Counter[str] = Counter()
        self._positions: list[tuple[int, asyncio.Future[bool]]] = []
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Event | None = None
        self._is_draining = False
        self._fault: str | None = None
        self._head = 0
        self.round_s = 0.0

    # --- for the edges, on the loop ------------------------------------------------------------

    async def start(self) -> None:
        """Open the lane and begin. Raises StoreFailed when the store cannot be read."""
        self.lane.open()
        self._head = self.lane.head
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="lane-0", daemon=True)
        self._thread.start()
        _log.info("lane_claimed", lane=self.lane.number, head=self._head)

    def serving(self) -> None:
        """Workers can reach the engine from now on: leases are swept one lease later."""
        self.lane.serve_from(self._times.now_us())

    async def submit(self, request: Request) -> Json:
        """The answer, after the commit. Raises Refusal."""
        self._admit(request)
        assert self._loop is not None
        future: asyncio.Future[Json] = self._loop.create_future()
        job = Job(request, future, weight_of(request))
        is_ingress = isinstance(request, _INGRESS)
        tenant = request.asked.tenant
        if is_ingress:
            self._tenants[tenant] += 1
        try:
            with self._wake:
                self._queue.append(job)
                self._wake.notify()
            return await future
        finally:
            # A caller that left: its claim must not be given work that then lies there.
            future.cancel()
            if is_ingress:
                self._tenants[tenant] -= 1
                if not self._tenants[tenant]:
                    del self._tenants[tenant]

    async def submit_all(self, requests: Sequence[Request]) -> list[Json]:
        """The answers in order, a refused one as its Refusal. Raises Refusal for want of room."""
        self._admit_all(requests)
        assert self._loop is not None
        loop = self._loop
        jobs = [Job(request, loop.create_future(), weight_of(request)) for request in requests]
        tenants = Counter(r.asked.tenant for r in requests if isinstance(r, _INGRESS))
        self._tenants += tenants
        try:
            with self._wake:
                self._queue.extend(jobs)
                self._wake.notify()
            return await asyncio.gather(*(job.future for job in jobs), return_exceptions=True)
        finally:
            self._tenants -= tenants

    def _admit_all(self, requests: Sequence[Request]) -> None:
        """Refuse more than the queue can hold, before any of it is taken."""
        counts = Counter(r.asked.tenant for r in requests if isinstance(r, _INGRESS))
        for request in {r.asked.tenant: r for r in requests}.values():
            self._admit(request, len(requests), counts[request.asked.tenant])

    def _admit(self, request: Request, more: int = 1, of_tenant: int = 1) -> None:
        if self._fault is not None or self._thread is None:
            raise refusal("engine.draining", self._fault or "the engine is not running")
        if self._is_draining and isinstance(request, (*_INGRESS, ClaimRequest)):
            raise refusal("engine.draining", "the engine takes nothing new")
        limits = self._limits
        if len(self._queue) + more > limits.queue_max:
            raise refusal("http.too_many", f"{limits.queue_max} requests wait for the writer")
        tenant = request.asked.tenant
        waits = self._tenants[tenant] + of_tenant
        if isinstance(request, _INGRESS) and waits > limits.tenant_queue_max:
            detail = f"{limits.tenant_queue_max} events and starts of {tenant} wait"
            raise refusal("http.too_many", detail)
        if isinstance(request, ClaimRequest) and len(self._waiting) >= limits.claims_waiting_max:
            raise refusal("http.too_many", f"{limits.claims_waiting_max} claims wait for work")

    async def wait_position(self, position: int, timeout_s: float) -> bool:
        """Whether the lane's head reached `position` within the time."""
        if self._head >= position:
            return True
        assert self._loop is not None
        reached: asyncio.Future[bool] = self._loop.create_future()
        entry = (position, reached)
        self._positions.append(entry)
        try:
            return await asyncio.wait_for(reached, timeout_s)
        except TimeoutError:
            return False
        finally:
            self._positions = [p for p in self._positions if p is not entry]

    def state(self) -> Json:
        """For readiness: why it is not ready, if it is not, and where the lane is."""
        reason = self._not_ready()
        state = {
            "ready": reason is None, "head": self._head, "lane": self.lane.number,
            "incarnation": self.lane.incarnation, "lag": len(self._queue),
            "claims_waiting": len(self._waiting), "parked": len(self.lane.parked),
        }  # fmt: skip
        return state if reason is None else {**state, "reason": reason}

    def _not_ready(self) -> str | None:
        if self._fault is not None:
            return self._fault
        if self._thread is None:
            return "the writer has not begun"
        if self._is_draining:
            return "the engine is stopping"
        if self.lane.fault is not None:
            return str(self.lane.fault)
        return self._times.doubt

    async def stop(self, timeout_s: float) -> bool:
        """Finish what is queued and end the writer; False if it did not end within the time."""
        self._is_draining = True
        thread, ended = self._thread, self._ended
        if thread is None or ended is None:
            return True
        with self._wake:
            self._wake.notify()
        try:
            await asyncio.wait_for(ended.wait(), timeout_s)
        except TimeoutError:
            self._fail_all(refusal("engine.draining", "the engine stopped before this was done"))
            return False
        thread.join()
        return True

    # --- the writer, on its thread -------------------------------------------------------------

    def _run(self) -> None:
        try:
            while (jobs := self._take()) is not None:
                self._batch(jobs)
            self._hand_over([(job, {"claims": []}) for job in self._waiting.clear()])
        # A dead writer must be seen, whatever killed it.
        except BaseException as fault:  # noqa: BLE001 - kept, and told by readiness
            self._fault = f"the writer died: {type(fault).__name__}: {fault}"
            _log.exception("engine_failed", lane=self.lane.number)
            self._fail_all(refusal("bug", self._fault))
        finally:
            self._call_loop(self._end)

    def _take(self) -> list[Job] | None:
        """Everything that is there, up to a bound; waits for the first. None: stop."""
        with self._wake:
            while not self._queue:
                if self._is_draining:
                    return None
                pause_s = self._pause_s()
                if pause_s <= 0:
                    return []
                self._wake.wait(pause_s)
            jobs: list[Job] = []
            room = self._limits.batch_messages_max
            while self._queue and (not jobs or self._queue[0].weight <= room):
                job = self._queue.popleft()
                room -= job.weight
                jobs.append(job)
            return jobs

    def _pause_s(self) -> float:
        """How long nothing is due: the next timer, or the end of a waiting claim."""
        limits = self._limits
        if self.lane.fault is not None:
            return self._times.pause_s(limits.fault_pause_s)
        pause_s = limits.idle_poll_s
        due_us = self.lane.next_due_us()
        if due_us is not None:
            ahead_s = (due_us - self._times.now_us()) / US_PER_S
            # What was due when it was last looked at, and could not be done, must not spin.
            least_s = self._times.pause_s(limits.due_again_s)
            pause_s = min(pause_s, ahead_s if ahead_s > 0 else least_s)
        ends_s = self._waiting.next_end_s()
        if ends_s is not None:
            pause_s = min(pause_s, ends_s - self._boot_s())
        return pause_s

    def _batch(self, jobs: list[Job]) -> None:
        jobs = self._in_hand = [job for job in jobs if not job.future.cancelled()]
        now_s = self._boot_s()
        over = self._waiting.prune(now_s)
        waiting = self._waiting.jobs()
        out = self.lane.process(
            [job.request for job in jobs],
            self._times.now_us(),
            waiting=[job.request for job in waiting],
            holds_timers=self._times.doubt is not None,
        )
        self._times.was_processed()
        self.round_s = self._boot_s() - now_s
        for action, what in out.notes:
            log = _log.info if action in _PLAIN else _log.warning
            log(action, **what)
        answers: list[tuple[Job, Json]] = [(job, {"claims": []}) for job in over]
        for index, answer in out.served:
            answers.append((waiting[index], answer))
            self._waiting.remove(waiting[index])
        for job, answer in zip(jobs, out.answers, strict=True):
            if isinstance(job.request, ClaimRequest) and self._may_wait(job.request, answer):
                self._waiting.add(job, now_s + job.request.wait_s)
            else:
                answers.append((job, answer))
        self._hand_over(answers)

    def _may_wait(self, request: ClaimRequest, answer: Json) -> bool:
        is_empty = not isinstance(answer, Refusal) and not answer["claims"]
        return is_empty and request.wait_s > 0 and not self._is_draining

    # --- from the thread to the loop -----------------------------------------------------------

    def _hand_over(self, answers: list[tuple[Job, Json]]) -> None:
        head = self.lane.head
        if answers or head != self._head:
            self._call_loop(lambda: self._resolve(answers, head))

    def _call_loop(self, call: Callable[[], None]) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:
            # The loop is closed: nobody is left who could be answered.
            self._is_draining = True

    def _resolve(self, answers: list[tuple[Job, Json]], head: int) -> None:
        self._head = max(self._head, head)
        for job, answer in answers:
            if job.future.done():
                continue
            if isinstance(answer, Refusal):
                job.future.set_exception(Refusal(answer.alias, answer.detail, answer.errors))
            else:
                job.future.set_result(answer)
        for position, reached in self._positions:
            if position <= self._head and not reached.done():
                reached.set_result(True)

    def _fail_all(self, refused: Refusal) -> None:
        with self._wake:
            jobs = [*self._in_hand, *self._queue, *self._waiting.clear()]
            self._queue.clear()
        self._call_loop(lambda: self._resolve([(job, refused) for job in jobs], self._head))

    def _end(self) -> None:
        assert self._ended is not None
        self._ended.set()


class _Times:
    """Now, as far as the wall clock can be trusted; see `doubt`."""

    def __init__(self, clock: DeskClock, skew_max_s: float, boot_s: Callable[[], float]) -> None:
        self._clock = clock
        self._skew_max_s = skew_max_s
        self._boot_s = boot_s
        self._good = (clock.now_us(), boot_s())
        self._processed_s = boot_s()
        self.doubt: str | None = None

    def now_us(self) -> int:
        """The wall clock; after it jumped, the last good time and what has passed since."""
        skew_s = self._clock.clock_skew_s()
        now_s = self._boot_s()
        if abs(skew_s) > self._skew_max_s:
            if self.doubt is None:
                _log.warning("clock_jumped", skew_s=skew_s)
            self.doubt = f"the wall clock jumped by {skew_s:.1f} s: timers are held"
            good_us, at_s = self._good
            return good_us + int((now_s - at_s) * US_PER_S)
        if self.doubt is not None:
            _log.warning("clock_settled", skew_s=skew_s)
            self.doubt = None
        now_us = self._clock.now_us()
        self._good = (now_us, now_s)
        return now_us

    def was_processed(self) -> None:
        """A round ended just now."""
        self._processed_s = self._boot_s()

    def pause_s(self, least_s: float) -> float:
        """What is left of a pause since the last round."""
        return self._processed_s + least_s - self._boot_s()
