"""What an operator can do to a commitment: cancel, pause, resume, retry, settle."""

from __future__ import annotations

from typing import Any

from domain import events as ev
from domain import messages as msg
from domain.ids import effect_id
from domain.state import Debt, Stop, is_under, template_of
from sagas import defaults
from sagas.decide import (
    blocks,
    effects,
    endings,
    failures,
    flow,
    given,
    outcomes,
    stopping,
    targets,
    undo_flows,
    undoing,
    waits,
)
from sagas.decide.machine import Machine
from sagas.definition import Handler, Node, Update

__all__ = ["control"]

Json = Any
_Refusal = tuple[str, str] | None


def control(m: Machine, message: msg.Control) -> None:
    """Apply one control; what the state does not allow is refused with a code, and audited."""
    refusal = _refuse_at_rest(m, message) or _ACTIONS[message.action](m, message)
    if refusal is not None:
        code, detail = refusal
        m.emit(ev.MessageRefused, code=code, detail=f"{message.action}: {detail}")
        m.outcome = {"code": code, "detail": detail}
    elif m.outcome is None:
        m.outcome = {"status": m.c.status}


_BLOCKS = frozenset({"scope", "choose", "race", "parallel", "repeat", "for_each", "lock"})


def _refuse_at_rest(m: Machine, message: msg.Control) -> _Refusal:
    """Nothing moves what is paused or held but what ends that."""
    if m.c.paused and message.action in ("retry", "settle", "finish", "move"):
        return "state.says_no", "it is paused: resume it first"
    if m.c.held is not None and message.action in ("settle", "finish", "move"):
        return "state.says_no", "it is held: retry or cancel it first"
    return None


def _cancel(m: Machine, message: msg.Control) -> _Refusal:
    c = m.c
    if c.is_over:
        return "state.says_no", f"it is {c.status}"
    if c.pivots:
        return "cancel.past_pivot", f"{c.pivots[-1]} cannot be undone"
    if c.debts:
        return "cancel.in_debt", f"{len(c.debts)} debts are open"
    if c.cancelling is not None or "" in c.undoing or _ends_anyway(c.stops.get("")):
        return "cancel.compensating", "already compensating"
    waiting = c.deferred
    if c.held is not None:
        m.emit(ev.CommitmentReleased, reason=message.reason)
    if c.paused:
        m.emit(ev.CommitmentResumed, reason=message.reason)
    m.replay = waiting
    m.emit(ev.CancelAsked, reason=message.reason)
    error = endings.cancel_error(message.reason)
    cause: dict[str, Any] = {"kind": "cancel", "block": "", "error": error}
    clause = failures.clause_for(m.d.root, error)
    if clause is not None and not _in_clause(m):
        cause["clause"] = clause.index
    stopping.request_stop(m, "", cause)
    return None


def _ends_anyway(stop: Stop | None) -> bool:
    """Whether the root is stopping for its end: a cancel has nothing to add."""
    return stop is not None and stop.cause["kind"] != "interrupt" and "clause" not in stop.cause


def _in_clause(m: Machine) -> bool:
    """In an on_failure flow a cancel stops it and undoes all."""
    root = m.c.nodes.get("")
    return root is not None and (root.branch or "").startswith(("clause:", "handler:"))


def _pause(m: Machine, message: msg.Control) -> _Refusal:
    if m.c.is_over or m.c.paused:
        return "state.says_no", f"it is {m.c.status}"
    m.emit(ev.CommitmentPaused, reason=message.reason)
    return None


def _resume(m: Machine, message: msg.Control) -> _Refusal:
    if not m.c.paused:
        return "state.says_no", f"it is {m.c.status}"
    waiting = m.c.deferred
    m.emit(ev.CommitmentResumed, reason=message.reason)
    m.replay = waiting
    return None


