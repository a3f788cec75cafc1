"""decide: what a commitment does about a message. Pure: data in, events out (design section 4)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from domain import events as ev
from domain import messages as msg
from domain.commitment import Commitment
from domain.events import Ctx, Event
from domain.messages import Message, from_body, to_body
from domain.quick import quick
from sagas import defaults
from sagas.decide import (
    approvals,
    awaits,
    blocks,
    children,
    controls,
    effects,
    exclusive,
    failures,
    flow,
    for_each,
    given,
    kinds,
    locks,
    no_answer,
    revoking,
    tasks,
    timers,
    turns,
    updates,
    waits,
    watching,
    weight,
)  # fmt: skip
from sagas.decide.machine import Machine, NodeFault, error_of, hold
from sagas.definition import Definition

__all__ = ["Decided", "decide"]

Json = Any
_ANSWERS = (
    msg.ChildStarted, msg.ChildOver, msg.Granted, msg.NotGranted, msg.Revoke, msg.Waive,
    msg.ChildRevoked, msg.YourTurn, msg.NoTurn,
)  # fmt: skip
_CALLS = (msg.Update, msg.Decide, msg.TaskAct, msg.Control)
_LARGE = (msg.Answered, msg.Offer)
kinds.register()


@quick
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
    m = _machine(definition, commitment, stream, now_us, ctx)
    _move(m, message, now_us, is_new=commitment is None)
    if not weight.passes_bound(commitment, m.c, m.events):
        return Decided(m.events, m.c, m.outcome)
    if commitment is not None and _may_be_refused(commitment, message):
        return Decided([], commitment, {"code": "bound.state", "detail": weight.told()})
    if commitment is not None and _is_at_rest(commitment):
        return Decided(m.events, m.c, m.outcome)  # it is put off, and small
    m = _machine(definition, commitment, stream, now_us, ctx)
    _hold_all(m, message, now_us, commitment)
    return Decided(m.events, m.c, m.outcome)


def _machine(
    definition: Definition, commitment: Commitment | None, stream: UUID, now_us: int, ctx: Ctx
) -> Machine:
    fork = None if commitment is None else commitment.fork()
    m = Machine(definition, fork, stream=stream, now_us=now_us, ctx=ctx)
    looks = definition.has_awaits or definition.closing_lists or definition.watched
    looks = looks or definition.has_exclusive
    m.look = _look if looks else None
    return m


def _move(m: Machine, message: Message, accepted_us: int, *, is_new: bool) -> None:
    """Record the message, and move all that can move."""
    if is_new:
        if isinstance(message, msg.Open):
            _open(m, message)
            m.push(_enter_root, "", m.d.root)
            m.run(failures.fail)
            timers.fire_due(m, m.now_us)
        return
    timers.fire_due(m, m.now_us)
    if not _deferred(m, message, accepted_us):
        _handle(m, message)
        _replay(m)
        timers.fire_due(m, m.now_us)


# --- the bound on the state ------------------------------------------------------------------


def _is_at_rest(c: Commitment) -> bool:
    """Paused or held: nothing but controls moves it."""
    return (c.paused or c.held is not None) and not c.is_over


def _may_be_refused(c: Commitment, message: Message) -> bool:
    """Whether somebody is told, or says it again: nothing is lost when the message is refused."""
    return isinstance(message, _CALLS) or (_is_at_rest(c) and isinstance(message, _LARGE))


def _hold_all(m: Machine, message: Message, accepted_us: int, before: Commitment | None) -> None:
    """What the message would lead to is over the bound: it is put off, and an operator looks."""
    if before is None:
        assert isinstance(message, msg.Open)
        _open(m, message)
    hold(m, "", error_of("internal", "bound.state", weight.told(), ""))
    if not isinstance(message, msg.Wake):
        body = {"kind": message.KIND, "body": to_body(message), "accepted_us": accepted_us}
        m.emit(ev.MessageDeferred, message=body)
        m.outcome = {"status": "deferred"}
    weight.passes_bound(before, m.c, m.events)  # it learns its ceiling


def _look(m: Machine) -> None:
    """What is read after every move: only events and the time change what it finds."""
    now = (m.c.version, m.now_us)
    if now == m.looked:
        return
    m.looked = now
    if m.d.watched:
        watching.look(m)
    if m.d.closing_lists:
        for_each.look_at_lists(m)
    if m.d.has_awaits:
        awaits.look(m)
    if m.d.has_exclusive:
        exclusive.look(m)


def _handle(m: Machine, message: Message) -> None:
    m.guard(failures.fail, _apply, message)
    m.run(failures.fail)


def _rests(m: Machine) -> bool:
    return _is_at_rest(m.c)


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
        elif item["kind"] == msg.Open.KIND:  # it was held before it began
            if not (m.c.is_over or "" in m.c.stops):
                m.push(_enter_root, "", m.d.root)
                m.run(failures.fail)
        else:
            _handle(m, from_body(item["kind"], item["body"]))
    m.outcome = outcome


def _open(m: Machine, message: msg.Open) -> None:
    filler, input_ = m.d.input_filler, message.input
    if filler is not None:
        with suppress(NodeFault):  # too large: whoever admits starts refuses it
            input_ = given.complete("", filler, input_)
    m.open(
        tenant=message.tenant, saga=message.saga, saga_version=message.saga_version,
        definition=message.definition, key=message.key, run=message.run, input=input_,
        params=dict(m.d.params) or None, vars=dict(m.d.initial) or None,
        start=message.start, parent=message.parent,
    )  # fmt: skip


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
        case (
            msg.ChildStarted() | msg.ChildOver() | msg.Granted() | msg.NotGranted()
            | msg.YourTurn() | msg.NoTurn()
        ):  # fmt: skip
            _of_others(m, message)
        case msg.Revoke() | msg.Waive() | msg.ChildRevoked():
            revoking.heard(m, message)
        case msg.Wake() | msg.Open():
            pass  # due timers have fired already; a second opening is a repeated mail
        case (
            msg.Start()
            | msg.RunOver()
            | msg.Arrive()
            | msg.Subscribe()
            | msg.Recall()
            | msg.Leftover()
            | (msg.Acquire() | msg.Release() | msg.TakeTurn() | msg.DropTurn())
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
            no_answer.lost(m, message)
        case msg.NotStarted():
            no_answer.not_started(m, message)
        case msg.Withdrawn():
            no_answer.withdrawn(m, message)


def _of_others(
    m: Machine,
    message: (
        msg.ChildStarted | msg.ChildOver | msg.Granted | msg.NotGranted | msg.YourTurn | msg.NoTurn
    ),
) -> None:
    """What children, locks and throttles answer; nobody waits for it after the end."""
    if m.c.is_over:
        return
    if isinstance(message, msg.ChildStarted | msg.ChildOver):
        children.heard(m, message)
    elif isinstance(message, msg.YourTurn | msg.NoTurn):
        turns.heard(m, message)
    else:
        locks.heard(m, message)
