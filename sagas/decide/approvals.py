"""Approvals: what is asked, who may answer, what a decision allows (semantics sections 3 and 6)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from domain import events as ev
from domain import messages as msg
from domain.durations import duration_us
from domain.ids import approval_digest, approval_id
from domain.seats import free_seat, missing_seats
from domain.state import NO_REPLY, Asked, Binding, Effect, Instance, binding_paths, frames_of
from sagas import defaults
from sagas.decide import (
    effects,
    escalation,
    failures,
    flow,
    for_each,
    given,
    no_answer,
    outcomes,
    stopping,
)
from sagas.decide.machine import Machine, NodeFault, error_of, path_of
from sagas.definition import Node
from sagas.expressions import MISSING

__all__ = [
    "ask_again",
    "binding_of",
    "decide_approval",
    "enter_approve",
    "expire",
    "expired_before_start",
    "not_by",
    "usable",
]  # fmt: skip

Json = Any


def enter_approve(m: Machine, path: str, node: Node) -> None:
    """Ask for the first time."""
    _ask(m, path, node, 1)


def _ask(m: Machine, path: str, node: Node, asked: int) -> None:
    """Bind the question to the digests of exactly the actions it would allow."""
    args, digests = _actions(m, path, node)
    number = _number(m, path, asked)
    subject = m.value(node.x["subject"], path) if "subject" in node.x else None
    valid = node.doc.get("valid")
    due_us = None if node.within_us is None else flow.due_after(m, path, node.within_us)
    m.emit(
        ev.ApprovalAsked, node=path, approval=number, level=node.doc["level"], digests=digests,
        args=args,
        digest=approval_digest(number, digests, subject), subject=subject,
        evidence=_evidence(m, path, node), needs=_needs(node), not_by=not_by(m, path, node),
        due_us=due_us, asked=asked, uses=_uses(node),
        timers=escalation.timers_of(m, path, node) or None,
        valid_us=duration_us(valid) if valid else defaults.DECISION_VALID_US,
    )  # fmt: skip


def _number(m: Machine, path: str, asked: int) -> str:
    """The id of a question: another one where its node failed before, and is entered anew."""
    before = m.c.trail.get(path)
    place = f"{path} {before.version}" if before and before.state == "failed" else path
    return approval_id(m.c.id, place, asked)


def _uses(node: Node) -> int:
    return node.doc.get("uses", defaults.DECISION_USES)


def _needs(node: Node) -> list[str]:
    """Seats beyond the level's, one entry each."""
    return [need["role"] for need in node.doc.get("needs", ()) for _ in range(need.get("count", 1))]


def not_by(m: Machine, path: str, node: Node) -> list[str]:
    """Who may not act here: the people of the approves and tasks that the node names.

    Where one rejected and the flow went on, all who decided there.
    """
    barred: set[str] = set()
    bind = m.binder(path)
    for name in node.doc.get("not_by", ()):
        barred.update(m.c.deciders.get(path_of(m, path, name) or "", ()))
        decision: Any = bind("decisions", name)
        if decision is not MISSING and decision.get("decision") == "reject":
            barred.add(decision["by"])
    return sorted(barred)


def _evidence(m: Machine, path: str, node: Node) -> Json:
    """The evidence pack: what each named node yielded, with when it did."""
    pack: list[Json] = []
    bind = m.binder(path)
    for name in node.doc.get("evidence", ()):
        where = path_of(m, path, name) or name
        trail = m.c.trail.get(where)
        item: dict[str, Any] = {"node": where, "at_us": trail.at_us if trail else None}
        if name == "input":
            item["value"] = m.c.input
        for root in ("results", "decisions"):
            value = bind(root, name)
            if isinstance(value, (dict, list, str, int, float, bool)) and root == "results":
                item["value"] = value
        found = _raw_event(m, path, name)
        if found is not None:
            item["event"] = found
        pack.append(item)
    return pack or None


def _raw_event(m: Machine, path: str, name: str) -> Json:
    for frame in frames_of(path):
        events = m.c.frames.get(frame, {}).get("events", {})
        if name in events:
            return events[name]
    return None


# --- deciding --------------------------------------------------------------------------------


def decide_approval(m: Machine, message: msg.Decide) -> None:
    """A person's answer. Whatever is wrong with it is refused with a code, and audited."""
    found = None if m.c.is_over else _find(m, message.approval)
    refusal = _refuse(m, message, found)
    if refusal is not None:
        code, detail = refusal
        m.emit(ev.MessageRefused, code=code, detail=f"{message.by}: {detail}")
        m.outcome = {"code": code, "detail": detail}
        return
    assert found is not None
    path, instance = found
    assert instance.asked is not None
    if message.answer == "edit":
        message = replace(message, payload=_payload(m, path, message))
    if message.answer == "reject":
        _reject(m, path, message)
    else:
        _take_seat(m, path, instance.asked, message)


