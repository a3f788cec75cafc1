"""One lane transaction being put together: messages are applied in an overlay and collected.

A message is decided on a fork, so a decide that raises leaves nothing behind. Mail for streams of
this lane is applied in the same batch, in the order it was sent, unless older mail for its stream
still lies in the inbox.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from heapq import heappop, heappush
from typing import Any
from uuid import UUID

import orjson

from consumers.collected import FAULT, Collected, Parts, Passing, refused_for
from consumers.core import Step, snapshot_of
from consumers.line import Line
from consumers.owned import Owned
from consumers.streams import UNKNOWN, Entry
from domain.chain import event_hash
from domain.changing import changed
from domain.errors import refusal
from domain.events import Ctx
from domain.messages import Arrive, Lost, Mail, Open, Wake, Withdrawn
from domain.newer import NEWER, Unread, is_newer, newer
from domain.ports import (
    DeadLetter,
    Dispatch,
    LaneLost,
    LaneWrite,
    SnapshotRow,
    StoreConflict,
    StoreFailed,
    Transaction,
    ViewRow,
)
from domain.quick import quick
from domain.saga_key import SagaKey

__all__ = ["Applied", "Batch", "Parts", "Passing", "system_ctx"]

Json = Any
ENGINE = "troth"
IDLE_WAKE_US = 1_000_000
"""A wake-up that changed nothing though it was due is tried again after this time."""


@quick
@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a message: the stream's answer, or that it is held for a parked stream."""

    outcome: Json
    state: Any
    is_held: bool = False


def system_ctx(tenant: str) -> Ctx:
    """Who acts when a timer or lease ends."""
    return {
        "tenant": tenant, "actor": ENGINE, "actor_type": "automated_workflow",
        "correlation": None, "causation": None, "trace": None,
    }  # fmt: skip


