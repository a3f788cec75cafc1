"""Attempts without an answer: lost, not begun, taken back (design section 5)."""

from __future__ import annotations

from domain import events as ev
from domain import messages as msg
from domain.state import NO_REPLY, Effect
from sagas.decide import approvals, effects, outcomes, stopping
from sagas.decide.machine import Machine, error_of

__all__ = ["lost", "not_started", "tried", "unanswered", "withdrawn"]


def lost(m: Machine, message: msg.Lost) -> None:
    """A started attempt gave no reply: it may have happened."""
    effect = m.c.effects.get(message.effect)
    if effect is None:
        return
    if message.kind == "probe":
        outcomes.probe_again(m, message.effect, effect, f"no reply: {message.reason} is over")
    elif effect.state in ("offered", "started") and effect.attempt == message.attempt:
        unanswered(m, message.effect, effect, f"no reply: {message.reason} is over")


def unanswered(m: Machine, key: str, effect: Effect, reason: str) -> None:
    """The outcome is unknown. R0/R1 run again with the same key; else it is probed or asked."""
    policy = "retry" if effect.kind == "undo" else m.node(effect.node).unknown
    if policy == "retry":
        error = error_of("timeout", NO_REPLY, reason, effect.node)
        effects.attempt_over(m, key, effect, error, unanswered=True)
    else:
        outcomes.find_out(m, key, effect, reason, policy == "probe")


def not_started(m: Machine, message: msg.NotStarted) -> None:
    """Nobody started it in time: surely nothing happened."""
    effect = m.c.effects.get(message.effect)
    if effect is None:
        return
    if message.kind == "probe":
        outcomes.probe_failed(m, message.effect, effect, message.reason)
    elif effect.state == "offered" and effect.attempt == message.attempt:
        if message.reason == "not_after":
            approvals.expired_before_start(m, effect.node, message.effect, effect)
            return
        text = "no participant started it in time"
        error = error_of("timeout", m.node(effect.node).name, text, effect.node)
        outcomes.for_good(m, message.effect, effect, error)


def withdrawn(m: Machine, message: msg.Withdrawn) -> None:
    """An attempt that was only offered or reserved will not run.

    Of a first one nothing is left. A later one ends as the failure before it, as a backoff does:
    what is to be undone after a failure stays to be undone, and the failure is told.
    """
    effect = m.c.effects.get(message.effect)
    if effect is None or effect.state != "offered":
        return
    if effect.unanswered:  # an earlier attempt may have run: that stays to be undone
        error = error_of("timeout", NO_REPLY, "an attempt gave no reply", effect.node)
        outcomes.for_good(m, message.effect, effect, error, unanswered=True)
    elif effects.is_pivot(m.node(effect.node)):  # commanded again, should the stop be refused
        m.emit(ev.EffectWithdrawn, effect=message.effect)  # it has no undo: nothing is left
        stopping.resolve_pivot(m, effect.node, effect.error)
    elif effect.error is not None:
        outcomes.for_good(m, message.effect, effect, effect.error)
    else:
        m.emit(ev.EffectWithdrawn, effect=message.effect)
    stopping.check_stops(m)


def tried(m: Machine, key: str, effect: Effect) -> bool | None:
    """Whether an attempt before this one left an entry that stays; None, not stored, if not."""
    entry = m.c.entries.get(effect.node)
    is_left = entry is not None and entry.effect == key and entry.when == "attempted"
    return True if is_left and effect.error is not None else None