def _find(m: Machine, approval: str) -> tuple[str, Instance] | None:
    for path, instance in m.c.nodes.items():
        if instance.asked is not None and instance.asked.approval == approval:
            return path, instance
    return None


def _refuse(
    m: Machine, message: msg.Decide, found: tuple[str, Instance] | None
) -> tuple[str, str] | None:
    if found is None or found[1].branch is not None:
        return "decision.closed", f"it is {m.c.status}" if m.c.is_over else "it is not open"
    path, instance = found
    asked = instance.asked
    assert asked is not None
    if message.actor_type != "human":
        return "decision.actor", f"actor type {message.actor_type} may not decide"
    if message.digest != asked.digest:
        return "decision.changed", "the action is not the one you saw"
    if message.by in asked.not_by:
        return "decision.not_by", "who decided before may not decide here"
    if message.by in asked.seats.values():
        return "decision.twice", "you hold a seat of this approval already"
    if free_seat(asked, message.seats) is None:
        called = f", or {' or '.join(asked.escalated)} in their place" if asked.escalated else ""
        return "decision.seat", f"wanted: {', '.join(missing_seats(asked))}{called}"
    if message.answer == "reject" and not (message.reason or "").strip():
        return "decision.reason", "say why"
    if message.answer == "edit":
        return _refuse_edit(m, path, message)
    return None


def _refuse_edit(m: Machine, path: str, message: msg.Decide) -> tuple[str, str] | None:
    schema = m.node(path).doc.get("edit")
    if schema is None:
        return "decision.not_editable", "approve or reject"
    problems = m.d.validator_of(schema).check(message.payload, "payload")
    if not problems:
        try:
            _actions(m, path, m.node(path), _payload(m, path, message))
        except NodeFault as bad:
            problems = [bad.error["message"]]
    return ("decision.payload", "; ".join(problems)) if problems else None


def _payload(m: Machine, path: str, message: msg.Decide) -> Json:
    """The edit with what it leaves out. Raises NodeFault when that is too large."""
    return given.complete(path, m.node(path).filler, message.payload)


def _take_seat(m: Machine, path: str, asked: Asked, message: msg.Decide) -> None:
    if message.answer == "edit":
        asked = _amend(m, path, asked, message)
    found = free_seat(asked, message.seats)
    assert found is not None
    seat, held = found
    m.emit(ev.SeatTaken, node=path, approval=asked.approval, seat=seat, by=message.by,
           reason=message.reason, held=held)  # fmt: skip
    instance = m.c.nodes[path]
    assert instance.asked is not None
    missing = missing_seats(instance.asked)
    m.outcome = {"status": "seat_taken", "missing": missing, "digest": asked.digest}
    if not missing:
        _grant(m, path, instance.asked, message)


def _amend(m: Machine, path: str, asked: Asked, message: msg.Decide) -> Asked:
    """An edit changes the action, so it voids earlier seats: they approved something else."""
    node = m.node(path)
    args, digests = _actions(m, path, node, message.payload)
    digest = approval_digest(asked.approval, digests, message.payload)
    m.emit(ev.ApprovalAmended, node=path, approval=asked.approval, payload=message.payload,
           args=args, digests=digests, digest=digest, by=message.by)  # fmt: skip
    amended = m.c.nodes[path].asked
    assert amended is not None
    return amended


def _grant(m: Machine, path: str, asked: Asked, message: msg.Decide) -> None:
    edited = asked.payload
    decision = {
        "decision": "edit" if edited is not None else "approve",
        "by": ", ".join(asked.seats[s] for s in sorted(asked.seats)), "at": flow.rfc3339(m.now_us),
        "reason": message.reason or "", "payload": edited, "expired": False,
    }  # fmt: skip
    m.emit(ev.ApprovalGranted, node=path, approval=asked.approval, decision=decision)
    m.outcome = {"status": "granted", "missing": [], "digest": asked.digest}
    _go_on(m, path, m.node(path))


def _actions(
    m: Machine, path: str, node: Node, payload: Json = None
) -> tuple[dict[str, Json], dict[str, str]]:
    """Arguments and digest of each covered action, with the decision put in where they read it."""
    provisional = {
        "decision": "approve" if payload is None else "edit", "by": "", "at": "",
        "reason": "", "payload": payload, "expired": False,
    }  # fmt: skip
    local = {("decisions", node.name): provisional}
    args: dict[str, Json] = {}
    digests: dict[str, str] = {}
    if node.kind != "approve":  # asked anew for one step alone
        args[path], digests[path] = effects.action_of(m, path, node, local)
        return args, digests
    for step in node.covers:
        for place, each in for_each.frames_read(m, path, step):
            args[place], digests[place] = effects.action_of(m, place, step, {**local, **each})
    flow.bounded(path, args)
    return args, digests


