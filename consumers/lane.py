"""The owner of lanes: it turns requests, mail and time into lane transactions.

Synchronous, without threads, clocks or tasks: whoever drives it says what time it is. One call of
`process` is one transaction, or as many as its input needs, over all lanes it owns; it answers
after the commits. Without a lane it still accepts, hands work out and passes on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from traceback import format_exception
from uuid import UUID

import orjson

from consumers import recovery, registering
from consumers.batch import Batch
from consumers.call import Call, Counts, Processed
from consumers.collected import DETAIL_MAX, FAULT, Parts
from consumers.core import Core
from consumers.handlers import handlers_of
from consumers.limits import LaneLimits
from consumers.line import Lot
from consumers.newer import go_on
from consumers.owned import Owned, next_due_us, read_owned
from consumers.registry import Registry
from consumers.round import Answer, Done, Round
from consumers.streams import Streams
from domain.errors import refusal
from domain.mapper import event_mapper
from domain.ports import (
    InboxRow,
    LaneLost,
    LaneWrite,
    PassedAnswer,
    Store,
    StoreConflict,
    StoreFailed,
    Transaction,
)
from domain.requests import ClaimRequest, RegisterRequest, Request

__all__ = ["Answer", "Lane", "Processed"]

CLAIMS_AGAIN_MAX = 3
"""How often lanes that were lost are read again for one call."""
CONFLICTS_MAX = 8
"""How often a transaction is done over in one call because another process wrote first."""


class Lane:
    """Owns lanes of a store. Use it from one thread; `open` it first.

    `event_time`: accept times come from the events and never go back; leases stay on real time.
    `process` is the name under which other processes answer what is passed on to them.
    """

    def __init__(
        self,
        store: Store,
        *,
        registry: Registry | None = None,
        core: Core | None = None,
        limits: LaneLimits | None = None,
        lanes: Iterable[int] = (0,),
        event_time: bool = False,
        process: str = "",
    ) -> None:
        self.registry = Registry() if registry is None else registry
        self.limits = LaneLimits() if limits is None else limits
        self.counts = Counts()
        self.fault: StoreFailed | None = None
        self.survived = recovery.Survived()
        self.store, self._mine = store, set(lanes)
        mapper = event_mapper()
        streams = Streams(mapper, self.limits.streams_cached_max)
        core = Core(self.registry) if core is None else core
        self._parts = Parts(
            core, streams, mapper, self.limits, {}, event_time, store.lanes, process
        )
        self._handlers = handlers_of(self.registry, event_time)
        self._owned: Owned | None = None
        self._routing = 0
        self._has_mail = self._is_careful = True
        self._quota: int | None = None
        self._sweeps_from_us: int | None = None
        self._next_due_us: int | None = None

    # --- for whoever drives it -----------------------------------------------------------------

    def open(self) -> None:
        """Load the definitions and read where the lanes are. Raises StoreFailed."""
        self._learn(self._routing)
        self._current()

    def own(self, lanes: Iterable[int], *, is_careful: bool = False) -> None:
        """These lanes are ours from now on, and no others.

        `is_careful`: one of them was taken from an owner that died; what lies there may be why.
        """
        mine = set(lanes)
        if mine == self._mine:
            return
        self._is_careful = self._is_careful or is_careful
        self._mine = mine
        self._forget()

    def serve_from(self, now_us: int) -> None:
        """Workers can reach the engine since `now_us`: leases are swept one lease later."""
        self._sweeps_from_us = now_us + self.limits.lease_us

    def mail_came(self) -> None:
        """Another process sent something here."""
        self._has_mail = True

    def take_answers(self) -> Sequence[PassedAnswer]:
        """What was answered to what we passed on. Raises StoreFailed."""
        return self.store.answers(self._parts.process)

    @property
    def lanes(self) -> tuple[int, ...]:
        """The lanes that are ours, in order."""
        return tuple(sorted(self._mine))

    @property
    def lanes_in_all(self) -> int:
        return self.store.lanes

    @property
    def heads(self) -> dict[int, int]:
        """The position of the last committed event of each lane; empty while nothing is known."""
        return {} if self._owned is None else self._owned.heads

    @property
    def incarnation(self) -> int:
        """Of the store."""
        return self.store.incarnation

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
        fires_until_us: int | None = None,
        offered: Collection[str] = (),
    ) -> Processed:
        """Apply what is due and the requests, in order; the answers are durable.

        A refused request is answered with its Refusal, also when the store fails (`fault` then
        says why), and one that was passed on with its Passing. `holds_timers`: the clock is in
        doubt, so nothing that waits for time happens. `fires_until_us`: up to then the logs
        outside are read, and no timer fires beyond. `offered`: participants for whom other
        processes may have offered work ("*": all), so that waiting claims look again.
        """
        if self._sweeps_from_us is None:
            self.serve_from(now_us)
        call = Call(requests, waiting, now_us, holds_timers, fires_until_us, offered)
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
        takes_due = not (call.holds_timers or only_requests) and self._is_due(call)
        # Whoever owns other lanes may have sent what was accepted before all this.
        is_shared = len(self._mine) < self.store.lanes
        looks = self._has_mail or (is_shared and (takes_due or call.brings_events()))
        has_mail = looks and not only_requests
        if not (call.is_open or has_mail or takes_due or call.looks_again):
            return False
        try:
            if has_mail and self._is_careful:
                self._is_careful = recovery.take_carefully(self, call)
            elif call.is_next_alone and not has_mail:
                call.answer([self._alone(call.next, call)])
            else:
                self._run(call, has_mail, takes_due, Lot(has_more=looks and not has_mail))
            self.fault = None
        except StoreConflict as conflict:
            call.conflicts += 1
            if call.conflicts >= CONFLICTS_MAX:
                self._forget()
                call.refuse_rest(refusal("store.conflict", str(conflict)))
                return False
        except LaneLost as lost:
            self._forget()
            call.note("lane_lost", detail=str(lost))
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

    def _run(self, call: Call, has_mail: bool, takes_due: bool, lot: Lot) -> None:
        owned = self._current()
        call.looks_again = False
        round_ = Round(
            self._handlers, self.registry, call.group(), call.waiting, has_mail, takes_due,
            sweeps=takes_due and call.now_us >= (self._sweeps_from_us or 0), quota=self._quota,
            lot=lot, fires_until_us=call.fires_until_us, offered=call.offered,
        )  # fmt: skip
        accept_us = owned.clock_us
        if not self._parts.is_event_time:
            accept_us = max(accept_us, call.now_us)
        parked = dict(self._parts.parked)
        tx = self._begin(owned)
        try:
            batch = Batch(self._parts, tx, owned, accept_us, call.now_us)
            call.done = round_.done
            round_.take(batch)
            written = batch.finish()
            if not batch.is_empty():
                beliefs = tx.write(written, clock_us=batch.accept_us)
                owned = Owned.of(beliefs, owned.incarnation)
            has_claims = round_.claim(batch)
            if has_claims or batch.desk_calls or not batch.is_empty():
                tx.commit()
                self.counts.commits += 1
            else:
                tx.rollback()
        except BaseException:
            tx.rollback()
            # What this batch set aside is set aside no more.
            self._parts.parked = parked
            raise
        self._settle(call, batch, owned, round_.done, takes_due)

    def _begin(self, owned: Owned) -> Transaction:
        """A transaction on all lanes, knowing every definition that is registered by now."""
        tx = self.store.begin(*owned.beliefs.values())
        try:
            if tx.routing != self._routing:
                self._learn(tx.routing)
        except BaseException:
            tx.rollback()
            raise
        return tx

    def _learn(self, routing: int) -> None:
        for hash_, document in self.store.definitions():
            self.registry.learn(orjson.loads(document), hash_.hex())
        self._routing = routing

    def _settle(self, call: Call, batch: Batch, owned: Owned, done: Done, takes_due: bool) -> None:
        """After the commit: what was believed is known, and the requests have their answers."""
        self._owned = owned
        streams, parked, write = self._parts.streams, self._parts.parked, batch.write
        streams.keep(batch.touched)
        self._parts.cursors.update({(c.topic, c.partition): c for c in write.cursors})
        for stream in write.released_streams:
            streams.drop(stream)
            parked.pop(stream, None)
        self.counts.messages += batch.applied
        self.counts.events += len(write.events)
        sent_on = any(mail.stream not in parked and batch.owns(mail.stream) for mail in write.inbox)
        self._has_mail = done.has_mail or sent_on or bool(write.released_streams)
        call.is_due_done = call.is_due_done or (takes_due and not done.has_due)
        for parked_stream in write.parked_streams:
            recovery.tell_parked(call, *parked_stream)
        for action, what in batch.notes:
            call.note(action, **what)
        call.served(done.served)
        call.answer(done.answers)
        if self._quota is not None:
            self._has_mail = self._has_mail or done.suspect is not None
            self._quota *= 2
            if done.units == 0 or self._quota > self.limits.inbox_per_batch_max:
                self._quota = None
        self._next_due_us = next_due_us(self.store, owned)

    def _current(self) -> Owned:
        """The lanes as they are; read from the store when nothing is believed.

        Raises StoreFailed. A lane that somebody else has by now is no longer ours.
        """
        if self._owned is None:
            owned = read_owned(self.store, self._mine)
            self._mine = set(owned.lanes)
            owned, self._parts.parked = go_on(self.store, owned, self._parts)
            self._next_due_us = next_due_us(self.store, owned)
            self._owned = owned
        return self._owned

    def _forget(self) -> None:
        """Drop what is believed: no state outlives a commit that failed or is unclear."""
        self._owned, self._routing = None, -1
        self._parts.streams.clear()
        self._parts.cursors.clear()
        self._has_mail = True

    # --- requests that stand alone ---------------------------------------------------------------

    def _alone(self, request: Request, call: Call) -> Answer:
        assert isinstance(request, RegisterRequest)
        try:
            owned = self._current()
            answer = registering.register(
                self.registry, lambda: self._begin(owned), request, call.now_us
            )
            if answer["created"]:
                call.note("definition_registered", by=request.asked.actor, **answer)
            return answer
        except (LaneLost, StoreConflict, StoreFailed):
            raise
        except Exception as fault:  # noqa: BLE001 - what one request raises must not end the writer
            return call.refused(fault)

    def write_alone(self, write: LaneWrite) -> None:
        """Write something in a transaction of its own. Raises LaneLost and StoreFailed."""
        owned = self._current()
        tx = self.store.begin(*owned.beliefs.values())
        try:
            after = tx.write(write, clock_us=owned.clock_us)
            tx.commit()
        except BaseException:
            tx.rollback()
            raise
        self._owned = Owned.of(after, owned.incarnation)

    # --- when the database refuses ---------------------------------------------------------------

    def inbox(self, limit: int) -> Sequence[InboxRow]:
        """What waits in our lanes. Raises LaneLost and StoreFailed."""
        tx = self.store.begin(*self._current().beliefs.values())
        try:
            return tx.inbox(limit)
        finally:
            tx.rollback()

    def take_rows(self, call: Call, lot: Lot) -> None:
        """Apply mail of the inbox and nothing else."""
        self._run(call, False, False, lot)
        self._has_mail = True

    def park(self, stream: UUID) -> None:
        """A stream was set aside in the store."""
        self._parts.parked.setdefault(stream, 0)

    def _recover(self, call: Call, failed: StoreFailed) -> bool:
        """Halve the round after a data error; park or refuse a culprit that stands alone."""
        done = call.done
        is_of_the_data = failed.alias in (recovery.DATA_ERROR, FAULT)
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
            recovery.set_aside(self, call, done.suspect, failed)
        except (LaneLost, StoreConflict, StoreFailed) as again:
            self._forget()
            self.fault = again if isinstance(again, StoreFailed) else failed
            call.refuse_rest(refusal(self.fault.alias, self.fault.detail))
            return False
        return True
