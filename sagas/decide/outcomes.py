"""How an effect ends when it is not simply done: failed for good, unknown, probed, contradicted."""

from __future__ import annotations

from typing import Any

from domain import events as ev
from domain import messages as msg
from domain.canonical import digest
from domain.state import Effect, is_under
from sagas import defaults
from sagas.decide import effects, failures, undoing
from sagas.decide.machine import Machine, error_of
from sagas.definition import Node

__all__ = ["business", "contradict", "done_after_giving_up", "for_good", "probe_answered",
           "probe_failed", "send_probe", "settle_by_hand"]  # fmt: skip

Json = Any


def business(m: Machine, message: msg.Answered, effect: Effect) -> None:
    """A business "no": retried only for the codes that the step names."""
    code = message.code or "failed"
    error = error_of("business", code, message.message or code, effect.node)
    if effect.kind == "undo":
        undoing.undo_failed(m, effect.node, message.effect, error)
        return
    retry = m.node(effect.node).retry
    assert retry is not None
    if code in retry.on:
        effects.attempt_over(m, message.effect, effect, error)
    else:
        for_good(m, message.effect, effect, error)


def for_good(
    m: Machine, key: str, effect: Effect, error: Json, *, unanswered: bool = False
) -> None:
    """No further attempt. With an attempt unanswered it may have happened: its undo is entered."""
    if effect.kind == "undo":
        undoing.undo_failed(m, effect.node, key, error)
        return
    node = m.node(effect.node)
    doubtful = unanswered or bool(effect.unanswered)
    risky = effect.classes is not None and effect.classes["R"] in ("R2", "R3")
    if doubtful and risky:
        m.emit(
            ev.EffectUnknown, effect=key, attempt=effect.attempt, reason="an attempt gave no reply",
            next="ask", due_us=m.now_us + m.d.debt_due_us,
        )  # fmt: skip
        return
    undo = _undo_of_doubtful(m, effect.node, node) if doubtful else None
    if doubtful and error["class"] == "transient":
        error = {**error, "class": "timeout"}
    m.emit(
        ev.EffectFailed, node=effect.node, effect=key, kind="do", attempt=effect.attempt,
        error=error, undo=undo,
    )  # fmt: skip
    if effects.is_pivot_of(node):
        failures.resolve_pivot(m, effect.node, happened=False)
    failures.fail(m, effect.node, error)


def _undo_of_doubtful(m: Machine, path: str, node: Node) -> Json:
    """The undo of an effect that may have happened; it must do without the result."""
    if node.undo is None or any(("result", None) in e.reads for _, e in node.undo.args):
        return None
    entry = effects.undo_entry(m, path, node, None)
    return {**entry, "when": "attempted"}


# --- probes ----------------------------------------------------------------------------------


def send_probe(m: Machine, key: str) -> None:
    """Ask the participant whether it happened. It bars the `do` before it answers absent."""
    effect = m.c.effects[key]
    m.emit(
        ev.EffectIntended, node=effect.node, effect=key, kind="probe", contract=effect.contract,
        participant=effect.participant, args=effect.args, digest=effect.digest,
        attempt=effect.attempt, timeout_us=defaults.MINUTE_US,
        start_by_us=m.now_us + defaults.START_WITHIN_US, classes=effect.classes,
    )  # fmt: skip


def probe_answered(m: Machine, message: msg.Answered, effect: Effect) -> None:
    if effect.state != "unknown" or effect.next != "probe":
        m.emit(
            ev.EffectLate, effect=message.effect, attempt=message.attempt,
            outcome=message.outcome, detail={"why": f"the effect is {effect.state}"},
        )  # fmt: skip
        m.outcome = {"status": "late", "code": "reply.late"}
        return
    m.emit(
        ev.EffectProbed, effect=message.effect, answer=message.outcome, note=message.message
    )
    if message.outcome == "present":
        effect = m.c.effects[message.effect]
        effects.settle_done(m, message.effect, effect, message.result, effect.attempt,
                            message.worker, verified=True)  # fmt: skip
    elif message.outcome == "absent":
        _absent(m, message.effect)
    else:
        probe_failed(m, message.effect, effect, message.message or "the probe cannot tell")


def _absent(m: Machine, key: str) -> None:
    """Barred and not there: it did not happen, so it may be tried again."""
    effect = m.c.effects[key]
    error = error_of("transient", "not_done", "the probe found nothing", effect.node)
    effects.attempt_over(m, key, effect, error)


def probe_failed(m: Machine, key: str, effect: Effect, reason: str) -> None:
    """No clear answer: ask again, with a pause, and in the end a person."""
    if effect.state != "unknown":
        return
    if reason == "lease" and effect.probes < defaults.PROBES_MAX:
        send_probe(m, key)
        return
    m.emit(
        ev.EffectUnknown, effect=key, attempt=effect.attempt, reason=reason, next="ask",
        due_us=m.now_us + m.d.debt_due_us,
    )  # fmt: skip


def settle_by_hand(m: Machine, key: str, effect: Effect, outcome: str, result: Json,
                   by: str) -> None:  # fmt: skip
    """A person says what an unknown effect came to."""
    if outcome == "done":
        effects.settle_done(m, key, effect, result, effect.attempt, by, verified=True)
        return
    m.emit(ev.EffectProbed, effect=key, answer="absent", note=f"by {by}")
    _absent(m, key)


# --- what should not be ----------------------------------------------------------------------


def contradict(m: Machine, key: str, effect: Effect, detail: str) -> None:
    """Two results, or a done after "not done": an open item, and a failure where it can be caught."""
    m.emit(ev.EffectContradicted, node=effect.node, effect=key, detail=detail)
    error = error_of("contradicted", "contradicted", detail, effect.node)
    if m.c.is_over:
        undoing.open_debt(m, effect.node, "contradicted", error, effect=key)
    else:
        failures.fail(m, effect.node, error)


def done_after_giving_up(m: Machine, key: str, path: str, node: Node) -> None:
    """A done that nobody waited for any more is undone while undoing, else it is a debt."""
    error = error_of("contradicted", "late_done", "done after it was given up", path)
    if m.c.is_over:
        undoing.open_debt(m, path, "late", error, effect=key)
        return
    if path not in m.c.entries:
        contract = node.contract
        if contract is not None and contract.external and not undoing.accepted(node):
            undoing.open_debt(m, path, "late", error, effect=key)
        return
    over = [t for t in m.c.undoing if is_under(path, t)]
    if over:
        undoing.advance(m, max(over, key=len))
    elif failures.stop_over(m, path) is None:
        undoing.begin(m, path, {"kind": "late", "error": error})


def result_digest(result: Json) -> str:
    return digest("troth.result.v1", result)
