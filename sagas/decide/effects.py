"""Steps: dispatching an effect, and what each reply of a participant means (design section 5)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from domain import events as ev
from domain import messages as msg
from domain.canonical import CanonicalError, canonical
from domain.durations import duration_us
from domain.ids import action_digest, effect_id, jitter
from domain.state import Effect, Entry, frames_of
from sagas import defaults
from sagas.decide import (
    approvals,
    flow,
    given,
    no_answer,
    outcomes,
    sealing,
    stopping,
    turns,
    undoing,
)  # fmt: skip
from sagas.decide.machine import Machine, NodeFault, error_of
from sagas.definition import Node

__all__ = ["action_of", "answered", "attempt_over", "command", "does_not_fit", "enter_step",
           "is_pivot", "retry_due", "settle_done", "started", "undo_entry"]  # fmt: skip

Json = Any
_duration_us = lru_cache(maxsize=4_096)(duration_us)


def enter_step(m: Machine, path: str, node: Node) -> None:
    """Dispatch the `do` of a step; a gated one only with a decision bound to this action."""
    contract = node.contract
    assert contract is not None
    if not turns.may_dispatch(m, path, node):
        return
    args, actions = action_of(m, path, node)
    if node.undo is not None:
        undoing.check_room(m, path)
    if not contract.gated:
        command(m, path, node, args, actions, None, None)
        return
    binding = approvals.binding_of(m, path)
    if binding is not None and approvals.usable(m, binding, actions):
        command(m, path, node, args, actions, binding.not_after_us, binding.approval)
    else:
        approvals.ask_again(m, path, node, binding)


def action_of(
    m: Machine, path: str, node: Node, local: dict[Any, Any] | None = None
) -> tuple[Json, str]:
    """The arguments of a step as it can be read now, and the digest of exactly this action.

    One that was commanded before keeps its arguments: its key stands for them at the participant,
    where an attempt of it may have begun.
    """
    assert node.contract is not None
    args = _kept_args(m, path, node.contract.name)
    if args is None:
        args = {name: m.value(expr, path, local) for name, expr in node.args}
    undo = node.undo.contract.name if node.undo else None
    return args, _digest(path, node.contract.name, args, undo)


def _kept_args(m: Machine, path: str, contract: str) -> Json:
    """What the step was commanded with before, if it was and is not done; else None."""
    known = m.c.effects.get(effect_id(m.c.id, path, "do"))
    if known is None or known.contract != contract:
        return None
    return known.kept_args if known.args is None else known.args


def _digest(path: str, contract: str, args: Json, undo: str | None) -> str:
    """The action digest. Raises NodeFault for arguments that are too large or no JSON."""
    flow.bounded(path, args)
    try:
        return action_digest(contract, args, undo)
    except CanonicalError as bad:
        raise NodeFault(path, error_of("internal", "bound.number", str(bad), path)) from bad


def command(
    m: Machine, path: str, node: Node, args: Json, actions: str,
    not_after_us: int | None, approval: str | None,
) -> None:  # fmt: skip
    """Record the intent; the dispatch row is built from these very bytes."""
    contract = node.contract
    assert contract is not None
    key = effect_id(m.c.id, path, "do")
    old = m.c.effects.get(key)
    attempted = node.undo is not None and node.undo.when == "attempted"
    m.emit(
        ev.EffectIntended, node=path, effect=key, kind="do", contract=contract.name,
        participant=contract.participant, args=args, digest=actions,
        attempt=old.attempt + 1 if old else 1, timeout_us=_timeout_us(node),
        start_by_us=turns.start_by_us(m, path, node), not_after_us=not_after_us,
        approval=approval, classes=contract.classes,
        undo=undo_entry(m, path, node, None) if attempted else None,
        heartbeat_us=_duration_us(node.doc["heartbeat"]) if "heartbeat" in node.doc else None,
    )  # fmt: skip


def _timeout_us(node: Node) -> int:
    return _duration_us(node.doc.get("timeout", defaults.TIMEOUT))


def undo_entry(m: Machine, path: str, node: Node, result: Json) -> Json:
    """What is needed to undo this step later, as it can be read now (a snapshot)."""
    undo = node.undo
    assert undo is not None, path
    args = {name: m.value(expr, path, {("result", None): result}) for name, expr in undo.args}
    contract = undo.contract
    classes = dict(contract.classes) if contract.classes else None
    return {
        "contract": contract.name, "participant": contract.participant, "args": args,
        "digest": _digest(path, contract.name, args, None), "when": undo.when,
        "timeout_us": undo.timeout_us, "retry": undo.retry, "classes": classes,
    }  # fmt: skip


# --- what participants say -------------------------------------------------------------------


def started(m: Machine, message: msg.Started) -> None:
    """A worker was allowed to act."""
    effect = m.c.effects.get(message.effect)
    if effect is not None and effect.state == "offered" and effect.attempt == message.attempt:
        m.emit(
            ev.EffectStarted, effect=message.effect, attempt=message.attempt, token=message.token,
            worker=message.worker,
        )  # fmt: skip


def answered(m: Machine, message: msg.Answered) -> None:
    """A reply, in time or late. Which effect it is about decides what it means."""
    effect = m.c.effects.get(message.effect)
    if effect is None:
        _late(m, message, "no such effect")
    elif message.kind == "probe":
        outcomes.probe_answered(m, message, effect)
    elif message.outcome == "done":
        _done(m, message, effect)
    elif effect.state not in ("offered", "started") or message.attempt != effect.attempt:
        _late_no(m, message, effect)
    elif not message.current:
        _late(m, message, "the lease was lost")
    elif message.outcome == "failed":
        outcomes.business(m, message, effect)
    elif message.outcome == "unknown":
        no_answer.unanswered(
            m, message.effect, effect, message.message or "the participant cannot tell"
        )
    else:
        _transient(m, message, effect)


def _late(m: Machine, message: msg.Answered, detail: str) -> None:
    _record_late(m, message, detail)
    m.outcome = {"status": "late", "code": "reply.late"}


def _record_late(m: Machine, message: msg.Answered, detail: str) -> None:
    m.emit(
        ev.EffectLate, effect=message.effect, attempt=message.attempt, outcome=message.outcome,
        detail={"why": detail, "worker": message.worker, "code": message.code},
    )  # fmt: skip


def _late_no(m: Machine, message: msg.Answered, effect: Effect) -> None:
    """A late "no" of an attempt that was unanswered settles that attempt, once."""
    if effect.state == "failed" and message.outcome == "failed":
        m.outcome = {"status": "repeated"}
        return
    _late(m, message, f"the effect is {effect.state}")


def _done(m: Machine, message: msg.Answered, effect: Effect) -> None:
    """The first done of any attempt settles the effect, once."""
    if effect.kind == "undo":
        _undone(m, message, effect)
        return
    problem = does_not_fit(m, effect, message.result)
    if problem is not None:
        m.outcome = {"status": "fenced", "code": "reply.schema", "detail": problem}
        if effect.state in ("offered", "started") and effect.attempt == message.attempt:
            no_answer.unanswered(m, message.effect, effect, f"the result does not fit: {problem}")
        else:
            _record_late(m, message, f"the result does not fit: {problem}")
    elif effect.state != "done":
        settle_done(m, message.effect, effect, message.result, message.attempt, message.worker)
    elif effect.result_digest == outcomes.result_digest(message.result):
        m.outcome = {"status": "repeated"}
    else:
        outcomes.contradict(m, message.effect, effect, "two attempts gave different results")
        m.outcome = {"status": "late", "code": "reply.contradicted"}


def does_not_fit(m: Machine, effect: Effect, result: Json) -> str | None:
    """Why a result cannot be taken: its schema, its size, or numbers without an exact digest."""
    contract = m.d.contracts[effect.contract]
    validator = contract.result_validator
    if not validator.is_valid(result):
        return "; ".join(validator.check(result, "result"))
    try:
        size = len(canonical(result))
    except CanonicalError as bad:
        return str(bad)
    return flow.over_bound(size) or given.problem(contract.result_filler, result)


def _undone(m: Machine, message: msg.Answered, effect: Effect) -> None:
    """What an undo returns means nothing to the flow, so a second one is never contradicted."""
    if effect.state == "done":
        m.outcome = {"status": "repeated"}
        return
    m.emit(
        ev.EffectDone,
        node=effect.node,
        effect=message.effect,
        kind="undo",
        attempt=message.attempt,
        worker=message.worker,
    )
    undoing.advance_over(m, effect.node)
    stopping.check_stops(m)


def settle_done(
    m: Machine, key: str, effect: Effect, result: Json, attempt: int, worker: str | None,
    *, verified: bool = False,
) -> None:  # fmt: skip
    """The `do` has happened: its result, its undo entry, and the way on."""
    path = effect.node
    node = m.node(path)
    sent = outcomes.result_digest(result)  # a repetition is told by what was sent
    result = given.complete(path, node.filler, result)
    is_open = path in m.c.nodes or outcomes.forward_debt(m, path, node)
    pivot = is_pivot(node)
    undo, fault = _entry_of_done(m, path, node, result)
    m.emit(
        ev.EffectDone, node=path, effect=key, kind="do", attempt=attempt, result=result,
        worker=worker, verified=verified, pivot=pivot, undo=undo,
        result_digest=sent,
    )  # fmt: skip
    if fault is not None:
        outcomes.cannot_be_undone(m, path, key, fault)
    elif not is_open:
        outcomes.done_after_giving_up(m, key, path, node)
    else:
        _go_on(m, path, node, pivot)


def _entry_of_done(m: Machine, path: str, node: Node, result: Json) -> tuple[Json, Json]:
    """The undo entry of what is done, and why it cannot be written down.

    Where what the step could read is forgotten, the entry that was made earlier is kept as it is:
    read now, its arguments would be others. With that one dropped there is none.
    """
    if node.undo is None or not undoing.may_enter(m, path):
        return None, None
    entry = m.c.entries.get(path)
    if path not in m.c.nodes and _is_forgotten(m, path, surely=entry is None):
        return None if entry is None else _as_written(entry), None
    try:
        return undo_entry(m, path, node, result), None
    except NodeFault as bad:
        # After the end every done is a debt, and nothing is undone: the arguments say nothing.
        return None, None if m.c.is_over else bad.error


def _as_written(entry: Entry) -> Json:
    return {
        "contract": entry.contract, "participant": entry.participant, "args": entry.args,
        "digest": entry.digest, "when": entry.when, "timeout_us": entry.timeout_us,
        "retry": entry.retry, "classes": dict(entry.classes) if entry.classes else None,
    }  # fmt: skip


def _is_forgotten(m: Machine, path: str, *, surely: bool) -> bool:
    """Whether a round, item or run around the node is over, with all that it had yielded.

    Of a repeat that was stopped the last round is not.
    """
    for frame in frames_of(path)[:-1]:
        block, _, number = frame.rpartition("#")
        there, past = m.c.nodes.get(block), m.c.trail.get(block)
        is_now = there is not None and str(there.round) == number
        was_last = there is None and past is not None and str(past.round) == number
        if not is_now and frame not in m.c.frames and not (surely and was_last):
            return True
    return False


def _go_on(m: Machine, path: str, node: Node, pivot: bool) -> None:
    stops = False
    if pivot:
        sealing.seal(m, path)
        stops = stopping.resolve_pivot(m, path)
    if stopping.stop_over(m, path) is not None:
        stopping.check_stops(m)
    elif not stops and pivot and m.agenda:  # what failed while a stop waited for it stands first
        m.push_behind(flow.done, path, node)
    elif not stops:
        flow.done(m, path, node)


def _transient(m: Machine, message: msg.Answered, effect: Effect) -> None:
    code = message.code or ("not_done" if message.outcome == "not_done" else "transient")
    error = error_of("transient", code, message.message or code, effect.node)
    attempt_over(m, message.effect, effect, error, retry_after_us=message.retry_after_us)


def attempt_over(
    m: Machine, key: str, effect: Effect, error: Json, *,
    unanswered: bool = False, retry_after_us: int | None = None,
) -> None:  # fmt: skip
    """One attempt gave nothing: try again later, or fail for good."""
    retry = _retry_of(m, effect)
    wait_us = _backoff_us(retry, key, effect.attempt)
    retry_us = m.now_us + max(wait_us, retry_after_us or 0)
    if effect.kind == "do":
        retry_us = turns.open_us(m, m.node(effect.node), retry_us)
    over = effect.attempt >= retry.attempts
    is_do = effect.kind == "do"
    late = is_do and retry_us > _within(m, effect)
    doubtful = unanswered or bool(effect.unanswered)
    stops = is_do and ((effect.stop and doubtful) or stopping.stop_over(m, effect.node) is not None)
    if over or late or stops:
        outcomes.for_good(m, key, effect, error, unanswered=unanswered)
        return
    m.emit(
        ev.AttemptFailed, effect=key, attempt=effect.attempt, error=error, retry_us=retry_us,
        unanswered=unanswered,
    )  # fmt: skip
    if is_do and is_pivot(m.node(effect.node)):
        stopping.resolve_pivot(m, effect.node)


def _within(m: Machine, effect: Effect) -> int:
    node = m.node(effect.node)
    instance = m.c.nodes.get(effect.node)
    since_us = instance.since_us if instance else effect.since_us
    return since_us + (node.within_us or defaults.START_WITHIN_US)


def _retry_of(m: Machine, effect: Effect) -> defaults.Retry:
    if effect.kind == "undo":
        entry = m.c.entries.get(effect.node)
        return undoing.undo_retry(entry) if entry else defaults.UNDO_RETRY
    retry = m.node(effect.node).retry
    assert retry is not None
    return retry


def _backoff_us(retry: defaults.Retry, key: str, attempt: int) -> int:
    """Exponential with jitter; decided once and recorded. The jitter is a digest, not chance."""
    wait_us = min(retry.first_us * retry.factor ** (attempt - 1), retry.cap_us)
    share = (jitter(key, attempt) * 2 - 1) * retry.jitter
    return int(wait_us * (1 + share))


def retry_due(m: Machine, key: str) -> None:
    """The backoff is over: the same bytes, the next attempt."""
    effect = m.c.effects[key]
    assert effect.state == "backoff", key
    start_by_us = None
    if effect.kind == "do":
        node = m.node(effect.node)
        try:
            if not turns.may_dispatch(m, effect.node, node):
                return
        except NodeFault as fault:  # settled as what it is: what was tried is not forgotten
            outcomes.for_good(m, key, effect, fault.error)
            return
        start_by_us = m.now_us + (node.within_us or defaults.START_WITHIN_US)
        if effect.not_after_us is not None and effect.not_after_us < m.now_us:
            approvals.expired_before_start(m, effect.node, key, effect)
            return
    # Entered at dispatch, and gone since somebody said "not done": this attempt may do it again.
    undo = None if effect.node in m.c.entries else effect.undo
    m.emit(
        ev.EffectRetried, effect=key, attempt=effect.attempt + 1, start_by_us=start_by_us,
        undo=undo,
    )  # fmt: skip


def is_pivot(node: Node) -> bool:
    """Whether the saga only goes forward once this step is done: declared, or R3 without undo."""
    said = node.doc.get("irreversible")
    if said is None and node.undo is None and node.contract is not None:
        return node.contract.classes is not None and node.contract.classes["R"] == "R3"
    return said == "pivot"