def _go_on(m: Machine, path: str, node: Node) -> None:
    if node.kind == "step":
        effects.enter_step(m, path, node)
    elif node.flow is None:
        flow.finish(m, path, node)
    else:
        flow.start_flow(m, node.flow, path)


def _reject(m: Machine, path: str, message: msg.Decide) -> None:
    asked = m.c.nodes[path].asked
    assert asked is not None
    decision = {
        "decision": "reject", "by": message.by, "at": flow.rfc3339(m.now_us),
        "reason": message.reason, "payload": None, "expired": False,
    }  # fmt: skip
    m.emit(ev.ApprovalRejected, node=path, approval=asked.approval, decision=decision,
           deciders=sorted(asked.seats.values()) or None)  # fmt: skip
    m.outcome = {"status": "rejected", "missing": [], "digest": asked.digest}
    node = m.node(path)
    if node.doc.get("on_reject") == "continue":
        flow.finish(m, path, node)
    else:
        name = m.node(asked.gate).name
        error = error_of("rejected", name, message.reason or "", path, {"by": message.by})
        failures.fail(m, path, error)


def expire(m: Machine, path: str, node: Node) -> None:
    """`within` is over and not every seat was taken.

    A step of which people were asked anew goes on only if it has a `within` of its own.
    """
    if node.on_expiry == "continue" and (node.kind == "approve" or node.within_us is not None):
        m.emit(ev.NodeDone, node=path, value={"expired": True})
        flow.done(m, path, node)
    else:
        text = "nobody decided in time"
        failures.fail(m, path, error_of("timeout", node.name, text, path))


# --- using a decision ------------------------------------------------------------------------


def usable(m: Machine, binding: Binding, action: str) -> bool:
    """Whether the decision allows exactly this action, now, and was not used up."""
    fresh = binding.not_after_us is None or m.now_us <= binding.not_after_us
    return binding.digest == action and fresh and binding.uses_left > 0


def binding_of(m: Machine, path: str) -> Binding | None:
    """The decision that was bound to the step at `path`."""
    found = [b for p in binding_paths(path) if (b := m.c.bindings.get(p)) is not None]
    return found[0] if found else None


def ask_again(m: Machine, path: str, node: Node, binding: Binding | None) -> None:
    """The decision is stale: the action changed or time passed. Ask anew, three times in all.

    An item that came later than the decision has none: of it people are asked for the first time.
    """
    gate_path = binding.node if binding is not None else _gate_of_item(m, path, node)
    if gate_path is None:
        text = f"no decision covers {node.name}"
        raise NodeFault(path, error_of("rejected", "no_decision", text, path))
    gate = m.node(gate_path)
    asked = 1
    if binding is not None:
        if binding.asked >= defaults.ASKED_MAX:
            text = f"the decision was stale {binding.asked} times"
            raise NodeFault(path, error_of("rejected", gate.name, text, path))
        asked = binding.asked + 1
        m.emit(ev.ApprovalVoided, node=path, approval=binding.approval, reason="stale")
    args, digests = _actions(m, path, node)
    number = _number(m, path, asked)
    valid = gate.doc.get("valid")
    m.emit(
        ev.ApprovalAsked, node=path, approval=number, level=gate.doc["level"], digests=digests,
        args=args,
        digest=approval_digest(number, digests, None), evidence=_evidence(m, path, gate),
        needs=_needs(gate), not_by=not_by(m, gate_path, gate), asked=asked,
        gate=gate_path, uses=_uses(gate), timers=escalation.timers_of(m, path, gate) or None,
        valid_us=duration_us(valid) if valid else defaults.DECISION_VALID_US,
        due_us=None if gate.within_us is None else flow.due_after(m, path, gate.within_us),
    )  # fmt: skip


def _gate_of_item(m: Machine, path: str, step: Node) -> str | None:
    """The approve that was granted for other items of the list that the step runs in."""
    if "[" not in path:
        return None
    gates = [n for n in m.d.by_name.values() if step in n.covers]
    places = [path_of(m, path, gate.name) for gate in gates]
    return next((place for place in places if place in m.c.deciders), None)


def expired_before_start(m: Machine, path: str, key: str, effect: Effect) -> None:
    """The decision's time passed before anybody started: surely not run; ask anew."""
    if effect.unanswered:  # an earlier attempt may have run: that is not to be asked anew
        text = "the decision expired while an attempt was unanswered"
        outcomes.for_good(m, key, effect, error_of("timeout", NO_REPLY, text, path))
        return
    node = m.node(path)
    m.emit(ev.EffectWithdrawn, effect=key, tried=no_answer.tried(m, key, effect))
    stops = effects.is_pivot(node) and stopping.resolve_pivot(m, path)
    if stopping.stop_over(m, path) is not None:
        stopping.check_stops(m)
    elif not stops:
        effects.enter_step(m, path, node)