def _retry(m: Machine, message: msg.Control) -> _Refusal:
    """Again: a debt, a step in backoff, or the node at which an internal fault holds all."""
    c = m.c
    if c.held is not None:
        return _retry_held(m, message)
    debt = _debt(m, message.node)
    if debt is not None:
        return _retry_debt(m, *debt, message)
    for key, effect in c.effects.items():
        if effect.state == "backoff" and _names(effect.node, message.node):
            effects.retry_due(m, key)
            return None
        if effect.state == "unknown" and effect.next == "ask" and _names(effect.node,
                                                                       message.node):  # fmt: skip
            return _probe_again(m, key)
    return "control.target", f"{message.node or 'nothing'} waits for a retry"


def _probe_again(m: Machine, key: str) -> _Refusal:
    effect = m.c.effects[key]
    if not m.d.contracts[effect.contract].probe:
        return "control.target", "the participant has no probe: settle it with evidence"
    outcomes.find_out(m, key, effect, "asked again", True)
    return None


def _retry_held(m: Machine, message: msg.Control) -> _Refusal:
    held, waiting = m.c.held, m.c.deferred
    m.emit(ev.CommitmentReleased, reason=message.reason)
    for fault in reversed([held, *held.get("also", [])]):
        if fault["error"]["code"] != "bound.state":  # there the message itself comes again
            _again(m, fault["node"])
    m.replay = waiting
    return None


def _again(m: Machine, path: str) -> None:
    """Enter a node again that an internal fault held, or go on with the block that it is."""
    found = m.d.by_template.get(template_of(path)) if path else m.d.root
    if isinstance(found, Update):  # what it answers when its run is done
        if path in m.c.nodes:
            m.push(blocks.flow_ended, path, found.flow)
    elif isinstance(found, Handler):
        if failures.is_open(m, path.rpartition("/")[0]) and path not in m.c.subs:
            m.push(waits.open_handler, path, found)
    elif found is not None and path in m.c.nodes:
        blocks.resume(m, path, found)
    elif found is not None and found.parent is not None and failures.goes_on(m, path, found):
        if found.parent.role == "trigger":
            m.push(flow.enter, path, found)
        else:
            container = path[: -len(found.name) - 1]
            m.push(flow.enter_flow, container, found.parent, found.index)


def _retry_debt(m: Machine, number: str, debt: Debt, message: msg.Control) -> _Refusal:
    if debt.kind == "undo":
        entry = m.c.entries.get(debt.node)
        if entry is None or not any(is_under(debt.node, t) for t in m.c.undoing):
            return "control.target", "nothing is to be undone there"
        if entry.state == "open":
            return "control.target", "it is undone again after what was done later"
        if entry.state != "debt" or undo_flows.is_at_work(m, debt.node):
            return "control.target", "it is being undone again"
        m.emit(ev.DebtRetried, debt=number, reason=message.reason)
        undoing.advance_over(m, debt.node)
        return None
    if debt.kind == "forward" and not m.c.is_over:
        node = m.node(debt.node)
        if node.kind in _BLOCKS or not failures.goes_on(m, debt.node, node):
            return "control.target", "a block is settled with a result, not retried"
        if effect_id(m.c.id, debt.node, "undo") in m.c.effects:  # one key cannot do it once more
            return "control.target", "its undo has begun: it is settled with a result, not retried"
        m.emit(ev.DebtSettled, debt=number, how="retry", reason=message.reason)
        m.push(flow.enter, debt.node, node)
        return None
    return "control.target", f"a {debt.kind} debt is settled with evidence, not retried"


def _settle(m: Machine, message: msg.Control) -> _Refusal:
    if not message.evidence:
        return "control.evidence", "name what shows it"
    debt = _debt(m, message.node)
    if debt is not None:
        return _settle_debt(m, *debt, message)
    for key, effect in m.c.effects.items():
        if effect.state == "unknown" and _names(effect.node, message.node):
            if message.outcome not in ("done", "not_done"):
                return "control.evidence", "outcome is done or not_done"
            return _settle_effect(m, key, message)
    return "control.target", f"{message.node or 'nothing'} waits for a person"


def _settle_effect(m: Machine, key: str, message: msg.Control) -> _Refusal:
    effect = m.c.effects[key]
    if message.outcome == "done":
        problem = effects.does_not_fit(m, effect, message.result)
        if problem is not None:
            return "reply.schema", problem
    m.emit(ev.EffectProbed, effect=key, answer="by_hand", note=f"{message.by}: {message.reason}",
           evidence=message.evidence)  # fmt: skip
    outcomes.settle_by_hand(m, key, effect, message.outcome or "", message.result, message.by)
    return None


