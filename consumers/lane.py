"""The owner of one lane: it turns requests, mail and time into lane transactions.

Synchronous, without threads, clocks or tasks: whoever drives it says what time it is. One call of
`process` is one transaction, or as many as its input needs; it answers after the commits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from traceback import format_exception
from typing import Any
from uuid import UUID

import orjson

from consumers import accept, registering, steering, work
from consumers.batch import DETAIL_MAX, FAULT, Batch, Parts
from consumers.call import Call, Counts, Processed
from consumers.core import Core
from consumers.limits import LaneLimits
from consumers.registry import Registry
from consumers.round import Answer, Done, Round
from consumers.streams import Streams
from domain.errors import refusal
from domain.mapper import event_mapper
from domain.ports import InboxRow, LaneBelief, LaneLost, LaneWrite, Store, StoreFailed
from domain.requests import (
    ClaimRequest,
    ControlRequest,
    DecideRequest,
    HeartbeatsRequest,
    Publish,
    RedriveRequest,
    RegisterRequest,
    RepliesRequest,
    Request,
    StartRequest,
    StartsRequest,
)

__all__ = ["Answer", "Lane", "Processed"]

Json = Any
DATA_ERROR = "store.failed"
"""The database refused what was written: the round is halved until the culprit stands alone."""
CLAIMS_AGAIN_MAX = 3
"""How often a lane that was lost is claimed again for one call."""


class Lane:
    """Owns lane `number` of a store. Use it from one thread; `open` it first.

    `event_time`: accept times come from the events and never go back; leases stay on real time.
    """

    def __init__(
        self,
        store: Store,
        *,
        registry: Registry | None = None,
        core: Core | None = None,
        limits: LaneLimits | None = None,
        number: int = 0,
        event_time: bool = False,
    ) -> None:
        self.registry = Registry() if registry is None else registry
        self.limits = LaneLimits() if limits is None else limits
        self.counts = Counts()
        self.fault: StoreFailed | None = None
        self._store = store
        self._number = number
        mapper = event_mapper()
        streams = Streams(mapper, self.limits.streams_cached_max)
        core = Core(self.registry) if core is None else core
        self._parts = Parts(core, streams, mapper, self.limits, {}, event_time)
        acceptance = accept.Acceptance(self.registry, event_time)
        self._handlers: dict[type, Callable[[Batch, Any], Json]] = {
            Publish: lambda b, r: accept.publish(acceptance, b, r),
            StartRequest: lambda b, r: accept.start(acceptance, b, r),
            RedriveRequest: lambda b, r: steering.redrive(acceptance, b, r),
            DecideRequest: steering.decide,
            ControlRequest: steering.control,
            StartsRequest: work.starts,
            HeartbeatsRequest: work.heartbeats,
            RepliesRequest: work.replies,
        }
        self._belief: LaneBelief | None = None
        self._incarnation = 0
        self._has_mail = True
        self._is_careful = True
        self._quota: int | None = None
        self._sweeps_from_us: int | None = None
        self._next_due_us: int | None = None

    # --- for whoever drives it -----------------------------------------------------------------

    def open(self) -> None:
        """Load the definitions and read where the lane is. Raises StoreFailed."""
        for hash_, document in self._store.definitions():
            self.registry.add(orjson.loads(document), hash_.hex())
        self._current()

    def serve_from(self, now_us: int) -> None:
        """Workers can reach the engine since `now_us`: leases are swept one lease later."""
        self._sweeps_from_us = now_us + self.limits.lease_us

    @property
    def head(self) -> int:
        """The position of the last committed event; 0 while the lane is not known."""
        return 0 if self._belief is None else self._belief.head

    @property
    def number(self) -> int:
        return self._number

    @property
    def incarnation(self) -> int:
        """Of the store; kept while the lane is not known."""
        return self._incarnation

    @property
    def parked(self) -> Sequence[UUID]:
        """Streams that wait for an operator after a fault."""
        return tuple(self._parts.parked)

    def next_due_us(self) -> int | None:
        """When `process` wants to be called though nobody asks; 0 is now, None is never."""
        return 0 if self._has_mail else self._next_due_us

    def process(
        self,
        requests: Sequence[Request],
        now_us: int,
        *,
        waiting: Sequence[ClaimRequest] = (),
        holds_timers: bool = False,
    ) -> Processed:
        """Apply what is due and the requests, in order; the answers are durable.

        A refused request is answered with its Refusal, also when the store fails (`fault` then
        says why). `holds_timers`: the clock is in doubt, so nothing that waits for time happens.
        """
        if self._sweeps_from_us is None:
            self.serve_from(now_us)
        call = Call(requests, waiting, now_us, holds_timers)
        for _ in range(self.limits.rounds_max):
            if not self._advance(call):
                return call.out
        # Mail that goes round for ever, or more timers than ever, must not keep requests out.
        while call.is_open:
            self._advance(call, only_requests=True)
        return call.out

    # --- one step of a call ----------------------------------------------------------------------

    def _advance(self, call: Call, *, only_requests: bool = False) -> bool:
        """Run one transaction of the call. False when nothing is left to do."""
        call.done = None
        has_mail = self._has_mail and not only_requests
        takes_due = not (call.holds_timers or only_requests) and self._is_due(call)
        if not (call.is_open or has_mail or takes_due):
            return False
        try:
            if has_mail and self._is_careful:
                self._take_carefully(call)
            elif call.is_next_alone and not has_mail:
                call.answer([self._alone(call.next, call)])
            else:
                self._run(call, has_mail, takes_due)
            self.fault = None
        except LaneLost as lost:
            self._forget()
            call.note("lane_lost", lane=self._number, detail=str(lost))
            self.counts.lost += 1
            call.lost += 1
            if call.lost >= CLAIMS_AGAIN_MAX:
                call.refuse_rest(refusal("store.lane_lost", str(lost)))
                return False
        except StoreFailed as failed:
            self._forget()
            call.note("store_failed", alias=failed.alias, detail=failed.detail)
            return self._recover(call, failed)
        except Exception as fault:
            # The culprit is found and set aside; if there is none to find, it is raised.
            self._forget()
            if call.done is None or call.done.units == 0:
                raise
            call.note("lane_fault", detail="".join(format_exception(fault)))
            said = f"{type(fault).__name__}: {fault}"[:DETAIL_MAX]
            return self._recover(call, StoreFailed(FAULT, said))
        return True

    def _is_due(self, call: Call) -> bool:
        if self._parts.is_event_time and call.is_open:
            # Each event may bring the time at which something is due.
            return True
        is_due = self._next_due_us is not None and self._next_due_us <= call.now_us
        return is_due and not call.is_due_done

    def _run(
        self, call: Call, has_mail: bool, takes_due: bool, row: InboxRow | None = None
    ) -> None:
        belief = self._current()
        round_ = Round(
            self._handlers, call.group(), call.waiting, has_mail, takes_due,
            sweeps=takes_due and call.now_us >= (self._sweeps_from_us or 0), quota=self._quota,
            row=row,
        )  # fmt: skip
        accept_us = belief.clock_us
        if not self._parts.is_event_time:
            accept_us = max(accept_us, call.now_us)
        tx = self._store.begin(belief)
        try:
            batch = Batch(self._parts, tx, belief, accept_us, call.now_us)
            call.done = round_.done
            round_.take(batch)
            written = batch.finish()
            if not batch.is_empty():
                belief = tx.write(written, clock_us=batch.accept_us)
            has_claims = round_.claim(batch)
            if has_claims or batch.desk_calls or not batch.is_empty():
                tx.commit()
                self.counts.commits += 1
            else:
                tx.rollback()
        except BaseException:
            tx.rollback()
            raise
        self._settle(call, batch, belief, round_.done, takes_due)

    def _settle(
        self, call: Call, batch: Batch, belief: LaneBelief, done: Done, takes_due: bool
    ) -> None:
        """After the commit: what was believed is known, and the requests have their answers."""
        self._belief = belief
        self._parts.streams.keep(batch.touched)
        self.counts.messages += batch.applied
        self.counts.events += len(batch.write.events)
        parked = self._parts.parked
        sent_on = any(mail.stream not in parked for mail in batch.write.inbox)
        self._has_mail = done.has_mail or sent_on
        call.is_due_done = call.is_due_done or (takes_due and not done.has_due)
        for stream, tenant, reason, detail in batch.write.parked_streams:
            call.note(
                "stream_parked", stream=str(stream), tenant=tenant, reason=reason, detail=detail
            )
        call.served(done.served)
        call.answer(done.answers)
        if self._quota is not None:
            self._has_mail = self._has_mail or done.suspect is not None
            self._quota *= 2
            if done.units == 0 or self._quota > self.limits.inbox_per_batch_max:
                self._quota = None
        self._next_due_us = self._store.next_due_us(self._number)

    def _current(self) -> LaneBelief:
        """The lane as it is; read from the store when nothing is believed. Raises StoreFailed."""
        if self._belief is None:
            belief = self._store.belief(self._number)
            tx = self._store.begin(belief)
            try:
                self._parts.parked = dict.fromkeys(tx.parked(), 0)
            finally:
                tx.rollback()
            self._next_due_us = self._store.next_due_us(self._number)
            self._belief, self._incarnation = belief, belief.incarnation
        return self._belief

    def _forget(self) -> None:
        """Drop what is believed: no state outlives a commit that failed or is unclear."""
        self._belief = None
        self._parts.streams.clear()
        self._has_mail = True

    # --- requests that stand alone ---------------------------------------------------------------

    def _alone(self, request: Request, call: Call) -> Answer:
        try:
            if isinstance(request, RegisterRequest):
                answer = registering.register(
                    self.registry, self._store, self._current(), request, call.now_us
                )
                if answer["created"]:
                    call.note("definition_registered", by=request.asked.actor, **answer)
                return answer
            assert isinstance(request, ControlRequest)
            answer = self._release(request)
            call.note(
                "stream_released", stream=str(request.commitment), by=request.asked.actor,
                reason=request.reason,
            )  # fmt: skip
            return answer
        except (LaneLost, StoreFailed):
            raise
        except Exception as fault:  # noqa: BLE001 - what one request raises must not end the writer
            return call.refused(fault)

    def _release(self, request: ControlRequest) -> Json:
        """Let a parked stream go on; what was held for it runs next, in order."""
        stream = request.commitment
        belief = self._current()
        if not request.reason.strip():
            raise refusal("control.reason", "the reason is empty")
        if stream not in self._parts.parked or not self._is_of(stream, request.asked.tenant):
            raise refusal("control.target", f"stream {stream} is not parked")
        self._parts.streams.drop(stream)
        written = self._write_alone(LaneWrite(released_streams=[stream]), belief)
        del self._parts.parked[stream]
        self._has_mail = True
        position = f"{written.incarnation}:{written.lane}:{written.head}"
        return {"status": "released", "position": position}

    def _is_of(self, stream: UUID, tenant: str) -> bool:
        tx = self._store.begin(self._current())
        try:
            return self._parts.streams.tenant_of(tx, stream) in (tenant, None)
        finally:
            tx.rollback()

    def _write_alone(self, write: LaneWrite, belief: LaneBelief) -> LaneBelief:
        tx = self._store.begin(belief)
        try:
            after = tx.write(write, clock_us=belief.clock_us)
            tx.commit()
        except BaseException:
            tx.rollback()
            raise
        self._belief = after
        return after

    # --- when the database refuses ---------------------------------------------------------------

    def _recover(self, call: Call, failed: StoreFailed) -> bool:
        """Halve the round after a data error; park or refuse a culprit that stands alone."""
        done = call.done
        is_of_the_data = failed.alias in (DATA_ERROR, FAULT)
        if not is_of_the_data or done is None or done.units == 0:
            self.fault = failed
            call.refuse_rest(refusal(failed.alias, failed.detail))
            return False
        self.counts.halved += 1
        if done.units > 1:
            self._quota = max(1, min(self._quota or done.units, done.units) // 2)
            return True
        self._quota = 1
        if done.suspect is None:
            call.answer([refusal(failed.alias, failed.detail)])
            return True
        try:
            self._set_aside(call, done, failed)
        except (LaneLost, StoreFailed) as again:
            self._forget()
            self.fault = again if isinstance(again, StoreFailed) else failed
            call.refuse_rest(refusal(self.fault.alias, self.fault.detail))
            return False
        return True

    def _set_aside(self, call: Call, done: Done, failed: StoreFailed) -> None:
        """Count a try of mail and park its stream after the last; park a stream that was due."""
        suspect = done.suspect
        assert suspect is not None
        belief = self._current()
        write, stream, tenant = LaneWrite(), suspect.stream, suspect.tenant
        if suspect.row is not None:
            stream, tenant = suspect.row.mail.stream, suspect.row.mail.tenant
            write.inbox_tried.append(suspect.row.id)
            if suspect.row.tries + 1 < self.limits.tries_max:
                stream = None
        if stream is not None:
            write.parked_streams.append((stream, tenant, failed.alias, failed.detail))
            self._parts.parked[stream] = 0
            call.note("stream_parked", stream=str(stream), tenant=tenant, reason=failed.alias)
        self._write_alone(write, belief)

    def _take_carefully(self, call: Call) -> None:
        """Mail that lay there at the start may be why the last owner died.

        So it is taken singly, each try counted beforehand, and its stream parked after the last.
        """
        belief = self._current()
        tx = self._store.begin(belief)
        try:
            rows = tx.inbox(1)
        finally:
            tx.rollback()
        if not rows:
            self._is_careful = self._has_mail = False
            return
        row = rows[0]
        write = LaneWrite(inbox_tried=[row.id])
        if row.tries >= self.limits.tries_max:
            detail = f"tried {row.tries} times without an end"
            stream = row.mail.stream
            write = LaneWrite(parked_streams=[(stream, row.mail.tenant, "internal.fault", detail)])
            self._parts.parked[stream] = 0
            self._write_alone(write, belief)
            return
        self._write_alone(write, belief)
        self._run(call, False, False, row)
        self._has_mail = True
