"""decide: what a commitment does about a message. Pure: data in, events out (design section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from domain import events as ev
from domain import messages as msg
from domain.commitment import Commitment
from domain.events import Ctx, Event
from domain.messages import Message, from_body, to_body
from sagas import defaults
from sagas.decide import (
    approvals,
    awaits,
    blocks,
    children,
    controls,
    effects,
    failures,
    flow,
    for_each,
    kinds,
    locks,
    tasks,
    timers,
    updates,
    waits,
)  # fmt: skip
from sagas.decide.machine import Machine
from sagas.definition import Definition

__all__ = ["Decided", "decide"]

Json = Any
_ANSWERS = (msg.ChildStarted, msg.ChildOver, msg.Granted, msg.NotGranted)
kinds.register()


@dataclass(frozen=True, slots=True)
class Decided:
    """The events of one message, the state they fold to, and the answer to who sent it."""

    events: list[Event]
    state: Commitment
    outcome: Json


def decide(
    definition: Definition, commitment: Commitment | None, message: Message, *,
    stream: UUID, now_us: int, ctx: Ctx,
) -> Decided:  # fmt: skip
    """Record the message and move all that can move, until all rest.

    The commitment that is handed in is not touched. `now_us` is when the message was accepted, in
    microseconds since the epoch; time never goes back. An outcome with `code` is a refusal.
    """
    fork = None if commitment is None else commitment.fork()
    m = Machine(definition, fork, stream=stream, now_us=now_us, ctx=ctx)
    m.look = _look if definition.has_awaits or definition.closing_lists else None
    if fork is None:
        if isinstance(message, msg.Open):
            _open(m, message)
            m.run(failures.fail)
            timers.fire_due(m, m.now_us)
    else:
        timers.fire_due(m, m.now_us)
        if not _deferred(m, message, now_us):
            _handle(m, message)
            _replay(m)
            timers.fire_due(m, m.now_us)
    return Decided(m.events, m.c, m.outcome)


def _look(m: Machine) -> None:
    """What is read after every move."""
    if m.d.closing_lists:
        for_each.look_at_lists(m)
    if m.d.has_awaits:
        awaits.look(m)


def _handle(m: Machine, message: Message) -> None:
    m.guard(failures.fail, _apply, message)
    m.run(failures.fail)


def _rests(m: Machine) -> bool:
    """Paused or held: nothing but controls moves it."""
    return (m.c.paused or m.c.held is not None) and not m.c.is_over


def _deferred(m: Machine, message: Message, accepted_us: int) -> bool:
    """Paused or held: the message is recorded and handled when that ends, with its accept time."""
    if not _rests(m) or isinstance(message, (msg.Control, msg.Update, msg.Wake, msg.Open)):
        return False
    # What children and locks say cannot be said again, and is bounded by what was asked.
    is_answer = isinstance(message, _ANSWERS)
    if len(m.c.deferred) >= defaults.DEFERRED_MAX and not is_answer:
        m.outcome = {"code": "bound.mailbox", "detail": "too much waits for the resume"}
        return True
    body = {"kind": message.KIND, "body": to_body(message), "accepted_us": accepted_us}
    m.emit(ev.MessageDeferred, message=body)
    m.outcome = {"status": "deferred"}
    return True


def _replay(m: Machine) -> None:
    """After a rest: what was recorded meanwhile, in order, each after the timers due before it."""
    waiting, outcome = m.replay, m.outcome
    m.replay = ()
    for item in waiting:
        if not _rests(m):
            timers.fire_due(m, item["accepted_us"])
        if _rests(m):
            m.emit(ev.MessageDeferred, message=item)
        else:
            _handle(m, from_body(item["kind"], item["body"]))
    m.outcome = outcome


def _open(m: Machine, message: msg.Open) -> None:
    document = m.d.document
    m.open(
        tenant=message.tenant, saga=message.saga, saga_version=message.saga_version,
        definition=message.definition, key=message.key, run=message.run, input=message.input,
        params={n: p["default"] for n, p in document.get("params", {}).items()} or None,
        vars={n: v["initial"] for n, v in document.get("vars", {}).items()} or None,
        start=message.start, parent=message.parent,
    )  # fmt: skip
    root = m.d.root
    m.push(_enter_root, "", root)


def _enter_root(m: Machine, path: str, root: Any) -> None:
    due = blocks.scope_timers(m, path, root)
    if due:
        m.emit(ev.NodeEntered, node="", timers=due)
    flow.start_flow(m, root.flow, "")
    for handler in reversed(root.handlers):
        m.push(waits.open_handler, handler.name, handler)


def _apply(m: Machine, message: Message) -> None:
    match message:
        case msg.Offer():
            if not m.c.is_over:
                waits.offered(m, message)
        case msg.Answered() | msg.Started() | msg.Lost() | msg.NotStarted() | msg.Withdrawn():
            _of_effect(m, message)
        case msg.Decide():
            if m.c.is_over:
                m.outcome = {"code": "decision.closed", "detail": f"it is {m.c.status}"}
            else:
                approvals.decide_approval(m, message)
        case msg.TaskAct():
            if m.c.is_over:
                m.outcome = {"code": "task.closed", "detail": f"it is {m.c.status}"}
            else:
                tasks.act(m, message)
        case msg.Update():
            if m.c.is_over:
                m.outcome = {"code": "update.closed", "detail": f"it is {m.c.status}"}
            else:
                updates.take(m, message)
        case msg.Control():
            controls.control(m, message)
        case msg.ChildStarted() | msg.ChildOver() | msg.Granted() | msg.NotGranted():
            _of_others(m, message)
        case msg.Wake() | msg.Open():
            pass  # due timers have fired already; a second opening is a repeated mail
        case (
            msg.Start()
            | msg.RunOver()
            | msg.Arrive()
            | msg.Subscribe()
            | msg.Recall()
            | msg.Leftover()
            | (msg.Acquire() | msg.Release())
        ):
            raise TypeError(f"{message.KIND} is not for a commitment")


def _of_effect(
    m: Machine,
    message: msg.Answered | msg.Started | msg.Lost | msg.NotStarted | msg.Withdrawn,
) -> None:
    match message:
        case msg.Answered():
            effects.answered(m, message)
        case msg.Started():
            effects.started(m, message)
        case msg.Lost():
            effects.lost(m, message)
        case msg.NotStarted():
            effects.not_started(m, message)
        case msg.Withdrawn():
            effects.withdrawn(m, message)


def _of_others(
    m: Machine, message: msg.ChildStarted | msg.ChildOver | msg.Granted | msg.NotGranted
) -> None:
    """What children and locks answer; nobody waits for it after the end."""
    if m.c.is_over:
        return
    if isinstance(message, msg.ChildStarted | msg.ChildOver):
        children.heard(m, message)
    else:
        locks.heard(m, message)
