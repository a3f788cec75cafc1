"""The events that are stored, as classes of the `eventsourcing` library (docs/format.md section 4).

An event carries everything its fold needs: `evolve` never looks at a definition. TOPIC strings are
chosen and never change; a changed meaning gets a new `class_version` and an upcast.
"""

from __future__ import annotations

from typing import Any, ClassVar, cast
from uuid import UUID

from eventsourcing.domain import CanInitAggregate, CanMutateAggregate, DomainEvent
from eventsourcing.utils import register_topic

__all__ = ["Ctx", "Event", "Opening", "classes"]

Json = Any
Ctx = dict[str, str | None]


class Event(CanMutateAggregate[UUID], DomainEvent):
    """Base of all stored events. `ctx` says who, for which tenant, because of what (section 4)."""

    ctx: Ctx

    def apply(self, aggregate: Any) -> None:
        aggregate.evolve(self)


class Opening(CanInitAggregate[UUID], Event):
    """Base of the first event of a stream."""

    originator_topic: str


class CommitmentOpened(Opening):
    TOPIC: ClassVar[str] = "commitment.opened"
    tenant: str
    saga: str
    saga_version: int
    definition: str
    key: str
    run: int
    input: Json
    params: Json = None
    vars: Json = None
    parent: Json = None
    start: Json = None
    taken: Json = None


class CommitmentPaused(Event):
    TOPIC: ClassVar[str] = "commitment.paused"
    reason: str


class CommitmentResumed(Event):
    TOPIC: ClassVar[str] = "commitment.resumed"
    reason: str


class MessageDeferred(Event):
    TOPIC: ClassVar[str] = "commitment.message_deferred"
    message: Json


class CommitmentHeld(Event):
    TOPIC: ClassVar[str] = "commitment.held"
    node: str
    error: Json


class CommitmentReleased(Event):
    TOPIC: ClassVar[str] = "commitment.released"
    reason: str


class CancelAsked(Event):
    TOPIC: ClassVar[str] = "commitment.cancel_asked"
    reason: str


class MessageRefused(Event):
    """A decision or control that was refused and must be audited."""

    TOPIC: ClassVar[str] = "commitment.refused"
    code: str
    detail: str


class CommitmentEnded(Event):
    TOPIC: ClassVar[str] = "commitment.ended"
    status: str
    result: Json = None
    error: Json = None


class NodeEntered(Event):
    TOPIC: ClassVar[str] = "node.entered"
    node: str
    branch: str | None = None
    round: int | None = None
    due_us: int | None = None


class BranchClosed(Event):
    TOPIC: ClassVar[str] = "node.branch_closed"
    node: str
    branch: str
    outcome: str
    out: Json = None


class NodeDone(Event):
    TOPIC: ClassVar[str] = "node.done"
    node: str
    value: Json = None


class NodeSkipped(Event):
    TOPIC: ClassVar[str] = "node.skipped"
    node: str


class NodeFailed(Event):
    TOPIC: ClassVar[str] = "node.failed"
    node: str
    error: Json


class NodesStopped(Event):
    TOPIC: ClassVar[str] = "node.stopped"
    nodes: Json


class VarsSet(Event):
    TOPIC: ClassVar[str] = "vars.set"
    node: str
    values: Json


class FactEmitted(Event):
    TOPIC: ClassVar[str] = "fact.emitted"
    node: str
    fact: Json


class WaitOpened(Event):
    TOPIC: ClassVar[str] = "wait.opened"
    node: str
    key: str
    types: Json
    due_us: int | None = None
    early: str | None = None


class EventTaken(Event):
    """`done` says whether the wait is over; `run` is the handler's run that the event began."""

    TOPIC: ClassVar[str] = "event.taken"
    node: str
    key: str
    position: int
    event: Json
    done: bool = True
    run: str | None = None


class QuietSet(Event):
    TOPIC: ClassVar[str] = "wait.quiet_set"
    node: str
    quiet_us: int


class TimerFired(Event):
    TOPIC: ClassVar[str] = "timer.fired"
    node: str
    timer: str
    due_us: int


class SleepStarted(Event):
    TOPIC: ClassVar[str] = "sleep.started"
    node: str
    due_us: int


class ApprovalAsked(Event):
    TOPIC: ClassVar[str] = "approval.asked"
    node: str
    approval: str
    level: str
    digests: Json
    digest: str
    subject: Json = None
    evidence: Json = None
    needs: Json = None
    not_by: Json = None
    due_us: int | None = None
    valid_us: int | None = None
    asked: int = 1


class SeatTaken(Event):
    TOPIC: ClassVar[str] = "approval.seat_taken"
    node: str
    approval: str
    seat: str
    by: str
    reason: str | None = None


class ApprovalGranted(Event):
    TOPIC: ClassVar[str] = "approval.granted"
    node: str
    approval: str
    decision: Json


class ApprovalRejected(Event):
    TOPIC: ClassVar[str] = "approval.rejected"
    node: str
    approval: str
    decision: Json


class ApprovalVoided(Event):
    TOPIC: ClassVar[str] = "approval.voided"
    node: str
    approval: str
    reason: str


