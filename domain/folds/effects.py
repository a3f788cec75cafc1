"""Folds of the events of effects."""

from __future__ import annotations

from typing import Any

from domain import events as ev
from domain.folds.parts import close, put
from domain.folds.turns import dispatched
from domain.state import (
    NO_REPLY,
    UNDO_RUN,
    Effect,
    Entry,
    Instance,
    binding_paths,
    changed,
    undo_run_of,
)

__all__ = [
    "attempt_failed", "done", "enter", "failed", "intended", "probed", "retried", "started",
    "stop_asked", "unknown", "withdrawn",
]  # fmt: skip

Json = Any


def intended(c: Any, e: ev.EffectIntended) -> None:
    old = c.effects.get(e.effect)
    if e.kind == "probe":
        c.effects[e.effect] = changed(old, probes=old.probes + 1)
        c.timers.pop(f"{e.node}:probe_retry", None)
        return
    if e.kind == "undo":
        c.entries[e.node] = changed(c.entries[e.node], state="undoing")
    else:  # also where the decision was asked for anew
        c.nodes[e.node] = Instance("step", dispatched(c, e.node), effect=e.effect)
    c.effects[e.effect] = Effect(
        e.node, e.kind, e.contract, e.participant, e.digest, e.attempt, "offered", c.clock_us,
        e.timeout_us, e.args, e.start_by_us, e.not_after_us, e.approval, e.undoes, e.classes,
        e.undo, unanswered=old.unanswered if old else (), heartbeat_us=e.heartbeat_us,
        doubtful=old is not None and old.doubtful,
    )  # fmt: skip
    if e.approval is not None:
        _use(c, e.node, e.approval, 1)
    if e.undo is not None and e.kind == "do":
        enter(c, e.node, e.effect, e.undo, e.originator_version)


def _use(c: Any, node: str, approval: str, times: int) -> None:
    """A decision allows a number of uses; this is one of them, or gives one back."""
    for path in binding_paths(node):
        binding = c.bindings.get(path)
        if binding is not None and binding.approval == approval:
            c.bindings[path] = changed(binding, uses_left=binding.uses_left - times)
            return


def enter(c: Any, node: str, effect: str, undo: Json, seq: int) -> None:
    """Remember what is to be undone; `seq` orders completions."""
    c.entries[node] = Entry(
        seq, effect, undo["contract"], undo["participant"], undo["args"], undo["digest"],
        undo["when"], undo["timeout_us"], undo.get("retry"), undo.get("classes"),
        child=undo.get("child"), flow=undo.get("flow", False),
    )  # fmt: skip


def started(c: Any, e: ev.EffectStarted) -> None:
    old = c.effects[e.effect]
    if old.state == "offered":
        c.effects[e.effect] = changed(old, state="started", worker=e.worker)


def _retry_timer(effect: Effect) -> str:
    return f"{effect.node}:undo_retry" if effect.kind == "undo" else f"{effect.node}:retry"


def attempt_failed(c: Any, e: ev.AttemptFailed) -> None:
    old = c.effects[e.effect]
    open_ = (*old.unanswered, e.attempt) if e.unanswered else old.unanswered
    c.effects[e.effect] = changed(
        old, state="backoff", unanswered=open_, error=e.error, next=None, stop=False,
        heard_us=c.clock_us,
    )  # fmt: skip
    # A probe that was to be sent again has been answered late.
    c.timers.pop(f"{old.node}:probe_retry", None)
    c.timers[_retry_timer(old)] = e.retry_us


def retried(c: Any, e: ev.EffectRetried) -> None:
    old = c.effects[e.effect]
    c.effects[e.effect] = changed(
        old, state="offered", attempt=e.attempt, start_by_us=e.start_by_us, next=None
    )
    c.timers.pop(_retry_timer(old), None)
    if old.kind == "do":
        dispatched(c, old.node)
    if e.undo is not None:  # nothing before it has happened: it counts as a first attempt
        c.effects[e.effect] = changed(c.effects[e.effect], error=None)
        enter(c, old.node, e.effect, e.undo, e.originator_version)


