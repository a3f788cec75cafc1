"""Folds of the events of waits, handlers, timers and approvals."""

from __future__ import annotations

from typing import Any

from domain import events as ev
from domain.folds.nodes import begin_run
from domain.folds.parts import arm, close, disarm, put
from domain.state import Asked, Binding, Instance, Sub, changed

__all__ = [
    "LISTENED_KEYS_MAX", "TAKEN_POSITIONS_MAX", "amended", "asked", "escalated", "granted",
    "handler_opened", "quiet_set", "rejected", "seat_taken", "sleep_started", "taken",
    "timer_fired", "voided", "wait_opened",
]  # fmt: skip

# Offers of one event can only repeat while mail is in flight; older positions need no memory.
TAKEN_POSITIONS_MAX = 1_000
# Keys that hear of the end though nothing is open there any more: those listened to last.
LISTENED_KEYS_MAX = 1_000


def wait_opened(c: Any, e: ev.WaitOpened) -> None:
    c.nodes[e.node] = Instance("wait", c.clock_us)
    _listen(c, e)
    if e.due_us is not None:
        c.timers[f"{e.node}:within"] = e.due_us


def handler_opened(c: Any, e: ev.HandlerOpened) -> None:
    _listen(c, e)


def _listen(c: Any, e: ev.WaitOpened | ev.HandlerOpened) -> None:
    c.subs[e.node] = Sub(e.key, tuple(e.types), e.early == "transient")
    c.listened[e.key] = e.originator_version
    if len(c.listened) > LISTENED_KEYS_MAX:
        del c.listened[min(c.listened, key=c.listened.__getitem__)]


def taken(c: Any, e: ev.EventTaken) -> None:
    if not e.peek:
        positions = (*c.taken.get(e.key, ()), e.position)
        c.taken[e.key] = positions[-TAKEN_POSITIONS_MAX:]
        c.events_taken += 1
    if e.run is not None:
        begin_run(c, e.node, e.run, e.event)
    elif e.node not in c.nodes:  # a handler that is busy: the event waits its turn
        c.queues[e.node] = (*c.queues.get(e.node, ()), e.event)
    else:
        instance = c.nodes[e.node]
        events = (*instance.events, e.event)
        if e.done:
            close(c, e.node, "done", e.originator_version)
            put(c, e.node, "events", list(events) if e.collect else e.event)
        else:
            c.nodes[e.node] = changed(instance, events=events)


def quiet_set(c: Any, e: ev.QuietSet) -> None:
    c.timers[f"{e.node}:quiet"] = e.quiet_us


def timer_fired(c: Any, e: ev.TimerFired) -> None:
    c.timers.pop(f"{e.node}:{e.timer}", None)


def sleep_started(c: Any, e: ev.SleepStarted) -> None:
    c.nodes[e.node] = Instance("sleep", c.clock_us)
    c.timers[f"{e.node}:sleep"] = e.due_us


# --- approvals -------------------------------------------------------------------------------


def asked(c: Any, e: ev.ApprovalAsked) -> None:
    question = Asked(
        e.approval, e.level, e.digests or {}, e.digest, e.subject, tuple(e.needs or ()),
        tuple(e.not_by or ()), e.due_us, e.valid_us, e.asked, {}, e.gate or e.node,
        e.args or {}, e.evidence, uses=e.uses,
    )  # fmt: skip
    c.nodes[e.node] = Instance("approve", c.clock_us, asked=question)
    c.places.pop(e.node, None)  # the turn of a step of which people are asked anew
    if e.due_us is not None:
        c.timers[f"{e.node}:within"] = e.due_us
    arm(c, e.node, e.timers)


def escalated(c: Any, e: ev.ApprovalEscalated) -> None:
    old = c.nodes[e.node]
    called = tuple(dict.fromkeys((*old.asked.escalated, e.to)))
    c.nodes[e.node] = changed(old, asked=changed(old.asked, escalated=called))


def seat_taken(c: Any, e: ev.SeatTaken) -> None:
    old = c.nodes[e.node]
    question = changed(old.asked, seats={**old.asked.seats, e.seat: e.by})
    c.nodes[e.node] = changed(old, asked=question)


def amended(c: Any, e: ev.ApprovalAmended) -> None:
    old = c.nodes[e.node]
    question = changed(
        old.asked, seats={}, digests=e.digests, digest=e.digest, payload=e.payload, args=e.args
    )
    c.nodes[e.node] = changed(old, asked=question)


def granted(c: Any, e: ev.ApprovalGranted) -> None:
    old = c.nodes[e.node]
    question: Asked = old.asked
    c.nodes[e.node] = changed(old, branch="granted")
    disarm(c, e.node)
    if question.gate == e.node:  # asked anew for a step, the first decision stays the gate's
        put(c, e.node, "decisions", e.decision)
    c.deciders[question.gate] = tuple(
        sorted({*c.deciders.get(question.gate, ()), *question.seats.values()})
    )
    until_us = None if question.valid_us is None else c.clock_us + question.valid_us
    for path, digest in question.digests.items():
        c.bindings[path] = Binding(
            question.approval, question.gate, digest, until_us, question.uses, question.asked
        )


def rejected(c: Any, e: ev.ApprovalRejected) -> None:
    old = c.nodes[e.node]
    c.nodes[e.node] = changed(old, branch="rejected")
    disarm(c, e.node)
    if e.deciders is not None:
        gate = old.asked.gate
        c.deciders[gate] = tuple(sorted({*c.deciders.get(gate, ()), *e.deciders}))
    if old.asked.gate == e.node:
        put(c, e.node, "decisions", e.decision)


def voided(c: Any, e: ev.ApprovalVoided) -> None:
    c.bindings.pop(e.node, None)