def _settle_debt(m: Machine, number: str, debt: Debt, message: msg.Control) -> _Refusal:
    entry = m.c.entries.get(debt.node) if debt.kind == "undo" else None
    if entry is not None and entry.state == "undoing":
        # Settled now, its undo would still be under way when the commitment has ended.
        return "control.target", "it is being undone again"
    if debt.kind == "forward":
        node = m.node(debt.node)
        problem = given.problem(node.filler, message.result)
        problems = [problem] if problem is not None else []
        if node.contract is not None:
            problems += node.contract.result_validator.check(message.result, "result")
        if problems:
            return "reply.schema", "; ".join(problems)
    m.emit(
        ev.DebtSettled, debt=number, how="by_hand", reason=message.reason,
        evidence=message.evidence, result=message.result,
    )  # fmt: skip
    if debt.kind == "undo":
        undoing.advance_over(m, debt.node)
    elif debt.kind == "forward" and not m.c.is_over:
        _settle_forward(m, debt.node, message.result)
    return None


def _settle_forward(m: Machine, path: str, result: Json) -> None:
    """What failed past a pivot counts as done; the root itself, as fulfilled."""
    node = m.node(path)
    if node.parent is None:
        endings.fulfil(m, result)
    elif failures.goes_on(m, path, node):
        flow.finish(m, path, node, given.complete(path, node.filler, result))


_FINISHED = frozenset({
    "scope", "choose", "race", "parallel", "repeat", "for_each", "lock", "await", "sleep",
})  # fmt: skip


def _finish(m: Machine, message: msg.Control) -> _Refusal:
    """An open block, or a rest, is complete with what is done in it."""
    if m.c.is_over or "" in m.c.undoing:
        return "state.says_no", f"it is {m.c.status}"
    if not message.evidence:
        return "control.evidence", "name what shows it"
    for path in m.c.nodes:
        node = m.d.by_template.get(template_of(path)) if path else None
        if not isinstance(node, Node) or not path.endswith(node.name):
            continue  # an item, or the run of an undo_flow, has the template of its block
        is_meant = message.node is not None and _names(path, message.node)
        if node.kind in _FINISHED and is_meant and targets.may_stop(m, path):
            targets.finish_by_hand(m, path, message.by, message.evidence, message.result)
            return None
    return "control.target", f"{message.node or 'nothing'} is no open block"


def _move(m: Machine, message: msg.Control) -> _Refusal:
    """A running time of a node has another due time."""
    if m.c.is_over:
        return "state.says_no", f"it is {m.c.status}"
    if message.to_us is None:
        return "control.time", "say to when"
    for timer in m.c.timers:
        path, _, kind = timer.rpartition(":")
        if kind in targets.TIMERS and path and _names(path, message.node):
            if message.to_us - m.now_us > defaults.TIMER_US_MAX:
                return "control.time", "that is over ten years from now"
            m.emit(ev.TimerMoved, node="", timer=timer, due_us=message.to_us)
            return None
    return "control.target", f"{message.node or 'nothing'} has no time that runs"


def _debt(m: Machine, name: str | None) -> tuple[str, Debt] | None:
    """The debt of that number or at that node; without a name, the only one."""
    for number, debt in m.c.debts.items():
        if name in (number, debt.node) or (name is None and len(m.c.debts) == 1):
            return number, debt
    if name is not None:
        for number, debt in m.c.debts.items():
            if _names(debt.node, name):
                return number, debt
    return None


def _names(path: str, wanted: str | None) -> bool:
    """Whether a person means the node at `path`: its path, its last name, or no name at all."""
    return wanted is None or path == wanted or path.rpartition("/")[2] == wanted


_ACTIONS = {
    "cancel": _cancel, "pause": _pause, "resume": _resume, "retry": _retry, "settle": _settle,
    "finish": _finish, "move": _move,
}  # fmt: skip
