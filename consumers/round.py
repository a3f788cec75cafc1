"""One round of the lane: what one transaction takes on, in which order, and what it answers.

Mail and timers go before requests, by time of acceptance: no timer fires while something accepted
before it was due is unread, and nothing accepted later overtakes a timer that was due.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from consumers import work
from consumers.batch import Batch
from consumers.collected import Passing
from consumers.envelope import time_us
from consumers.foresight import foresee
from consumers.jobs import told
from consumers.line import Lot
from consumers.registry import Registry
from domain.errors import Refusal
from domain.messages import Mail
from domain.newer import Unread, newer
from domain.ports import InboxRow, Passed, PassedAnswer
from domain.requests import ClaimRequest, Logged, Publish, Request

__all__ = ["Answer", "Done", "Round", "Suspect"]

Json = Any
Answer = Json | Refusal


@dataclass(slots=True)
class Suspect:
    """The one unit of a round that took a single one: mail, or a stream and its tenant."""

    row: InboxRow | None = None
    stream: UUID | None = None
    tenant: str = ""


@dataclass(slots=True)
class Done:
    """What a round came to. `answers` are those of the first requests, in order."""

    answers: list[Answer] = field(default_factory=list)
    served: list[tuple[int, Json]] = field(default_factory=list)
    units: int = 0
    has_mail: bool = False
    has_due: bool = False
    suspect: Suspect | None = None


@dataclass(slots=True)
class Round:
    """Takes work into a batch. `quota` bounds the units of a round while a culprit is looked for.

    `takes_due` and `sweeps`: whether due timers and overdue leases are looked at. `waiting` are
    claims that wait for work; `offered` names participants who may have some from elsewhere.
    `lot`: take its rows, if any, and nothing else. `fires_until_us`: no timer fires beyond it.
    """

    handlers: dict[type, Callable[[Batch, Any], Json]]
    registry: Registry
    requests: Sequence[Request]
    waiting: Sequence[ClaimRequest]
    has_mail: bool
    takes_due: bool
    sweeps: bool
    quota: int | None = None
    lot: Lot = field(default_factory=Lot)
    fires_until_us: int | None = None
    offered: Collection[str] = ()
    done: Done = field(default_factory=Done)

    def take(self, batch: Batch) -> None:
        """Apply what this round takes on. Raises LaneLost and StoreFailed."""
        batch.line.is_behind = self.lot.has_more
        if self.lot.rows:
            if batch.tx.foresees:
                # What lay in a lane taken over may be thousands of replies.
                foresee(batch, self.registry, self.lot.rows, ())
            batch.line.awaits(self.lot.left)
            self._take_rows(batch, self.lot.rows)
            return
        rows = self._rows(batch)
        if rows and self.quota is not None:
            self._take_rows(batch, rows)
            return
        if batch.tx.foresees:
            foresee(batch, self.registry, rows, self.requests)
        until_us = self._arm(batch)
        self._take_rows(batch, rows, until_us)
        if self.done.has_mail or batch.is_full:
            return
        self.done.has_mail = self.lot.has_more  # nobody looked: requests have their turn
        batch.fire_until(min(until_us, batch.accept_us))
        if self.quota is not None and self.done.units:
            return
        if self.sweeps:
            self._sweep(batch)
        if not (self.quota is not None and self.done.units):
            self._take_requests(batch, until_us)

    # --- mail and timers --------------------------------------------------------------------

    def _rows(self, batch: Batch) -> Sequence[InboxRow]:
        if not self.has_mail:
            return ()
        limit = self._limit(batch.parts.limits.inbox_per_batch_max)
        rows = batch.tx.inbox(limit)
        self.done.has_mail = batch.line.is_behind = len(rows) == limit
        return rows

    def _take_rows(
        self, batch: Batch, rows: Sequence[InboxRow], until_us: int | None = None
    ) -> None:
        batch.line.awaits(rows)
        for row in rows:
            if batch.is_full:
                self.done.has_mail = True
                return
            if until_us is not None:
                batch.fire_until(min(row.item.accepted_us, until_us))
            self.done.units += 1
            self.done.suspect = Suspect(row=row)
            if isinstance(row.item, Mail):
                batch.take(row.id, row.item)
            else:
                self._take_passed(batch, row.id, row.item)

    def _take_passed(self, batch: Batch, id: int, passed: Passed) -> None:
        """A request that came through another process: answered there, in this transaction."""
        answer = self._answer_passed(batch, passed.request)
        batch.write.inbox_done.append(id)
        if isinstance(answer, Passing):
            # By what is registered now it belongs elsewhere: there whoever asked is answered.
            onward = batch.write.passed.pop()
            batch.write.passed.append(replace(onward, asker=passed.asker, ask=passed.ask))
            return
        batch.write.answers.append(PassedAnswer(passed.asker, passed.ask, told(answer)))

    def _answer_passed(self, batch: Batch, request: Any) -> Answer:
        if isinstance(request, Unread):
            return newer(f"a request {request.kind}")
        return self._answer(batch, request)

    def _arm(self, batch: Batch) -> int:
        """Read due timers into the batch; the answer is up to when all of them are known."""
        horizon_us = self._horizon_us(batch)
        if not self.takes_due:
            return horizon_us
        limit = self._limit(batch.parts.limits.timers_per_batch_max)
        due = batch.tx.due_timers(horizon_us, limit)
        batch.arm([(due_us, stream) for stream, due_us in due])
        if due:
            self.done.units += len(due)
            self.done.suspect = Suspect(stream=due[0][0])
        self.done.has_due = len(due) == limit
        return due[-1][1] if self.done.has_due else horizon_us

    def _horizon_us(self, batch: Batch) -> int:
        """The last time this round reaches: where events bring the time, the latest of theirs."""
        horizon_us = batch.accept_us
        if self.fires_until_us is not None:
            horizon_us = min(horizon_us, self.fires_until_us)
        if batch.parts.is_event_time:
            for request in self.requests:
                horizon_us = max(horizon_us, _event_us(request))
        return horizon_us

    def _sweep(self, batch: Batch) -> None:
        limit = self._limit(batch.parts.limits.sweep_per_batch_max)
        batch.desk_calls += 1
        batch.was_swept = True
        found = batch.tx.sweep(now_us=batch.real_us, limit=limit)
        for overdue in found:
            self.done.units += 1
            self.done.suspect = Suspect(stream=overdue.dispatch.stream)
            work.overdue(batch, overdue)
        self.done.has_due = self.done.has_due or len(found) == limit

    def _limit(self, most: int) -> int:
        return most if self.quota is None else min(most, self.quota)

    # --- requests -----------------------------------------------------------------------------

    def _take_requests(self, batch: Batch, until_us: int) -> None:
        most = len(self.requests) if self.quota is None else self.quota
        for request in self.requests[:most]:
            if batch.is_full or (self.done.has_due and self._reaches(batch, request, until_us)):
                return
            self.done.units += 1
            self.done.suspect = None
            self.done.answers.append(self._answer(batch, request))

    def _reaches(self, batch: Batch, request: Request, until_us: int) -> bool:
        """Whether a request is accepted at or after the first timer that was not read yet."""
        at_us = batch.accept_us
        if batch.parts.is_event_time:
            at_us = max(at_us, _event_us(request))
        return at_us >= until_us

    def _answer(self, batch: Batch, request: Request) -> Answer:
        handler = self.handlers.get(type(request))
        if handler is None:
            return request  # a claim: answered once what this batch offers is written
        try:
            return handler(batch, request)
        except Refusal as refused:
            return refused

    def _is_offered_elsewhere(self, participant: str) -> bool:
        return participant in self.offered or "*" in self.offered

    def claim(self, batch: Batch) -> bool:
        """Serve claims: those that wait, then those that came. Whether any got work."""
        empty: set[Any] = set()
        found = False
        for index, request in enumerate(self.waiting):
            ask = request.ask
            wanted = (
                batch.was_swept
                or self._is_offered_elsewhere(ask.participant)
                or any(
                    (ask.participant, contract) in batch.offered_to for contract in ask.contracts
                )
            )
            which = (ask.participant, ask.contracts, ask.tenant)
            if not wanted or which in empty:
                continue
            claims = work.claim(batch, ask)
            if claims:
                self.done.served.append((index, {"claims": claims}))
                found = True
            else:
                empty.add(which)
        for index, answer in enumerate(self.done.answers):
            if isinstance(answer, ClaimRequest):
                claims = work.claim(batch, answer.ask)
                self.done.answers[index] = {"claims": claims}
                found = found or bool(claims)
        return found


def _event_us(request: Request) -> int:
    """The time of the event that is published; 0 where there is none, or none that is accepted."""
    published = request.request if isinstance(request, Logged) else request
    event = published.event if isinstance(published, Publish) else None
    text = event.get("time") if isinstance(event, dict) else None
    try:
        return time_us(text) if isinstance(text, str) else 0
    except Refusal:
        return 0
