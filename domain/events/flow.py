"""Events of a commitment: its life, nodes, waits, timers and approvals (docs/format.md 4)."""

from __future__ import annotations

from typing import Any, ClassVar

from domain.events.base import Event, Opening

Json = Any


class CommitmentOpened(Opening):
    """The promise begins, pinned to a definition."""

    TOPIC: ClassVar[str] = "commitment.opened"
    tenant: str
    saga: str
    saga_version: int
    definition: str
    key: str
    run: int
    input: Json = None
    params: Json = None
    vars: Json = None
    parent: Json = None
    start: Json = None
    taken: Json = None


class CommitmentPaused(Event):
    """An operator paused it: messages are recorded and handled at resume."""

    TOPIC: ClassVar[str] = "commitment.paused"
    reason: str


class CommitmentResumed(Event):
    """The pause is over."""

    TOPIC: ClassVar[str] = "commitment.resumed"
    reason: str


class MessageDeferred(Event):
    """A message that came while it was paused or held."""

    TOPIC: ClassVar[str] = "commitment.message_deferred"
    message: Json


class CommitmentHeld(Event):
    """An internal fault: everything rests until an operator looks."""

    TOPIC: ClassVar[str] = "commitment.held"
    node: str
    error: Json


class CommitmentReleased(Event):
    """An operator lets a held commitment go on."""

    TOPIC: ClassVar[str] = "commitment.released"
    reason: str


class CancelAsked(Event):
    """An operator cancels; what was done is undone."""

    TOPIC: ClassVar[str] = "commitment.cancel_asked"
    reason: str


class MessageRefused(Event):
    """A decision or control that was refused and must be audited."""

    TOPIC: ClassVar[str] = "commitment.refused"
    code: str
    detail: str


class CommitmentEnded(Event):
    """How it ended: fulfilled, compensated, failed or cancelled."""

    TOPIC: ClassVar[str] = "commitment.ended"
    status: str
    result: Json = None
    error: Json = None


class NodeEntered(Event):
    """A block became active, or moved on to a branch, round or mode."""

    TOPIC: ClassVar[str] = "node.entered"
    node: str
    branch: str | None = None
    round: int | None = None
    timers: Json = None
    guards: Json = None
    error: Json = None
    slot: int | None = None


class BranchClosed(Event):
    """A branch of a parallel is over."""

    TOPIC: ClassVar[str] = "node.branch_closed"
    node: str
    branch: str
    outcome: str
    out: Json = None


class NodeDone(Event):
    """A node closed well; `value` is what it yields."""

    TOPIC: ClassVar[str] = "node.done"
    node: str
    value: Json = None


class NodeRunsOn(Event):
    """A block is joined and yields `value`; what is still open in it goes on."""

    TOPIC: ClassVar[str] = "node.runs_on"
    node: str
    value: Json = None


class NodeSkipped(Event):
    """Its `when` was false."""

    TOPIC: ClassVar[str] = "node.skipped"
    node: str


class NodeFailed(Event):
    """A node closed with an error."""

    TOPIC: ClassVar[str] = "node.failed"
    node: str
    error: Json


class NodesStopped(Event):
    """Open nodes were withdrawn."""

    TOPIC: ClassVar[str] = "node.stopped"
    nodes: Json


class VarsSet(Event):
    """Vars changed, all at once."""

    TOPIC: ClassVar[str] = "vars.set"
    node: str
    values: Json


class FactEmitted(Event):
    """A CloudEvent for other services."""

    TOPIC: ClassVar[str] = "fact.emitted"
    node: str
    fact: Json


class WaitOpened(Event):
    """A wait subscribed in the stream of its key."""

    TOPIC: ClassVar[str] = "wait.opened"
    node: str
    key: str
    types: Json
    due_us: int | None = None
    early: str | None = None


class HandlerOpened(Event):
    """A handler subscribed in the stream of its key."""

    TOPIC: ClassVar[str] = "handler.opened"
    node: str
    key: str
    types: Json
    early: str | None = None


class EventTaken(Event):
    """`done` says whether the wait is over; `run` is the handler's run that the event began.

    With `peek` the event was looked at and is left to others.
    """

    TOPIC: ClassVar[str] = "event.taken"
    node: str
    key: str
    position: int
    event: Json
    done: bool = True
    run: str | None = None
    collect: bool = False
    peek: bool | None = None


class QuietSet(Event):
    """A collecting wait is complete when nothing comes until then."""

    TOPIC: ClassVar[str] = "wait.quiet_set"
    node: str
    quiet_us: int


class TimerFired(Event):
    """A due time passed."""

    TOPIC: ClassVar[str] = "timer.fired"
    node: str
    timer: str
    due_us: int


class SleepStarted(Event):
    """A sleep began."""

    TOPIC: ClassVar[str] = "sleep.started"
    node: str
    due_us: int


class ApprovalAsked(Event):
    """A decision is wanted, bound to the digests of exactly the actions it would allow.

    `timers`: when others are called too, by name.
    """

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
    uses: int = 1
    timers: Json = None


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


class ApprovalEscalated(Event):
    """Nobody has decided so far: who has the seat `to` may stand in for a seat still free."""

    TOPIC: ClassVar[str] = "approval.escalated"
    node: str
    approval: str
    to: str


class SeatTaken(Event):
    """A person took a seat. `held` is the seat they have, where that stands in for it."""

    TOPIC: ClassVar[str] = "approval.seat_taken"
    node: str
    approval: str
    seat: str
    by: str
    reason: str | None = None
    held: str | None = None


class ApprovalGranted(Event):
    """Every seat is taken: the actions are allowed."""

    TOPIC: ClassVar[str] = "approval.granted"
    node: str
    approval: str
    decision: Json


class ApprovalRejected(Event):
    """A person said no, with a reason. `deciders` are those who had approved before."""

    TOPIC: ClassVar[str] = "approval.rejected"
    node: str
    approval: str
    decision: Json
    deciders: Json = None


class ApprovalVoided(Event):
    """A decision no longer holds."""

    TOPIC: ClassVar[str] = "approval.voided"
    node: str
    approval: str
    reason: str
