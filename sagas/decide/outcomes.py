"""How an effect ends when it is not simply done: failed for good, unknown, probed, contradicted."""

from __future__ import annotations

from typing import Any

from domain import events as ev
from domain import messages as msg
from domain.canonical import digest
from domain.ids import effect_id
from domain.state import Effect, is_under
from sagas import defaults
from sagas.decide import effects, failures, kept, stopping, undoing
from sagas.decide.machine import Machine, error_of
from sagas.definition import Node

__all__ = [
    "business", "cannot_be_undone", "contradict", "done_after_giving_up", "find_out", "for_good",
    "forward_debt", "give_up", "probe_again", "probe_answered", "probe_failed", "result_digest",
    "send_probe", "settle_by_hand",
]  # fmt: skip

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
    """No further attempt: the step, or the undo, has failed."""
    if effect.kind == "undo":
        undoing.undo_failed(m, effect.node, key, error)
        return
    failed = give_up(m, key, effect, error, unanswered=unanswered)
    if failed is None:
        return
    path = effect.node
    if effects.is_pivot(m.node(path)) and stopping.resolve_pivot(m, path, failed):
        return  # what stopped the part stands before the failure of its pivot
    failures.fail(m, path, failed)


def give_up(m: Machine, key: str, effect: Effect, error: Json, *, unanswered: bool = False) -> Json:
    """Settle a `do` as failed and give the error; or None where it must be found out first.

    With an attempt unanswered it may have happened: its undo is entered as attempted, if it can do
    without the result; else a probe or a person must say what came of it.
    """
    path, node = effect.node, m.node(effect.node)
    undo = None
    if unanswered or effect.unanswered:
        if not _may_stay_open(effect, node):
            may_probe = m.d.contracts[effect.contract].probe and node.unknown != "ask"
            find_out(m, key, effect, "an attempt gave no reply", may_probe)
            return None
        if node.undo is not None and path not in m.c.entries:
            undo = {**effects.undo_entry(m, path, node, None), "when": "attempted"}
        if error["class"] == "transient":
            error = {**error, "class": "timeout"}
    m.emit(
        ev.EffectFailed,
        node=path,
        effect=key,
        kind="do",
        attempt=effect.attempt,
        error=error,
        undo=undo,
    )
    return error


def _may_stay_open(effect: Effect, node: Node) -> bool:
    """Whether nobody needs to know if it happened: nothing to undo, or undone without knowing."""
    if effects.is_pivot(node):
        return False
    if effect.classes is not None and effect.classes["R"] in ("R2", "R3"):
        return False
    undo = node.undo
    if undo is None or undo.when == "attempted":
        return True
    return not any(("result", None) in expr.reads for _, expr in undo.args)


def find_out(m: Machine, key: str, effect: Effect, reason: str, probe: bool) -> None:
    """The outcome is unknown: the participant is asked, or else a person."""
    m.emit(
        ev.EffectUnknown, effect=key, attempt=effect.attempt, reason=reason,
        next="probe" if probe else "ask", due_us=None if probe else m.now_us + m.d.debt_due_us,
    )  # fmt: skip
    if probe:
        send_probe(m, key)


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
    """What the participant says about an unknown effect: present, absent, or it cannot tell."""
    if effect.state != "unknown" or effect.next != "probe":
        m.emit(
            ev.EffectLate, effect=message.effect, attempt=message.attempt,
            outcome=message.outcome, detail={"why": f"the effect is {effect.state}"},
        )  # fmt: skip
        m.outcome = {"status": "late", "code": "reply.late"}
        return
    if message.outcome not in ("present", "absent", "cannot_tell"):
        probe_again(m, message.effect, effect, message.message or f"it answers {message.outcome}")
        return
    problem = None
    if message.outcome == "present":
        problem = effects.does_not_fit(m, effect, message.result)
    m.emit(
        ev.EffectProbed, effect=message.effect, answer=message.outcome,
        note=message.message if problem is None else f"the result does not fit: {problem}",
    )  # fmt: skip
    if problem is not None:
        m.outcome = {"status": "fenced", "code": "reply.schema", "detail": problem}
        probe_failed(m, message.effect, effect, f"the result does not fit: {problem}")
    elif message.outcome == "present":
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
    """No clear answer: a person is asked."""
    if effect.state == "unknown":
        find_out(m, key, effect, reason, False)


