"""The desk: what asyncio callers submit, one writer thread applies to the lanes, in batches.

The thread takes everything that is there, up to a bound, processes it in one transaction and hands
all answers back in one call to the loop. It sleeps until somebody asks or something is due. What
belongs to a lane of another process is passed on, and its answer waited for.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from consumers.admission import Admission
from consumers.batch import Passing
from consumers.heads import Heads
from consumers.jobs import Job, Passed, Waiting, answer_of, late_answer, weight_of
from consumers.lane import Lane
from consumers.limits import DeskLimits
from consumers.owning import Ownership
from consumers.parts import ItemsRequest, merged, parts_of
from consumers.times import DeskClock, Times
from domain.errors import Refusal, refusal
from domain.ports import StoreFailed
from domain.positions import position_of
from domain.requests import ClaimRequest, Request

__all__ = ["DeskClock", "LaneDesk"]

Json = Any
US_PER_S = 1_000_000
ALL = frozenset({"*"})
_PLAIN = frozenset({"definition_registered"})  # notes that are no warning
_log = structlog.get_logger("consumers")


class LaneDesk:
    """Implements `domain.requests.Desk` for the lanes of one process and one event loop.

    `ownership` says which lanes are ours where several processes share the store, `heads` reads the
    heads of all, `beside` why what runs beside the lanes is not ready, if it is not. `boot_s` is a
    clock in seconds that nobody can set; tests hand in theirs. `round_s`: of the last round.
    """

    def __init__(
        self,
        lane: Lane,
        clock: DeskClock,
        *,
        ownership: Ownership | None = None,
        heads: Callable[[], Mapping[int, int]] | None = None,
        beside: Callable[[], str | None] | None = None,
        limits: DeskLimits | None = None,
        boot_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lane = lane
        self._ownership = ownership
        self._beside = beside
        self._limits = DeskLimits() if limits is None else limits
        self._times, self._boot_s = Times(clock, self._limits.clock_skew_max_s, boot_s), boot_s
        self._queue: deque[Job] = deque()
        self._in_hand: list[Job] = []
        self._wake = threading.Condition()
        self._waiting = Waiting()
        self._passed = Passed()
        self._poked: set[tuple[str, str]] = set()
        self._polled_s = 0.0
        self._fires_until_us: int | None = None
        self._admission = Admission(self._limits)
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Event | None = None
        self._is_draining = False
        self._fault: str | None = None
        self._heads = Heads(heads, self._limits.heads_poll_s)
        self._lanes: tuple[int, ...] = ()
        self._readers: list[Callable[[], None]] = []
        self._followers: list[Callable[[], None]] = []
        self.round_s = 0.0

    # --- for the edges, on the loop ------------------------------------------------------------

    async def start(self) -> None:
        """Open the lane and begin. Raises StoreFailed when the store cannot be read."""
        if self._ownership is not None:
            self._ownership.start(lambda: self.poke("own", ""))
        self.lane.open()
        self._heads.begin(self.lane.heads)
        self._lanes = self.lane.lanes
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="lanes", daemon=True)
        self._thread.start()
        _log.info("lanes_opened", lanes=list(self._lanes), position=self.position())

    def serving(self) -> None:
        """Workers can reach the engine from now on: leases are swept one lease later."""
        self.lane.serve_from(self._times.now_us())

    def poke(self, kind: str, what: str) -> None:
        """From any thread: `lane` has mail, `work` was offered to a participant, an `answer` came.

        A poke that is lost costs a poll, no more.
        """
        with self._wake:
            self._poked.add((kind, what))
            self._wake.notify()

    def lanes(self) -> tuple[int, ...]:
        """The lanes that are ours now."""
        return self._lanes

    def when_lanes_change(self, callback: Callable[[], None]) -> None:
        """Call it, on the loop, whenever `lanes` has changed."""
        self._followers.append(callback)

    def when_committed(self, callback: Callable[[], None]) -> None:
        """Call it, on the loop, after commits that moved the head of a lane of ours."""
        self._readers.append(callback)

    def read_until(self, us: int | None) -> None:
        """Everything in the logs outside up to then was applied: timers fire up to it.

        None: there is no log outside.
        """
        self._fires_until_us = us

    async def submit(self, request: Request) -> Json:
        """The answer, after the commit. Raises Refusal."""
        if isinstance(request, ItemsRequest) and self.lane.lanes_in_all > 1:
            parts = parts_of(request, lambda lane: lane in self._lanes)
            if len(parts) > 1:
                answers = await asyncio.gather(*(self._submit(part.request) for part in parts))
                return merged(parts, answers)
        return await self._submit(request)

    async def _submit(self, request: Request) -> Json:
        self._admit([request])
        assert self._loop is not None
        future: asyncio.Future[Json] = self._loop.create_future()
        with self._admission.held([request]):
            try:
                self._put([Job(request, future, weight_of(request))])
                return await future
            finally:
                # A caller that left: its claim must not be given work that then lies there.
                future.cancel()

    async def submit_all(self, requests: Sequence[Request]) -> list[Json]:
        """The answers in order, a refused one as its Refusal. Raises Refusal for want of room."""
        self._admit(requests)
        assert self._loop is not None
        loop = self._loop
        jobs = [Job(request, loop.create_future(), weight_of(request)) for request in requests]
        with self._admission.held(requests):
            self._put(jobs)
            return await asyncio.gather(*(job.future for job in jobs), return_exceptions=True)

    def _put(self, jobs: Sequence[Job]) -> None:
        with self._wake:
            self._queue.extend(jobs)
            self._wake.notify()

    def _admit(self, requests: Sequence[Request]) -> None:
        if self._fault is not None or self._thread is None:
            raise refusal("engine.draining", self._fault or "the engine is not running")
        self._admission.check(
            requests, queued=len(self._queue), claims=len(self._waiting),
            is_draining=self._is_draining,
        )  # fmt: skip

    async def wait_position(self, lane: int, position: int, timeout_s: float) -> bool:
        """Whether the head of a lane reached `position` within the time."""
        return await self._heads.wait(lane, position, timeout_s, lambda: lane in self._lanes)

    def position(self) -> str:
        """A position that every lane has reached, at least."""
        return position_of(self.lane.incarnation, self._heads.known)

    def state(self) -> Json:
        """For readiness: why it is not ready, if it is not, and where the lanes are."""
        reason = self._not_ready()
        state = {
            "ready": reason is None, "position": self.position(),
            "lanes": [{"lane": n, "head": self._heads.of(n)} for n in self._lanes],
            "incarnation": self.lane.incarnation, "lag": len(self._queue),
            "claims_waiting": len(self._waiting), "passed_on": len(self._passed),
            "parked": len(self.lane.parked),
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
        return self._times.doubt or (self._beside() if self._beside is not None else None)

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
                self._own()
                self._batch(jobs)
            self._hand_over([(job, {"claims": []}) for job in self._waiting.clear()])
            self._hand_over(
                [(job, late_answer(job.request, way)) for way, job in self._passed.clear()]
            )
        # A dead writer must be seen, whatever killed it.
        except BaseException as fault:  # noqa: BLE001 - kept, and told by readiness
            self._fault = f"the writer died: {type(fault).__name__}: {fault}"
            _log.exception("engine_failed", lanes=list(self._lanes))
            self._fail_all(refusal("bug", self._fault))
        finally:
            if self._ownership is not None:
                self._ownership.stop()
            self._call_loop(self._end)

    def _own(self) -> None:
        """Claim and release lanes, between two batches."""
        if self._ownership is not None and not self._is_draining:
            self._ownership.settle(self.lane)
            heads = self._ownership.heads
            if self._heads.would_move(heads):
                self._call_loop(lambda: self._heads.see(heads))
        if self.lane.lanes != self._lanes:
            self._lanes = self.lane.lanes
            _log.info("lanes_changed", lanes=list(self._lanes))
            self._call_loop(self._tell_lanes)

    def _tell_lanes(self) -> None:
        for callback in self._followers:
            callback()

    def _take(self) -> list[Job] | None:
        """Everything that is there, up to a bound; waits for the first. None: stop."""
        with self._wake:
            while not self._queue:
                if self._is_draining:
                    return None
                pause_s = self._pause_s()
                if pause_s <= 0 or self._poked:
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
        """How long nothing is due: the next timer, the end of a wait, the next look around."""
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
        now_s = self._boot_s()
        ends = [self._waiting.next_end_s(), self._passed.next_end_s()]
        pause_s = min([pause_s, *(end_s - now_s for end_s in ends if end_s is not None)])
        if self._passed:
            pause_s = min(pause_s, limits.answers_poll_s)
        return pause_s

    def _look_around(self) -> frozenset[str]:
        """What other processes did: mail is looked at again; who may have been offered work."""
        with self._wake:
            poked, self._poked = self._poked, set()
        if self._ownership is None:
            return frozenset()
        now_s = self._boot_s()
        if now_s - self._polled_s >= self._limits.idle_poll_s:
            self._polled_s = now_s
            self.lane.mail_came()
            return ALL
        if any(kind == "lane" for kind, _ in poked):
            self.lane.mail_came()
        return frozenset(what for kind, what in poked if kind == "work")

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
            fires_until_us=self._fires_until_us,
            offered=self._look_around(),
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
            if isinstance(answer, Passing):
                self._passed.add(answer, job, now_s + self._limits.passed_wait_s)
            elif isinstance(job.request, ClaimRequest) and self._may_wait(job.request, answer):
                self._waiting.add(job, now_s + job.request.wait_s)
            else:
                answers.append((job, answer))
        self._hand_over([*answers, *self._answered()])

    def _answered(self) -> list[tuple[Job, Json]]:
        """The answers to what was passed on, and what nobody answered in time."""
        if not self._passed:
            return []
        try:
            found = self.lane.take_answers()
        except StoreFailed:
            found = ()  # it stays there, and is read with the next look
        answers: list[tuple[Job, Json]] = []
        for answer in found:
            job = self._passed.take(answer.ask)
            if job is not None:
                answers.append((job, answer_of(answer.body)))
        late = self._passed.prune(self._boot_s())
        return [*answers, *((job, late_answer(job.request, way)) for way, job in late)]

    def _may_wait(self, request: ClaimRequest, answer: Json) -> bool:
        is_empty = not isinstance(answer, Refusal) and not answer["claims"]
        return is_empty and request.wait_s > 0 and not self._is_draining

    # --- from the thread to the loop -----------------------------------------------------------

    def _hand_over(self, answers: list[tuple[Job, Json]]) -> None:
        heads = self.lane.heads
        if answers or self._heads.would_move(heads):
            self._call_loop(lambda: self._resolve(answers, heads))

    def _call_loop(self, call: Callable[[], object]) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:
            # The loop is closed: nobody is left who could be answered.
            self._is_draining = True

    def _resolve(self, answers: list[tuple[Job, Json]], heads: Mapping[int, int]) -> None:
        if self._heads.see(heads):
            for callback in self._readers:
                callback()
        for job, answer in answers:
            if job.future.done():
                continue
            if isinstance(answer, Refusal):
                job.future.set_exception(Refusal(answer.alias, answer.detail, answer.errors))
            else:
                job.future.set_result(answer)

    def _fail_all(self, refused: Refusal) -> None:
        with self._wake:
            jobs = [*self._in_hand, *self._queue, *self._waiting.clear()]
            jobs += [job for _, job in self._passed.clear()]
            self._queue.clear()
        self._call_loop(lambda: self._resolve([(job, refused) for job in jobs], {}))

    def _end(self) -> None:
        assert self._ended is not None
        self._ended.set()
