"""How each stored event changes a commitment. One small function an event; no definition, no clock.

The functions change the dicts of a fork and replace the frozen records in them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from domain import events as ev
from domain.state import (
    Asked, Binding, Debt, Effect, Entry, Instance, Stop, Sub, Trail, Undoing, frame_of, is_under,
)  # fmt: skip

__all__ = ["FOLDS", "TAKEN_POSITIONS_MAX", "in_flight"]

# Offers of one event can only repeat while mail is in flight; older positions need no memory.
TAKEN_POSITIONS_MAX = 1_000

Json = Any
IN_FLIGHT = frozenset({"offered", "started", "backoff", "unknown"})


def in_flight(effect: Effect) -> bool:
    """Whether the effect is neither settled nor given up."""
    return effect.state in IN_FLIGHT


def _opened(c: Any, e: ev.CommitmentOpened) -> None:
    c.tenant, c.saga, c.saga_version = e.tenant, e.saga, e.saga_version
    c.definition, c.key, c.run = e.definition, e.key, e.run
    c.input, c.params, c.parent, c.start = e.input, e.params or {}, e.parent, e.start
    c.started_us = c.clock_us
    c.vars = dict(e.vars or {})
    for name in ("nodes", "trail", "frames", "effects", "entries", "timers", "subs", "taken",
                 "bindings", "deciders", "runs", "queues", "errors", "stops", "undoing",
                 "debts"):  # fmt: skip
        setattr(c, name, {})
    c.pivots, c.deferred, c.undone, c.debt_count = (), (), 0, 0
    c.paused, c.held, c.cancelling, c.ended = False, None, None, None


def _paused(c: Any, e: ev.CommitmentPaused) -> None:
    c.paused = True


def _resumed(c: Any, e: ev.CommitmentResumed) -> None:
    c.paused = False
    c.deferred = ()


def _deferred(c: Any, e: ev.MessageDeferred) -> None:
    c.deferred = (*c.deferred, e.message)


def _held(c: Any, e: ev.CommitmentHeld) -> None:
    c.held = {"node": e.node, "error": e.error}


def _released(c: Any, e: ev.CommitmentReleased) -> None:
    c.held = None
    c.deferred = ()


def _cancel_asked(c: Any, e: ev.CancelAsked) -> None:
    c.cancelling = {"reason": e.reason, "by": e.ctx["actor"]}


def _nothing(c: Any, e: ev.Event) -> None:
    """An event for the audit alone."""


def _ended(c: Any, e: ev.CommitmentEnded) -> None:
    c.ended = {"status": e.status, "result": e.result, "error": e.error, "at_us": c.clock_us}
    for attribute in (c.nodes, c.timers, c.subs, c.bindings, c.queues, c.stops, c.undoing):
        attribute.clear()
    if e.status == "fulfilled":
        c.entries.clear()


# --- nodes -----------------------------------------------------------------------------------


def _arm(c: Any, node: str, timers: dict[str, int] | None) -> None:
    for name, due_us in (timers or {}).items():
        c.timers[f"{node}:{name}"] = due_us


def _disarm(c: Any, node: str) -> None:
    prefix = node + ":"
    for name in [t for t in c.timers if t.startswith(prefix)]:
        del c.timers[name]


def _node_entered(c: Any, e: ev.NodeEntered) -> None:
    old = c.nodes.get(e.node)
    if old is None:
        old = Instance("block", c.clock_us, anchor_us=c.clock_us)
    if e.round is not None:
        _forget_frame(c, f"{e.node}#{old.round}")
        c.timers.pop(f"{e.node}:round", None)
    guards = old.guards if e.guards is None else tuple(e.guards)
    branch = old.branch if e.branch is None else e.branch
    round_ = old.round if e.round is None else e.round
    c.nodes[e.node] = replace(old, branch=branch, round=round_, guards=guards)
    _arm(c, e.node, e.timers)
    if e.error is not None:
        c.errors[e.node] = e.error
    waiting = c.queues.get(e.node[: e.node.rfind("@")]) if "@" in e.node else None
    if waiting and e.branch == "queued":
        handler = e.node[: e.node.rfind("@")]
        c.queues[handler] = waiting[1:]
        _begin_run(c, handler, e.node, waiting[0])


def _forget_frame(c: Any, frame: str) -> None:
    """A finished round leaves vars, `out` and undo entries; everything else of it goes."""
    for name in [f for f in c.frames if is_under(f, frame)]:
        del c.frames[name]
    for path in [p for p in c.trail if is_under(p, frame)]:
        del c.trail[path]
    kept = {entry.effect for entry in c.entries.values()}
    gone = [k for k, f in c.effects.items() if is_under(f.node, frame) and not in_flight(f)]
    for key in gone:
        if key not in kept:
            del c.effects[key]
    for name in [n for n in c.bindings if is_under(n, frame)]:
        del c.bindings[name]
    for name in [n for n in c.deciders if is_under(n, frame)]:
        del c.deciders[name]


def _close(c: Any, node: str, state: str, version: int, attempt: int = 0) -> Instance | None:
    instance = c.nodes.pop(node, None)
    since_us = instance.since_us if instance else c.clock_us
    c.trail[node] = Trail(state, version, c.clock_us, c.clock_us - since_us, attempt)
    _disarm(c, node)
    c.subs.pop(node, None)
    return instance


def _put(c: Any, node: str, root: str, value: Json) -> None:
    frame = frame_of(node)
    if frame == node:  # a handler run yields nothing by itself
        return
    data = c.frames.get(frame) or {}
    values = {**data.get(root, {}), node[node.rfind("/") + 1 :]: value}
    c.frames[frame] = {**data, root: values}


_ROOTS = {"wait": "events", "approve": "decisions"}


def _node_done(c: Any, e: ev.NodeDone) -> None:
    instance = _close(c, e.node, "done", e.originator_version)
    kind = instance.kind if instance else "block"
    if e.value is not None:
        _put(c, e.node, _ROOTS.get(kind, "results"), e.value)
    if kind == "block":
        c.subs = {p: v for p, v in c.subs.items() if not is_under(p, e.node)} if c.subs else c.subs
        for name in [q for q in c.queues if is_under(q, e.node)]:
            del c.queues[name]
        if instance is not None and instance.round:
            _forget_frame(c, f"{e.node}#{instance.round}")
        if "@" in e.node and frame_of(e.node) == e.node:
            c.frames.pop(e.node, None)


def _branch_closed(c: Any, e: ev.BranchClosed) -> None:
    old = c.nodes[e.node]
    outs = old.outs if e.out is None else {**old.outs, e.branch: e.out}
    c.nodes[e.node] = replace(old, branches={**old.branches, e.branch: e.outcome}, outs=outs)


def _node_skipped(c: Any, e: ev.NodeSkipped) -> None:
    c.trail[e.node] = Trail("skipped", e.originator_version, c.clock_us, 0)


def _node_failed(c: Any, e: ev.NodeFailed) -> None:
    _close(c, e.node, "failed", e.originator_version)


def _nodes_stopped(c: Any, e: ev.NodesStopped) -> None:
    for node in e.nodes:
        _close(c, node, "stopped", e.originator_version)


def _vars_set(c: Any, e: ev.VarsSet) -> None:
    c.vars.update(e.values)
    c.trail[e.node] = Trail("done", e.originator_version, c.clock_us, 0)


def _fact_emitted(c: Any, e: ev.FactEmitted) -> None:
    c.trail[e.node] = Trail("done", e.originator_version, c.clock_us, 0)


# --- waits and timers ------------------------------------------------------------------------


def _wait_opened(c: Any, e: ev.WaitOpened) -> None:
    c.nodes[e.node] = Instance("wait", c.clock_us)
    c.subs[e.node] = Sub(e.key, tuple(e.types), e.early == "transient")
    if e.due_us is not None:
        c.timers[f"{e.node}:within"] = e.due_us


def _handler_opened(c: Any, e: ev.HandlerOpened) -> None:
    c.subs[e.node] = Sub(e.key, tuple(e.types), e.early == "transient")


def _event_taken(c: Any, e: ev.EventTaken) -> None:
    taken = (*c.taken.get(e.key, ()), e.position)
    c.taken[e.key] = taken[-TAKEN_POSITIONS_MAX:]
    if e.run is not None:
        c.runs[e.node] = int(e.run[e.run.rfind("@") + 1 :])
        _begin_run(c, e.node, e.run, e.event)
    elif e.node not in c.nodes:  # a handler that is busy: the event waits its turn
        c.queues[e.node] = (*c.queues.get(e.node, ()), e.event)
    else:
        instance = c.nodes[e.node]
        events = (*instance.events, e.event)
        if e.done:
            _close(c, e.node, "done", e.originator_version)
            _put(c, e.node, "events", list(events) if e.collect else e.event)
        else:
            c.nodes[e.node] = replace(instance, events=events)


def _begin_run(c: Any, handler: str, run: str, event: Json) -> None:
    c.runs[handler] = int(run[run.rfind("@") + 1 :])
    c.nodes[run] = Instance("block", c.clock_us)
    c.frames[run] = {"event": event}


def _quiet_set(c: Any, e: ev.QuietSet) -> None:
    c.timers[f"{e.node}:quiet"] = e.quiet_us


def _timer_fired(c: Any, e: ev.TimerFired) -> None:
    c.timers.pop(f"{e.node}:{e.timer}", None)


def _sleep_started(c: Any, e: ev.SleepStarted) -> None:
    c.nodes[e.node] = Instance("sleep", c.clock_us)
    c.timers[f"{e.node}:sleep"] = e.due_us


# --- approvals -------------------------------------------------------------------------------


def _approval_asked(c: Any, e: ev.ApprovalAsked) -> None:
    asked = Asked(
        e.approval, e.level, e.digests or {}, e.digest, e.subject, tuple(e.needs or ()),
        tuple(e.not_by or ()), e.due_us, e.valid_us, e.asked, {}, e.gate or e.node,
        e.args or {}, e.evidence,
    )  # fmt: skip
    c.nodes[e.node] = Instance("approve", c.clock_us, asked=asked)
    if e.due_us is not None:
        c.timers[f"{e.node}:within"] = e.due_us


def _seat_taken(c: Any, e: ev.SeatTaken) -> None:
    old = c.nodes[e.node]
    asked = replace(old.asked, seats={**old.asked.seats, e.seat: e.by})
    c.nodes[e.node] = replace(old, asked=asked)


def _amended(c: Any, e: ev.ApprovalAmended) -> None:
    old = c.nodes[e.node]
    asked = replace(
        old.asked, seats={}, digests=e.digests, digest=e.digest, payload=e.payload,
        args=e.args,
    )  # fmt: skip
    c.nodes[e.node] = replace(old, asked=asked)


def _granted(c: Any, e: ev.ApprovalGranted) -> None:
    old = c.nodes[e.node]
    asked: Asked = old.asked
    c.nodes[e.node] = replace(old, branch="granted")
    c.timers.pop(f"{e.node}:within", None)
    _put(c, e.node, "decisions", e.decision)
    c.deciders[e.node] = tuple(sorted({*asked.seats.values()}))
    until_us = None if asked.valid_us is None else c.clock_us + asked.valid_us
    for path, digest in asked.digests.items():
        c.bindings[path] = Binding(asked.approval, asked.gate, digest, until_us, 1, asked.asked)


def _rejected(c: Any, e: ev.ApprovalRejected) -> None:
    c.nodes[e.node] = replace(c.nodes[e.node], branch="rejected")
    c.timers.pop(f"{e.node}:within", None)
    _put(c, e.node, "decisions", e.decision)


def _voided(c: Any, e: ev.ApprovalVoided) -> None:
    c.bindings.pop(e.node, None)


# --- effects ---------------------------------------------------------------------------------


def _intended(c: Any, e: ev.EffectIntended) -> None:
    old = c.effects.get(e.effect)
    if e.kind == "probe":
        c.effects[e.effect] = replace(old, probes=old.probes + 1)
        return
    if e.kind == "undo":
        c.entries[e.node] = replace(c.entries[e.node], state="undoing")
    elif e.node not in c.nodes or c.nodes[e.node].kind == "approve":  # asked anew before
        c.nodes[e.node] = Instance("step", c.clock_us, effect=e.effect)
    c.effects[e.effect] = Effect(
        e.node, e.kind, e.contract, e.participant, e.digest, e.attempt, "offered", c.clock_us,
        e.timeout_us, e.args, e.start_by_us, e.not_after_us, e.approval, e.undoes, e.classes,
        e.undo, unanswered=old.unanswered if old else (),
    )  # fmt: skip
    binding = c.bindings.get(e.node) if e.kind == "do" else None
    if binding is not None:
        c.bindings[e.node] = replace(binding, uses_left=binding.uses_left - 1)
    if e.undo is not None and e.kind == "do":
        _enter(c, e.node, e.effect, e.undo, e.originator_version)


def _enter(c: Any, node: str, effect: str, undo: Json, seq: int) -> None:
    c.entries[node] = Entry(
        seq, effect, undo["contract"], undo["participant"], undo["args"], undo["digest"],
        undo["when"], undo["timeout_us"], undo.get("retry"), undo.get("classes"),
    )  # fmt: skip


def _started(c: Any, e: ev.EffectStarted) -> None:
    old = c.effects[e.effect]
    if old.state == "offered":
        c.effects[e.effect] = replace(old, state="started", worker=e.worker)


def _attempt_failed(c: Any, e: ev.AttemptFailed) -> None:
    old = c.effects[e.effect]
    open_ = (*old.unanswered, e.attempt) if e.unanswered else old.unanswered
    c.effects[e.effect] = replace(old, state="backoff", unanswered=open_, error=e.error)
    c.timers[f"{old.node}:{_retry_timer(old)}"] = e.retry_us


def _retry_timer(effect: Effect) -> str:
    return "undo_retry" if effect.kind == "undo" else "retry"


def _retried(c: Any, e: ev.EffectRetried) -> None:
    old = c.effects[e.effect]
    c.effects[e.effect] = replace(
        old, state="offered", attempt=e.attempt, start_by_us=e.start_by_us, next=None
    )
    c.timers.pop(f"{old.node}:{_retry_timer(old)}", None)


def _settle(c: Any, effect: str, **changes: Any) -> Effect:
    old: Effect = c.effects[effect]
    changed = replace(old, args=None, undo=None, next=None, stop=False, **changes)
    c.effects[effect] = changed
    c.timers.pop(f"{old.node}:{_retry_timer(old)}", None)
    return old


def _effect_done(c: Any, e: ev.EffectDone) -> None:
    _settle(
        c, e.effect, state="done", attempt=e.attempt, worker=e.worker,
        result_digest=e.result_digest,
    )  # fmt: skip
    if e.kind == "undo":
        c.entries.pop(e.node, None)
        c.undone += 1
        for key in [d for d, debt in c.debts.items() if debt.effect == e.effect]:
            del c.debts[key]
        return
    if e.node in c.nodes:
        _close(c, e.node, "done", e.originator_version, e.attempt)
        _put(c, e.node, "results", e.result)
    if e.undo is not None:
        _enter(c, e.node, e.effect, e.undo, e.originator_version)
    if e.pivot:
        c.pivots = (*c.pivots, e.node)
    for key in [d for d, debt in c.debts.items() if debt.node == e.node and debt.kind == "forward"]:
        del c.debts[key]


def _effect_failed(c: Any, e: ev.EffectFailed) -> None:
    _settle(c, e.effect, state="failed", error=e.error)
    if e.kind == "undo":
        return
    _close(c, e.node, "failed", e.originator_version, e.attempt)
    if e.undo is not None and e.node not in c.entries:
        _enter(c, e.node, e.effect, e.undo, e.originator_version)


def _unknown(c: Any, e: ev.EffectUnknown) -> None:
    old = c.effects[e.effect]
    unanswered = old.unanswered if e.attempt in old.unanswered else (*old.unanswered, e.attempt)
    c.effects[e.effect] = replace(old, state="unknown", next=e.next, unanswered=unanswered)


def _probed(c: Any, e: ev.EffectProbed) -> None:
    old = c.effects[e.effect]
    if e.answer == "absent":
        c.effects[e.effect] = replace(old, unanswered=())
        if old.node in c.entries and c.entries[old.node].when == "attempted":
            del c.entries[old.node]


def _stop_asked(c: Any, e: ev.EffectStopAsked) -> None:
    for effect in e.effects:
        c.effects[effect] = replace(c.effects[effect], stop=True)


def _withdrawn(c: Any, e: ev.EffectWithdrawn) -> None:
    old = _settle(c, e.effect, state="withdrawn")
    _close(c, old.node, "stopped", e.originator_version, old.attempt)


# --- stopping, undoing, debts ----------------------------------------------------------------


def _kept(path: str, keep: tuple[str, ...]) -> bool:
    return any(is_under(path, k) for k in keep)


def _stopping(c: Any, e: ev.PartStopping) -> None:
    keep = tuple(e.keep or ())
    c.stops[e.target] = Stop(e.cause, keep, e.pending)
    if e.pending:
        return
    busy = {f.node for f in c.effects.values() if f.kind == "do" and in_flight(f)}

    def goes(path: str) -> bool:
        return is_under(path, e.target) and not _kept(path, keep)

    for path in [p for p in c.nodes if goes(p) and p != e.target and p not in busy]:
        _close(c, path, "stopped", e.originator_version)
    for timer in [t for t in c.timers if goes(t[: t.rfind(":")])]:
        if not timer.endswith("retry"):
            del c.timers[timer]
    for path in [p for p in c.subs if goes(p)]:
        del c.subs[path]
    for path in [p for p in c.queues if goes(p)]:
        del c.queues[path]
    for path in [p for p in c.stops if goes(p) and p != e.target]:
        del c.stops[path]
    for path in [p for p in c.bindings if goes(p)]:
        del c.bindings[path]


def _stopped(c: Any, e: ev.PartStopped) -> None:
    c.stops.pop(e.target, None)


def _undo_begun(c: Any, e: ev.UndoBegun) -> None:
    c.undoing[e.target] = Undoing(e.why, e.cause)


def _undo_ended(c: Any, e: ev.UndoEnded) -> None:
    c.undoing.pop(e.target, None)


def _sealed(c: Any, e: ev.UndoSealed) -> None:
    for path in e.dropped:
        c.entries.pop(path, None)


def _debt_opened(c: Any, e: ev.DebtOpened) -> None:
    c.debt_count += 1
    c.debts[e.debt] = Debt(e.node, e.kind, e.error, e.owner, c.clock_us, e.due_us, e.effect)
    if e.kind == "undo" and e.node in c.entries:
        c.entries[e.node] = replace(c.entries[e.node], state="debt")


def _debt_settled(c: Any, e: ev.DebtSettled) -> None:
    debt = c.debts.pop(e.debt)
    if debt.kind == "undo":
        c.entries.pop(debt.node, None)


FOLDS: dict[Any, Callable[[Any, Any], None]] = {
    ev.CommitmentOpened: _opened,
    ev.CommitmentPaused: _paused,
    ev.CommitmentResumed: _resumed,
    ev.MessageDeferred: _deferred,
    ev.CommitmentHeld: _held,
    ev.CommitmentReleased: _released,
    ev.CancelAsked: _cancel_asked,
    ev.MessageRefused: _nothing,
    ev.CommitmentEnded: _ended,
    ev.NodeEntered: _node_entered,
    ev.BranchClosed: _branch_closed,
    ev.NodeDone: _node_done,
    ev.NodeSkipped: _node_skipped,
    ev.NodeFailed: _node_failed,
    ev.NodesStopped: _nodes_stopped,
    ev.VarsSet: _vars_set,
    ev.FactEmitted: _fact_emitted,
    ev.WaitOpened: _wait_opened,
    ev.HandlerOpened: _handler_opened,
    ev.EventTaken: _event_taken,
    ev.QuietSet: _quiet_set,
    ev.TimerFired: _timer_fired,
    ev.SleepStarted: _sleep_started,
    ev.ApprovalAsked: _approval_asked,
    ev.ApprovalAmended: _amended,
    ev.SeatTaken: _seat_taken,
    ev.ApprovalGranted: _granted,
    ev.ApprovalRejected: _rejected,
    ev.ApprovalVoided: _voided,
    ev.EffectIntended: _intended,
    ev.EffectStarted: _started,
    ev.AttemptFailed: _attempt_failed,
    ev.EffectRetried: _retried,
    ev.EffectDone: _effect_done,
    ev.EffectFailed: _effect_failed,
    ev.EffectUnknown: _unknown,
    ev.EffectProbed: _probed,
    ev.EffectStopAsked: _stop_asked,
    ev.EffectWithdrawn: _withdrawn,
    ev.EffectContradicted: _nothing,
    ev.EffectLate: _nothing,
    ev.PartStopping: _stopping,
    ev.PartStopped: _stopped,
    ev.UndoBegun: _undo_begun,
    ev.UndoEnded: _undo_ended,
    ev.UndoSealed: _sealed,
    ev.DebtOpened: _debt_opened,
    ev.DebtRetried: _nothing,
    ev.DebtSettled: _debt_settled,
}