def _settle(c: Any, effect: str, **changes: Any) -> Effect:
    """What is not done keeps its arguments: commanded again, it is commanded with these."""
    old: Effect = c.effects[effect]
    kept = old.args if old.kind == "do" and changes["state"] != "done" else None
    c.effects[effect] = changed(
        old, args=None, kept_args=kept, undo=None, next=None, stop=False, **changes
    )
    if c.timers:
        c.timers.pop(_retry_timer(old), None)
        c.timers.pop(f"{old.node}:probe_retry", None)
    return old


def done(c: Any, e: ev.EffectDone) -> None:
    _settle(
        c, e.effect, state="done", attempt=e.attempt, worker=e.worker,
        result_digest=e.result_digest, unanswered=(), doubtful=False,
    )  # fmt: skip
    if e.kind == "undo":
        c.entries.pop(e.node, None)
        c.undone += 1
        for key in [d for d, debt in c.debts.items() if debt.effect == e.effect]:
            del c.debts[key]
        return
    if e.node in c.nodes or _runs_again(c, e.node):
        close(c, e.node, "done", e.originator_version, e.attempt)
        put(c, e.node, "results", e.result)
    if e.undo is not None:
        enter(c, e.node, e.effect, e.undo, e.originator_version)
    if e.pivot:
        c.pivots = (*c.pivots, e.node)
    for key in [d for d, debt in c.debts.items() if debt.node == e.node and debt.kind == "forward"]:
        del c.debts[key]
        put(c, e.node, "results", e.result)


def _runs_again(c: Any, node: str) -> bool:
    """Whether the undo_flow that a step is in has failed: its next run passes over what is done."""
    run = undo_run_of(node)
    entry = None if run is None else c.entries.get(run.removesuffix(UNDO_RUN))
    return entry is not None and entry.state != "undoing"


def failed(c: Any, e: ev.EffectFailed) -> None:
    _settle(c, e.effect, state="failed", error=e.error)
    if e.kind == "undo":
        c.entries[e.node] = changed(c.entries[e.node], state="debt")
        return
    close(c, e.node, "failed", e.originator_version, e.attempt)
    if e.undo is not None and e.node not in c.entries:
        enter(c, e.node, e.effect, e.undo, e.originator_version)
    if _may_have_happened(c, e):
        c.effects[e.effect] = changed(c.effects[e.effect], doubtful=True)


def _may_have_happened(c: Any, e: ev.EffectFailed) -> bool:
    """Whether no attempt had the last word, and what was attempted would be undone.

    Then it has an entry by now. A step without an undo may be forgotten, whatever became of it.
    """
    gave_no_reply = e.error["class"] == "timeout" and e.error["code"] == NO_REPLY
    return gave_no_reply and e.node in c.entries


def unknown(c: Any, e: ev.EffectUnknown) -> None:
    old = c.effects[e.effect]
    unanswered = old.unanswered if e.attempt in old.unanswered else (*old.unanswered, e.attempt)
    c.effects[e.effect] = changed(old, state="unknown", next=e.next, unanswered=unanswered)
    c.timers.pop(_retry_timer(old), None)
    if old.kind == "do":
        dispatched(c, old.node)
    if e.next == "probe" and e.due_us is not None:
        c.timers[f"{old.node}:probe_retry"] = e.due_us
    else:
        c.timers.pop(f"{old.node}:probe_retry", None)


def probed(c: Any, e: ev.EffectProbed) -> None:
    if e.answer != "absent":
        return
    old = c.effects[e.effect]
    c.effects[e.effect] = changed(old, unanswered=(), doubtful=False)
    entry = c.entries.get(old.node)
    if entry is not None and entry.when == "attempted" and entry.state == "open":
        del c.entries[old.node]


def stop_asked(c: Any, e: ev.EffectStopAsked) -> None:
    for effect in e.effects:
        c.effects[effect] = changed(c.effects[effect], stop=True)


def withdrawn(c: Any, e: ev.EffectWithdrawn) -> None:
    """Nobody started it: there is nothing to undo, not even for an entry made at dispatch.

    Where an earlier attempt was tried that entry stays.
    """
    old = _settle(c, e.effect, state="withdrawn")
    if old.approval is not None:
        _use(c, old.node, old.approval, -1)
    close(c, old.node, "stopped", e.originator_version, old.attempt)
    entry = c.entries.get(old.node)
    is_gone = entry is not None and entry.effect == e.effect and entry.when == "attempted"
    if is_gone and not e.tried:
        del c.entries[old.node]
