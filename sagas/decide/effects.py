"""Steps: dispatching an effect, and what each reply of a participant means (design section 5)."""

from __future__ import annotations

from typing import Any

from domain import events as ev
from domain import messages as msg
from domain.canonical import canonical
from domain.durations import duration_us
from domain.ids import action_digest, effect_id, jitter
from domain.state import Effect
from sagas import defaults
from sagas.decide import approvals, failures, flow, outcomes, undoing
from sagas.decide.machine import Machine, NodeFault, error_of
from sagas.definition import Node

__all__ = ["action_of", "answered", "command", "enter_step", "lost", "not_started", "retry_due",
           "started", "withdrawn"]  # fmt: skip

Json = Any


def enter_step(m: Machine, path: str, node: Node) -> None:
    """Dispatch the `do` of a step; a gated one only with a decision bound to exactly this action."""
    contract = node.contract
    assert contract is not None
    args, actions = action_of(m, path, node)
    binding = m.c.bindings.get(path) if contract.gated else None
    if contract.gated:
        usable = binding is not None and approvals.usable(m, binding, actions)
        if not usable:
            approvals.ask_again(m, path, node)
            return
    command(m, path, node, args, actions, binding.not_after_us if binding else None,
            binding.approval if binding else None)  # fmt: skip


def action_of(
    m: Machine, path: str, node: Node, local: dict[Any, Any] | None = None
) -> tuple[Json, str]:
    """The arguments of a step as it can be read now, and the digest of exactly this action."""
    args = {name: m.value(expr, path, local) for name, expr in node.args}
    if len(node.args) and len(canonical(args)) > defaults.VALUE_BYTES_MAX:
        text = "the arguments are over 256 KiB"
        raise NodeFault(path, error_of("internal", "bound.payload", text, path))
    undo = node.undo.contract.name if node.undo else None
    assert node.contract is not None
    return args, action_digest(node.contract.name, args, undo)


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
        start_by_us=m.now_us + (node.within_us or defaults.START_WITHIN_US),
        not_after_us=not_after_us, approval=approval, classes=contract.classes,
        undo=undo_entry(m, path, node, None) if attempted else None,
    )  # fmt: skip


def _timeout_us(node: Node) -> int:
    return duration_us(node.doc.get("timeout", defaults.TIMEOUT))


def undo_entry(m: Machine, path: str, node: Node, result: Json) -> Json:
    """What is needed to undo this step later, as it can be read now (a snapshot)."""
    undo = node.undo
    if undo is None:
        return None
    args = {name: m.value(expr, path, {("result", None): result}) for name, expr in undo.args}
    contract = undo.contract
    classes = dict(contract.classes) if contract.classes else None
    return {
        "contract": contract.name, "participant": contract.participant, "args": args,
        "digest": action_digest(contract.name, args, None), "when": undo.when,
        "timeout_us": undo.timeout_us, "retry": undo.retry, "classes": classes,
    }  # fmt: skip


# --- what participants say -------------------------------------------------------------------


def started(m: Machine, message: msg.Started) -> None:
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
        unanswered(m, message.effect, effect, message.message or "the participant cannot tell")
    else:
        _transient(m, message, effect)


def _late(m: Machine, message: msg.Answered, detail: str) -> None:
    m.emit(
        ev.EffectLate, effect=message.effect, attempt=message.attempt, outcome=message.outcome,
        detail={"why": detail, "worker": message.worker, "code": message.code},
    )  # fmt: skip
    m.outcome = {"status": "late", "code": "reply.late"}


def _late_no(m: Machine, message: msg.Answered, effect: Effect) -> None:
    """A late "no" of an attempt that was unanswered settles that attempt, once."""
    if effect.state == "failed" and message.outcome == "failed":
        m.outcome = {"status": "repeated"}
        return
    _late(m, message, f"the effect is {effect.state}")


def _done(m: Machine, message: msg.Answered, effect: Effect) -> None:
    """The first done of any attempt settles the effect, once."""
    if effect.state == "done":
        if effect.result_digest == outcomes.result_digest(message.result):
            m.outcome = {"status": "repeated"}
        else:
            outcomes.contradict(m, message.effect, effect, "two attempts gave different results")
            m.outcome = {"status": "late", "code": "reply.contradicted"}
        return
    contract = m.d.contracts[effect.contract]
    problems = [] if contract.result_validator.is_valid(message.result) else ["no"]
    if problems and effect.kind == "do":
        text = "; ".join(contract.result_validator.check(message.result, "result"))
        m.outcome = {"status": "fenced", "code": "reply.schema", "detail": text}
        if effect.state in ("offered", "started"):
            unanswered(m, message.effect, effect, f"the result does not fit: {text}")
        return
    if effect.kind == "undo":
        _undone(m, message, effect)
    else:
        settle_done(m, message.effect, effect, message.result, message.attempt, message.worker)