class Batch(Collected):
    """Applies messages to streams and collects the LaneWrite.

    `accept_us` is the time of acceptance (the lane's clock), `real_us` the machine's; they differ
    only when accept times come from events.
    """

    def __init__(
        self, parts: Parts, tx: Transaction, owned: Owned, accept_us: int, real_us: int
    ) -> None:
        super().__init__(parts, tx, owned, accept_us, real_us)
        self.touched: dict[UUID, Entry] = {}
        self.offered: dict[str, Dispatch] = {}
        self.settled: dict[str, None] = {}
        self.offered_to: set[tuple[str, str]] = set()
        self.was_swept = False
        self.prepared: dict[int, Any] = {}
        self.applied = 0
        self.line = Line()
        self._views: dict[tuple[Any, ...], ViewRow] = {}
        self._fresh: set[UUID] = set()
        self._timers: list[tuple[int, UUID]] = []
        self._is_full = False

    # --- how much, and until when -------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        """Whether this transaction should take nothing more."""
        return self._is_full or self.applied >= self.parts.limits.mail_per_batch_max

    def advance(self, accept_us: int) -> None:
        """Move the accept time forward; what is due by then fires first."""
        self.fire_until(accept_us)
        self.accept_us = max(self.accept_us, accept_us)

    # --- timers --------------------------------------------------------------------------------

    def arm(self, due: list[tuple[int, UUID]]) -> None:
        """Due wake-ups read from the store; those set in this batch join them."""
        for timer in due:
            heappush(self._timers, timer)

    def fire_until(self, until_us: int) -> None:
        """Wake every stream that is due at or before `until_us`, the earliest first."""
        while self._timers and self._timers[0][0] <= until_us and not self.is_full:
            due_us, stream = heappop(self._timers)
            if stream not in self.parts.parked:
                self.wake(stream, due_us, until_us)

    def wake(self, stream: UUID, due_us: int, now_us: int) -> None:
        """Wake one stream, unless its wake-up was changed since."""
        entry = self.entry_or_none(stream)
        if entry is None or entry.wake_us not in (UNKNOWN, due_us):
            return
        if entry.state is None:
            self._set_wake(entry, None)
            return
        tenant = entry.state.tenant
        version = entry.version
        at_us = due_us if self.parts.is_event_time else now_us
        self.send(Mail(stream, tenant, Wake(due_us), system_ctx(tenant), at_us))
        late = entry.wake_us is not None and entry.wake_us <= now_us
        if late and entry.version == version and stream not in self.parts.parked:
            # It must not turn in a circle; `doctor` shows a commitment whose wake-up is overdue.
            self.write.timers[stream] = entry.wake_us = now_us + IDLE_WAKE_US

    # --- messages --------------------------------------------------------------------------------

    def send(self, mail: Mail, *, is_recorded: bool = True) -> Applied:
        """Apply a message, then all mail it caused; the answer is that to the message.

        A message that is not recorded (a request, not answered yet) is refused where its stream
        is parked or deciding raises: Refusal internal.fault. A recorded one is held.
        """
        applied = self._apply(mail, is_recorded)
        self._drain()
        return applied

    def take(self, id: int, mail: Mail) -> None:
        """Apply mail of the inbox; it is consumed unless its stream is or gets parked."""
        self.line.taken(mail.stream)
        entry = None if mail.stream in self.parts.parked else self.entry_or_none(mail.stream)
        if entry is not None:
            try:
                if isinstance(mail.message, Unread):
                    raise newer(f"a message {mail.message.kind}")
                self._step(entry, mail)
                self.write.inbox_done.append(id)
            except (LaneLost, StoreConflict, StoreFailed):
                raise
            # Whatever deciding raises parks this stream alone.
            except Exception as fault:  # noqa: BLE001 - parked with its reason
                self._park_for(mail.stream, mail.tenant, fault)
                if not is_newer(fault):
                    self.write.inbox_tried.append(id)
        self._drain()

    def _drain(self) -> None:
        line = self.line
        while line:
            if self.is_full or line.is_behind:
                # What overtakes the rest would break the order of its sender.
                self._is_full = self.is_full
                self.write.inbox.extend(line.rest())
                return
            mail = line.next()
            if mail is not None:
                self._apply(mail, True)

    def _apply(self, mail: Mail, is_recorded: bool) -> Applied:
        if not self.owns(mail.stream):
            self.write.inbox.append(mail)
            return Applied(None, None)
        if mail.stream in self.parts.parked:
            return self._hold(mail, is_recorded)
        entry = self.entry_or_none(mail.stream)
        if entry is None:
            return self._hold(mail, is_recorded)
        try:
            return self._step(entry, mail)
        except (LaneLost, StoreConflict, StoreFailed):
            raise
        except Exception as fault:
            # Whatever deciding raises concerns this stream alone.
            if not is_recorded:
                raise refused_for(fault) from fault
            self._park_for(mail.stream, mail.tenant, fault)
            return self._hold(mail, is_recorded)

    def _hold(self, mail: Mail, is_recorded: bool) -> Applied:
        if not is_recorded:
            if mail.stream in self.parts.later:
                raise newer(f"stream {mail.stream}")
            raise refusal(FAULT, f"stream {mail.stream} is parked after a fault: release it")
        self.parts.parked[mail.stream] += 1
        self.write.inbox.append(mail)
        return Applied(None, None, is_held=True)

    def park(self, stream: UUID, tenant: str, reason: str, detail: str) -> None:
        """Set a stream aside; what comes for it is held in order until it is released."""
        self.parts.parked.setdefault(stream, 0)
        self.write.parked_streams.append((stream, tenant, reason, detail))

    def _park_for(self, stream: UUID, tenant: str, fault: BaseException) -> None:
        refused = refused_for(fault)
        if refused.alias == NEWER:
            self.parts.later.add(stream)
        self.park(stream, tenant, refused.alias, refused.detail)

    def release(self, stream: UUID) -> None:
        """Take a stream back, also one set aside just now; what is held runs next."""
        self.parts.streams.drop(stream)
        self.touched.pop(stream, None)
        self.write.parked_streams[:] = [p for p in self.write.parked_streams if p[0] != stream]
        self.write.released_streams.append(stream)

    def tenant_of(self, stream: UUID) -> str | None:
        """Whose a stream is that may not be folded; None where that cannot be known."""
        return self.parts.streams.tenant_of(self.tx, stream)

    def can_hold(self, stream: UUID) -> bool:
        """Whether a message for the stream would be applied, or may still be held."""
        return self.parts.parked.get(stream, 0) < self.parts.limits.parked_held_max

    # --- one stream ------------------------------------------------------------------------------

    def entry(self, stream: UUID) -> Entry:
        """The stream as it is in this batch. Raises what folding raises."""
        found = self.touched.get(stream)
        if found is None:
            is_fresh = stream in self._fresh
            found = Entry(stream) if is_fresh else self.parts.streams.take(self.tx, stream)
            self.touched[stream] = found
        return found

    def entry_or_none(self, stream: UUID) -> Entry | None:
        """The stream, or None when it cannot be folded: then it is parked."""
        try:
            return self.entry(stream)
        except (LaneLost, StoreConflict, StoreFailed):
            raise
        except Exception as fault:  # noqa: BLE001 - a stream that cannot be folded stops no other
            self._park_for(stream, "", fault)
            return None

    def _step(self, entry: Entry, mail: Mail) -> Applied:
        parts, before = self.parts, entry.state
        self.applied += 1
        now_us = max(mail.accepted_us, entry.clock_us)
        ctx = _ctx_for(mail.ctx, before)
        step = parts.core.step(before, mail.message, stream=entry.stream, now_us=now_us, ctx=ctx)
        if not step.events:
            if isinstance(mail.message, Arrive) and step.outcome:
                # It was accepted where nobody could know that its key is full.
                self._refused_later(mail, mail.message, step.outcome)
            self._set_wake(entry, step.wake_us)
            # What a start changed nothing by (it found one running) still goes on to the next.
            self._post(step, mail, ctx)
            return Applied(step.outcome, before)
        stored = [parts.mapper.to_stored_event(event) for event in step.events]
        lane = self.lane_of(entry.stream)
        base = self.heads[lane]
        rows = parts.core.rows(before, step, position=base + len(stored), lane=lane)
        snapshot = self._snapshot_due(entry, step)
        # Nothing has been written up to here: from now on nothing raises but the store.
        hash_, stream = entry.hash, entry.stream.bytes
        for event in stored:
            self.write.prevs.append(hash_)
            hash_ = event_hash(hash_, stream, event.originator_version, event.topic, event.state)
            self.write.hashes.append(hash_)
        self.write.events += stored
        self.heads[lane] = base + len(stored)
        entry.hash, entry.state = hash_, step.state
        entry.version, entry.clock_us = stored[-1].originator_version, now_us
        if snapshot is not None:
            entry.snapshot_version = entry.version
            self.write.snapshots.append(SnapshotRow(snapshot, hash_))
        self._view(entry, rows)
        self._follow(entry, step, mail, ctx, base)
        return Applied(step.outcome, step.state)

    def _snapshot_due(self, entry: Entry, step: Step) -> Any:
        version = step.events[-1].originator_version
        if version - entry.snapshot_version < self.parts.limits.snapshot_every:
            return None
        return self.parts.mapper.to_stored_event(snapshot_of(step.state))

    def _view(self, entry: Entry, rows: Any) -> None:
        for row in rows:
            key = (row.table, *row.key.values())
            is_new = row.table == "parked_events" and row.key["position"] > entry.stored_version
            if row.columns is None and is_new:
                self._views.pop(key, None)
            else:
                self._views[key] = row

    def _follow(self, entry: Entry, step: Step, mail: Mail, ctx: Ctx, base: int) -> None:
        """What goes with the events: dispatches, the wake-up, and mail."""
        for effect in step.settled:
            self.offered.pop(effect, None)
            self.settled[effect] = None
        for offer in step.offered:
            self._offer(changed(offer.dispatch, position=base + offer.index + 1))
        self._set_wake(entry, step.wake_us)
        self._post(step, mail, ctx)
        for effect in step.withdraw:
            said = self._withdraw(effect)
            if said is not None:
                self.line.put(
                    Mail(entry.stream, mail.tenant, said, ctx, mail.accepted_us, mail.root)
                )

    def _post(self, step: Step, mail: Mail, ctx: Ctx) -> None:
        opens = isinstance(step.state, SagaKey)
        for to, message in step.mail:
            if opens and isinstance(message, Open):
                self._fresh.add(to)
            self.line.put(Mail(to, mail.tenant, message, ctx, mail.accepted_us, mail.root))

    def _offer(self, dispatch: Dispatch) -> None:
        if self.parts.is_event_time:
            # Workers live now: what is due in the time of the events is as far off from now.
            ahead_us = self.real_us - self.accept_us
            dispatch = replace(
                dispatch,
                start_by_us=_shifted(dispatch.start_by_us, ahead_us),
                not_after_us=_shifted(dispatch.not_after_us, ahead_us),
            )
        self.offered[dispatch.effect] = dispatch
        self.offered_to.add((dispatch.participant, dispatch.contract))

    def _withdraw(self, effect: str) -> Withdrawn | Lost | None:
        """What its commitment is told; nothing yet where somebody may be at it."""
        offered = self.offered.pop(effect, None)
        if offered is not None:  # in this batch: nobody was given it, but in a time that was lost
            if self.tx.doubts(offered, clock_us=self.accept_us):
                return Lost(effect, offered.attempt, offered.kind, "timeout")
            return Withdrawn(effect)
        self.desk_calls += 1
        is_gone = effect not in self.settled and self.tx.withdraw(effect)
        return Withdrawn(effect) if is_gone else None

    def _set_wake(self, entry: Entry, wake_us: int | None) -> None:
        if wake_us == entry.wake_us:
            return
        entry.wake_us = wake_us
        self.write.timers[entry.stream] = wake_us
        if wake_us is not None:
            heappush(self._timers, (wake_us, entry.stream))

    def _refused_later(self, mail: Mail, arrive: Arrive, outcome: Json) -> None:
        # As it was sent, so that it can be sent again.
        event = {"specversion": "1.0", **arrive.event}
        self.dead(
            DeadLetter(
                mail.tenant, event["source"], event["id"], outcome["code"], outcome["detail"],
                orjson.dumps(event), self.accept_us,
            )
        )  # fmt: skip

    def finish(self) -> LaneWrite:
        """Everything the transaction is to write."""
        write = self.write
        write.inbox.extend(self.line.rest())
        write.offered = list(self.offered.values())
        write.settled = list(self.settled)
        write.views = list(self._views.values())
        write.receipts = list(self.receipts.values())
        write.cursors = list(self.cursors.values())
        return write

    def is_empty(self) -> bool:
        """Whether nothing was collected."""
        w = self.write
        return not (
            w.events or w.inbox or w.inbox_done or w.inbox_tried or w.timers or w.dead_letters
            or w.parked_streams or w.released_streams or w.outcomes or w.passed or w.answers
            or self.receipts or self.offered or self.settled or self.cursors
        )  # fmt: skip


def _ctx_for(ctx: Ctx, state: Any) -> Ctx:
    """The context of a message; one without a correlation has that of the commitment's start."""
    if ctx["correlation"] is not None:
        return ctx
    start = getattr(state, "start", None)
    return {**ctx, "correlation": start.get("correlation")} if start else ctx


def _shifted(time_us: int | None, by_us: int) -> int | None:
    return None if time_us is None else time_us + by_us