def probe_again(m: Machine, key: str, effect: Effect, reason: str) -> None:
    """The probe itself got lost or failed: once more after a pause, and in the end a person."""
    if effect.state != "unknown" or effect.next != "probe":
        return
    if effect.probes >= defaults.PROBES_MAX:
        find_out(m, key, effect, f"{effect.probes} probes gave no answer: {reason}", False)
        return
    wait_us = min(defaults.SECOND_US * 2 ** (effect.probes - 1), defaults.MINUTE_US)
    m.emit(
        ev.EffectUnknown,
        effect=key,
        attempt=effect.attempt,
        reason=reason,
        next="probe",
        due_us=m.now_us + wait_us,
    )


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
    """Two results: a failure where it can be caught, else an open item for a person."""
    if any(d.kind == "contradicted" and d.node == effect.node for d in m.c.debts.values()):
        return  # a person has this one already
    m.emit(ev.EffectContradicted, node=effect.node, effect=key, detail=detail)
    error = error_of("contradicted", "contradicted", detail, effect.node)
    if m.c.is_over:
        undoing.open_debt(m, effect.node, "contradicted", error, effect=key)
    else:
        failures.fail(m, effect.node, error)


def done_after_giving_up(m: Machine, key: str, path: str, node: Node) -> None:
    """A done that nobody waited for any more is undone while undoing, else it is a debt.

    A step whose undo_flow was given up may have been in flight still: what stops goes on then.
    """
    _undo_late(m, key, path, node)
    stopping.check_stops(m)


def _undo_late(m: Machine, key: str, path: str, node: Node) -> None:
    error = error_of("contradicted", "late_done", "done after it was given up", path)
    undo = m.c.effects.get(effect_id(m.c.id, path, "undo"))
    if undo is not None and undo.state == "done":
        return  # undone without knowing: the participant has barred what came before
    if path not in m.c.entries and kept.is_for_good(m, path):
        return
    if m.c.is_over:
        undoing.open_debt(m, path, "late", error, effect=key)
        return
    if path not in m.c.entries:
        if _is_to_undo(node):
            undoing.open_debt(m, path, "late", error, effect=key)
        return
    # An undo that the flow asked for is of what was done then.
    over = [
        t for t, part in m.c.undoing.items()
        if is_under(path, t) and path in part.cause.get("paths", (path,))
    ]  # fmt: skip
    if over:
        undoing.advance(m, max(over, key=len))
    elif stopping.stop_over(m, path) is None:
        undoing.begin(m, path, {"kind": "late", "error": error})


def _is_to_undo(node: Node) -> bool:
    """Whether what stands after all must not be let be: it has an undo, or says nothing of one."""
    if node.undo is not None:
        return True
    is_external = node.contract is not None and node.contract.external
    return is_external and not undoing.accepted(node)


def forward_debt(m: Machine, path: str, node: Node) -> bool:
    """Whether the flow waits at a failed node past a pivot; not where all around it is over."""
    if m.c.is_over or not failures.goes_on(m, path, node):
        return False
    return any(d.kind == "forward" and d.node == path for d in m.c.debts.values())


def cannot_be_undone(m: Machine, path: str, key: str, fault: Json) -> None:
    """It has happened, and its undo cannot be written down: a person must see to it."""
    undoing.open_debt(m, path, "late", fault, effect=key)
    if not m.c.is_over:
        failures.fail(m, path, fault)


def result_digest(result: Json) -> str:
    """By which two results of one effect are compared."""
    return digest("troth.result.v1", result)