def _undone(m: Machine, message: msg.Answered, effect: Effect) -> None:
    m.emit(
        ev.EffectDone, node=effect.node, effect=message.effect, kind="undo",
        attempt=message.attempt, worker=message.worker,
        result_digest=outcomes.result_digest(message.result),
    )  # fmt: skip
    undoing.advance_over(m, effect.node)
    failures.check_stops(m)


def settle_done(
    m: Machine, key: str, effect: Effect, result: Json, attempt: int, worker: str | None,
    *, verified: bool = False,
) -> None:  # fmt: skip
    """The `do` has happened: its result, its undo entry, and the way on."""
    path = effect.node
    node = m.node(path)
    open_ = path in m.c.nodes
    gave_up = effect.state in ("failed", "withdrawn") or not open_
    flow.bounded(path, result)
    pivot = node.doc.get("irreversible") == "pivot"
    m.emit(
        ev.EffectDone, node=path, effect=key, kind="do", attempt=attempt, result=result,
        worker=worker, verified=verified, pivot=pivot, undo=undo_entry(m, path, node, result),
        result_digest=outcomes.result_digest(result),
    )  # fmt: skip
    if gave_up:
        outcomes.done_after_giving_up(m, key, path, node)
        return
    if pivot:
        undoing.seal(m, path)
        failures.resolve_pivot(m, path, happened=True)
    if stopping_over(m, path):
        failures.check_stops(m)
    else:
        flow.done(m, path, node)


def stopping_over(m: Machine, path: str) -> bool:
    """Whether the node lies in a part that is stopping, so that nothing follows it."""
    return failures.stop_over(m, path) is not None


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
    over = effect.attempt >= retry.attempts
    late = effect.start_by_us is not None and effect.kind == "do" and retry_us > _within(m, effect)
    if effect.stop or over or late or (effect.kind == "do" and stopping_over(m, effect.node)):
        outcomes.for_good(m, key, effect, error, unanswered=unanswered)
        return
    m.emit(
        ev.AttemptFailed, effect=key, attempt=effect.attempt, error=error, retry_us=retry_us,
        unanswered=unanswered,
    )  # fmt: skip


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
    start_by_us = None
    if effect.kind == "do":
        node = m.node(effect.node)
        start_by_us = m.now_us + (node.within_us or defaults.START_WITHIN_US)
        if effect.approval is not None and effect.not_after_us is not None:
            if effect.not_after_us < m.now_us:
                approvals.expired_before_start(m, effect.node, key, effect)
                return
    m.emit(ev.EffectRetried, effect=key, attempt=effect.attempt + 1, start_by_us=start_by_us)


# --- no answer -------------------------------------------------------------------------------


def lost(m: Machine, message: msg.Lost) -> None:
    """A started attempt gave no reply: it may have happened."""
    effect = m.c.effects.get(message.effect)
    if effect is None:
        return
    if message.kind == "probe":
        outcomes.probe_failed(m, message.effect, effect, message.reason)
    elif effect.state in ("offered", "started") and effect.attempt == message.attempt:
        unanswered(m, message.effect, effect, f"no reply: {message.reason} is over")


def unanswered(m: Machine, key: str, effect: Effect, reason: str) -> None:
    """The outcome is unknown. R0/R1 run again with the same key; else it is probed or asked."""
    policy = "retry" if effect.kind == "undo" else m.node(effect.node).unknown
    if policy == "retry":
        error = error_of("timeout", "no_reply", reason, effect.node)
        attempt_over(m, key, effect, error, unanswered=True)
        return
    due_us = m.now_us + m.d.debt_due_us
    m.emit(
        ev.EffectUnknown, effect=key, attempt=effect.attempt, reason=reason, next=policy,
        due_us=due_us if policy == "ask" else None,
    )  # fmt: skip
    if policy == "probe":
        outcomes.send_probe(m, key)


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
    """An effect that was only offered or reserved will not run: nothing to undo."""
    effect = m.c.effects.get(message.effect)
    if effect is not None and effect.state == "offered":
        if effect.unanswered:  # an earlier attempt may have run: that stays to be undone
            error = error_of("timeout", "no_reply", "an attempt gave no reply", effect.node)
            outcomes.for_good(m, message.effect, effect, error, unanswered=True)
        else:
            m.emit(ev.EffectWithdrawn, effect=message.effect)
            if is_pivot_of(m.node(effect.node)):
                failures.resolve_pivot(m, effect.node, happened=False)
        failures.check_stops(m)


def is_pivot_of(node: Node) -> bool:
    return node.doc.get("irreversible") == "pivot"
