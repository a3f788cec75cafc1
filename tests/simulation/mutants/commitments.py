"""Broken decisions of a commitment: undoing, attempts, timers, rests, stops and locks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from domain import events as ev
from sagas import decide
from sagas.decide import (
    effects,
    failures,
    locks,
    no_answer,
    outcomes,
    sealing,
    stopping,
    timers,
    undo_flows,
    undoing,
)
from sagas.decide.machine import Machine
from tests.simulation.mutants.harness import mutant, replaced, wrapped

Json = Any


# --- undoing ---------------------------------------------------------------------------------


@mutant(promise=5)
def undoes_in_forward_order() -> Iterator[None]:
    """What was done first is undone first."""

    def forward(real: Any, *args: Any) -> tuple[int, int]:
        one, other = real(*args)
        return -one, -other

    with wrapped(undoing, "_order", forward):
        yield


@mutant(promise=5)
def undoes_all_at_once() -> Iterator[None]:
    """Nothing waits for what was completed after it."""
    with replaced(undoing, "ready", lambda m, base, entries: list(entries)):
        yield


@mutant(promise=5)
def commands_an_undo_again() -> Iterator[None]:
    """An undo that is under way is commanded once more."""

    def advance(m: Machine, target: str) -> None:
        for path in undoing.ready(m, target, entries := undoing._under(m, target)):
            if entries[path].state == "undoing":
                undoing.command_again(m, path, m.c.undoing[target].why)
        real(m, target)

    real = undoing.advance
    with replaced(undoing, "advance", advance):
        yield


@mutant(promise=3)
def does_again_what_an_undo_flow_did() -> Iterator[None]:
    """A retry of its debt passes over nothing."""
    with replaced(undo_flows, "was_done", lambda *_: False):
        yield


@mutant(promise=5)
def forgets_to_undo() -> Iterator[None]:
    """Undoing ends at once, with everything as it stands."""
    with replaced(undoing, "begin", lambda m, t, cause, _=(): stopping.after_undo(m, t, cause)):
        yield


@mutant(promise=5)
def writes_no_undo_entry() -> Iterator[None]:
    """What is done can not be undone later."""
    with replaced(effects, "undo_entry", lambda *_: None):
        yield


@mutant(promise=5)
def logs_a_failed_undo() -> Iterator[None]:
    """An undo that failed for good opens no debt: nobody is asked."""
    with replaced(undoing, "open_debt", lambda *_, **more: None):
        yield


@mutant(promise=5)
def passes_a_failed_undo() -> Iterator[None]:
    """An undo that failed for good counts as done."""

    def failed(m: Machine, path: str, key: str, error: Json) -> None:
        attempt = m.c.effects[key].attempt
        m.emit(ev.EffectDone, node=path, effect=key, kind="undo", attempt=attempt, worker=None)
        undoing.advance_over(m, path)
        stopping.check_stops(m)

    with replaced(undoing, "undo_failed", failed):
        yield


@mutant(promise=5)
def seals_nothing() -> Iterator[None]:
    """After a pivot what came before it can still be undone, and cancelled."""
    with replaced(sealing, "seal", lambda m, path: None), \
         replaced(stopping, "_past_pivot", lambda *_: False):  # fmt: skip
        yield


@mutant(promise=5)
def goes_on_before_all_is_settled() -> Iterator[None]:
    """A stop does not wait for what is in flight."""
    with replaced(Machine, "busy", lambda self, *_: False):
        yield


@mutant(promise=5)
def ignores_a_late_done() -> Iterator[None]:
    """What was done after it was given up stands, and is only noted."""
    with replaced(outcomes, "done_after_giving_up", lambda *_: None), \
         wrapped(undoing, "may_enter", lambda real, m, path: path in m.c.nodes):  # fmt: skip
        yield


@mutant(promise=5)
def drops_a_done_that_comes_late() -> Iterator[None]:
    """A done of an attempt that was given up is told to be late, and dropped."""

    def done(real: Any, m: Machine, message: Any, effect: Any) -> None:
        if effect.state in ("offered", "started") and effect.attempt == message.attempt:
            real(m, message, effect)
        elif effect.kind == "do" and effect.state != "done":
            effects._late(m, message, "too late")
        else:
            real(m, message, effect)

    with wrapped(effects, "_done", done):
        yield


@mutant(promise=7)
def accepts_a_late_no() -> Iterator[None]:
    """A "failed" that comes late fails the effect, whatever became of it."""

    def late(m: Machine, message: Any, effect: Any) -> None:
        if message.outcome == "failed":
            outcomes.business(m, message, effect)
        else:
            effects._transient(m, message, effect)

    with replaced(effects, "_late_no", late):
        yield


# --- attempts --------------------------------------------------------------------------------


@mutant(promise=7)
def retries_an_unknown_r2() -> Iterator[None]:
    """No reply means: once more."""

    def again(m: Machine, key: str, effect: Any, reason: str) -> None:
        error = effects.error_of("timeout", "no_reply", reason, effect.node)
        effects.attempt_over(m, key, effect, error, unanswered=True)

    with replaced(no_answer, "unanswered", again):
        yield


@mutant(promise=7)
def retries_an_unknown_r3() -> Iterator[None]:
    """What binds for good, and may have happened, is tried once more."""

    def unanswered(real: Any, m: Machine, key: str, effect: Any, reason: str) -> None:
        if effect.classes is None or effect.classes["R"] != "R3":
            real(m, key, effect, reason)
            return
        error = effects.error_of("timeout", "no_reply", reason, effect.node)
        effects.attempt_over(m, key, effect, error, unanswered=True)

    with wrapped(no_answer, "unanswered", unanswered):
        yield


@mutant(promise=7)
def takes_no_reply_for_a_no() -> Iterator[None]:
    """A lost attempt counts as surely not done."""

    def lost(m: Machine, message: Any) -> None:
        effect = m.c.effects.get(message.effect)
        if effect is None or effect.state not in ("offered", "started"):
            return
        error = effects.error_of("transient", "lost", "no reply", effect.node)
        effects.attempt_over(m, message.effect, effect, error)

    with replaced(no_answer, "lost", lost):
        yield


@mutant(promise=10)
def retries_for_ever() -> Iterator[None]:
    """An attempt more than was declared."""

    def retry(real: Any, m: Machine, effect: Any) -> Any:
        found = real(m, effect)
        return replace(found, attempts=found.attempts + 3)

    with wrapped(effects, "_retry_of", retry):
        yield


@mutant(promise=6)
def forgets_a_backoff() -> Iterator[None]:
    """When the pause before the next attempt is over nothing happens."""

    def due(m: Machine, key: str) -> None:
        effect = m.c.effects[key]
        name = "undo_retry" if effect.kind == "undo" else "retry"
        m.emit(ev.TimerFired, node=effect.node, timer=name, due_us=m.now_us)

    with replaced(effects, "retry_due", due):
        yield


@mutant(promise=7)
def believes_a_probe_that_cannot_tell() -> Iterator[None]:
    """A probe that does not know counts as: it did not happen."""

    def failed(m: Machine, key: str, effect: Any, reason: str) -> None:
        m.emit(ev.EffectProbed, effect=key, answer="absent", note=reason)
        outcomes._absent(m, key)

    with replaced(outcomes, "probe_failed", failed):
        yield


# --- time ------------------------------------------------------------------------------------


@mutant(promise=12)
def fires_timers_early() -> Iterator[None]:
    """A minute before their time."""
    with wrapped(timers, "fire_due", lambda real, m, now_us: real(m, now_us + 60_000_000)):
        yield


@mutant(promise=12)
def forgets_to_fire_timers_first() -> Iterator[None]:
    """A message that came after a timer was due goes before it."""

    def only_on_wake(real: Any, m: Machine, now_us: int) -> None:
        if m.ctx["actor"] == "troth":
            real(m, now_us)

    with wrapped(timers, "fire_due", only_on_wake):
        yield


@mutant(promise=12)
def fires_a_timer_twice() -> Iterator[None]:
    """What was due happens, and once more."""

    def fire(real: Any, m: Machine, path: str, name: str, due_us: int) -> None:
        real(m, path, name, due_us)
        if not name.endswith("retry"):
            m.emit(ev.TimerFired, node=path, timer=name, due_us=due_us)

    with wrapped(timers, "_fire", fire):
        yield


@mutant(promise=6)
def never_expires() -> Iterator[None]:
    """What takes too long is let be."""
    with replaced(timers, "_within", lambda *_: None):
        yield


# --- rests, stops and locks ------------------------------------------------------------------


@mutant()
def moves_while_paused() -> Iterator[None]:
    """A pause stops nothing."""
    with replaced(decide, "_is_at_rest", lambda c: False):
        yield


@mutant(promise=1)
def forgets_what_came_during_a_pause() -> Iterator[None]:
    """What came while it was paused is not recorded."""

    def deferred(real: Any, m: Machine, message: Any, accepted_us: int) -> bool:
        if decide._is_at_rest(m.c) and message.KIND in ("answered", "offer", "started", "lost"):
            m.outcome = {"status": "deferred"}
            return True
        return real(m, message, accepted_us)

    with wrapped(decide, "_deferred", deferred):
        yield


@mutant()
def ends_with_a_failure_uncaught() -> Iterator[None]:
    """A failure is noted and the flow goes on as if nothing had been."""

    def fail(m: Machine, path: str, error: Json) -> None:
        return None

    with replaced(failures, "fail", fail):
        yield


@mutant()
def releases_a_lock_before_all_is_settled() -> Iterator[None]:
    """The next holder begins while the last one's effects are in flight."""

    def stop(real: Any, m: Machine, target: str, *more: Any) -> None:
        locks.let_go(m, target)
        real(m, target, *more)

    with wrapped(stopping, "_stop_effects", stop):
        yield


@mutant()
def keeps_a_lock_after_the_end() -> Iterator[None]:
    """Who has ended holds what others wait for."""
    with replaced(locks, "_release", lambda m, path: None):
        yield


@mutant()
def undoes_without_the_lock() -> Iterator[None]:
    """What was done under a lock is undone without it."""
    with replaced(locks, "may_undo", lambda m, path: True):
        yield
