"""Events of a commitment: its life, nodes, waits, timers and approvals (docs/format.md 4)."""

from __future__ import annotations

from typing import Any, ClassVar

from domain.events.base import Event, Opening

Json = Any


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
    timers: Json = None
    guards: Json = None
    error: Json = None


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


class HandlerOpened(Event):
    TOPIC: ClassVar[str] = "handler.opened"
    node: str
    key: str
    types: Json
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
    collect: bool = False


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
    args: Json = None
    subject: Json = None
    evidence: Json = None
    needs: Json = None
    not_by: Json = None
    due_us: int | None = None
    valid_us: int | None = None
    asked: int = 1
    gate: str | None = None


class ApprovalAmended(Event):
    """An edit: the action is another one, and every seat is free again."""

    TOPIC: ClassVar[str] = "approval.amended"
    node: str
    approval: str
    payload: Json
    args: Json
    digests: Json
    digest: str
    by: str


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