class EffectIntended(Event):
    """`kind` is do, undo or probe; a dispatch row is inserted in the transaction of this event."""

    TOPIC: ClassVar[str] = "effect.intended"
    node: str
    effect: str
    kind: str
    contract: str
    participant: str
    args: Json
    digest: str
    attempt: int
    timeout_us: int
    start_by_us: int | None = None
    not_after_us: int | None = None
    approval: str | None = None
    undoes: str | None = None
    classes: Json = None


class EffectStarted(Event):
    TOPIC: ClassVar[str] = "effect.started"
    effect: str
    attempt: int
    token: str
    worker: str


class AttemptFailed(Event):
    TOPIC: ClassVar[str] = "effect.attempt_failed"
    effect: str
    attempt: int
    error: Json
    retry_us: int
    unanswered: bool = False


class EffectRetried(Event):
    TOPIC: ClassVar[str] = "effect.retried"
    effect: str
    attempt: int
    start_by_us: int | None = None


class EffectDone(Event):
    TOPIC: ClassVar[str] = "effect.done"
    node: str
    effect: str
    kind: str
    attempt: int
    result: Json = None
    worker: str | None = None
    verified: bool = False
    undo: Json = None
    pivot: bool = False


class EffectFailed(Event):
    TOPIC: ClassVar[str] = "effect.failed"
    node: str
    effect: str
    kind: str
    attempt: int
    error: Json
    undo: Json = None


class EffectUnknown(Event):
    """`next` is probe or ask."""

    TOPIC: ClassVar[str] = "effect.unknown"
    effect: str
    attempt: int
    reason: str
    next: str
    due_us: int | None = None


class EffectProbed(Event):
    TOPIC: ClassVar[str] = "effect.probed"
    effect: str
    answer: str
    note: str | None = None


class EffectStopAsked(Event):
    TOPIC: ClassVar[str] = "effect.stop_asked"
    effects: Json


class EffectWithdrawn(Event):
    TOPIC: ClassVar[str] = "effect.withdrawn"
    effect: str


class EffectContradicted(Event):
    TOPIC: ClassVar[str] = "effect.contradicted"
    node: str
    effect: str
    detail: str


class EffectLate(Event):
    TOPIC: ClassVar[str] = "effect.late"
    effect: str
    attempt: int
    outcome: str
    detail: Json = None


class PartStopping(Event):
    """`cause` has `kind` (failure, deadline, cancel, interrupt, race, join, fulfil) and its details."""

    TOPIC: ClassVar[str] = "part.stopping"
    target: str
    cause: Json
    keep: Json = None


class PartStopped(Event):
    TOPIC: ClassVar[str] = "part.stopped"
    target: str


class UndoBegun(Event):
    TOPIC: ClassVar[str] = "undo.begun"
    target: str
    why: Json


class UndoEnded(Event):
    TOPIC: ClassVar[str] = "undo.ended"
    target: str


class UndoSealed(Event):
    TOPIC: ClassVar[str] = "undo.sealed"
    node: str
    dropped: Json


class DebtOpened(Event):
    TOPIC: ClassVar[str] = "debt.opened"
    debt: str
    node: str
    kind: str
    error: Json
    owner: str
    due_us: int
    effect: str | None = None


class DebtSettled(Event):
    TOPIC: ClassVar[str] = "debt.settled"
    debt: str
    how: str
    reason: str
    evidence: Json = None
    result: Json = None


class SagaKeyOpened(Opening):
    TOPIC: ClassVar[str] = "sagakey.opened"
    tenant: str
    saga: str
    key: str


class RunOpened(Event):
    TOPIC: ClassVar[str] = "sagakey.run_opened"
    run: int
    commitment: str
    definition: str
    saga_version: int
    input_digest: str


class RunEnded(Event):
    TOPIC: ClassVar[str] = "sagakey.run_ended"
    run: int
    status: str
    taken: Json = None


class StartRefused(Event):
    TOPIC: ClassVar[str] = "sagakey.start_refused"
    code: str
    start: Json = None


class StartHeld(Event):
    """A start that waits until the running commitment, which it replaces, has ended."""

    TOPIC: ClassVar[str] = "sagakey.start_held"
    run: int
    start: Json


class KeyOpened(Opening):
    TOPIC: ClassVar[str] = "key.opened"
    tenant: str
    key: str


class EventKept(Event):
    """Its position in the key stream is its version."""

    TOPIC: ClassVar[str] = "key.event_kept"
    event: Json
    expires_us: int
    reason: str


class SubscriptionsChanged(Event):
    TOPIC: ClassVar[str] = "key.subscriptions_changed"
    commitment: str
    saga: str
    saga_key: str
    opened: Json = None
    closed: Json = None
    taken: Json = None
    ended: bool = False


class EventExpired(Event):
    TOPIC: ClassVar[str] = "key.event_expired"
    positions: Json


def classes() -> tuple[type[Event], ...]:
    """Every stored event class, in the order of this module."""
    found: list[type[Event]] = []
    for value in globals().values():
        if isinstance(value, type) and issubclass(value, Event) and "TOPIC" in vars(value):
            found.append(value)
    return tuple(found)


for _class in classes():
    register_topic(cast("Any", _class).TOPIC, _class)
