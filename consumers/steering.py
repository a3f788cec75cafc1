"""What people do: decide approvals, do tasks, steer commitments, redrive dead letters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from consumers.accept import Acceptance, publish
from consumers.batch import Batch
from consumers.envelope import rfc3339, time_us
from domain.canonical import unsound
from domain.errors import Refusal, refusal
from domain.ids import update_digest
from domain.messages import Control, Decide, Mail, TaskAct, Update
from domain.ports import Receipt
from domain.requests import (
    ControlRequest,
    DecideRequest,
    Publish,
    RedriveRequest,
    TaskRequest,
    UpdateRequest,
)

__all__ = ["CONTROLS", "control", "decide", "redrive", "task", "update"]

Json = Any
CONTROLS = frozenset({"cancel", "pause", "resume", "retry", "settle", "finish", "move"})
RELEASE = "release"
_UPDATES = "urn:troth:updates:"
"""Under this and the commitment's id the receipts of updates are kept."""


def decide(batch: Batch, request: DecideRequest) -> Json:
    """Record a decision: who, what they saw, and which seats are still wanted. Raises Refusal."""
    asked = request.asked
    if not batch.owns(request.commitment):
        return batch.pass_on(request, batch.lane_of(request.commitment))
    message = Decide(
        request.approval, request.answer, request.digest, asked.actor, asked.actor_type,
        asked.seats, request.reason, request.payload,
    )  # fmt: skip
    outcome = _tell(batch, request, message)
    return {
        "by": asked.actor, "actor_type": asked.actor_type, "digest": request.digest,
        "recorded": batch.position(request.commitment), "missing": [], **outcome,
    }  # fmt: skip


def task(batch: Batch, request: TaskRequest) -> Json:
    """Claim, release or complete a task: {"by", "status", "recorded"}. Raises Refusal."""
    asked = request.asked
    if not batch.owns(request.commitment):
        return batch.pass_on(request, batch.lane_of(request.commitment))
    message = TaskAct(
        request.task, request.action, asked.actor, asked.actor_type, asked.seats, request.payload
    )
    outcome = _tell(batch, request, message)
    return {"by": asked.actor, "recorded": batch.position(request.commitment), **outcome}


def update(batch: Batch, request: UpdateRequest) -> Json:
    """Accept an update, or answer the same as before to the same id. Raises Refusal."""
    asked = request.asked
    bad = unsound(request.args)
    if bad is not None:
        raise refusal(*bad)
    if not batch.owns(request.commitment):
        return batch.pass_on(request, batch.lane_of(request.commitment))
    source = f"{_UPDATES}{request.commitment}"
    digest = bytes.fromhex(update_digest(request.name, request.args))
    known = batch.receipt(asked.tenant, source, request.id)
    if known is not None:
        if known.digest != digest:
            raise refusal("key_reused", f"update {request.id} was accepted with another content")
        return {**(known.outcome or {}), "repeated": True}
    root = batch.tx.next_root()
    message = Update(request.name, request.id, asked.actor, request.args)
    outcome = _tell(batch, request, message, root)
    answer = {
        "id": request.id, "answer": None, **outcome,
        "recorded": batch.position(request.commitment),
    }  # fmt: skip
    batch.accept(Receipt(asked.tenant, source, request.id, digest, root, batch.accept_us, answer))
    return {**answer, "repeated": False}


def control(batch: Batch, request: ControlRequest) -> Json:
    """Steer a commitment: {"status", "position"}. Raises Refusal."""
    if request.action not in CONTROLS and request.action != RELEASE:
        raise refusal("control.unknown", f"{request.action!r} is none of the controls")
    if not request.reason.strip():
        raise refusal("control.reason", "the reason is empty")
    if not batch.owns(request.commitment):
        return batch.pass_on(request, batch.lane_of(request.commitment))
    if request.action == RELEASE:
        return _release(batch, request)
    message = Control(
        request.action, request.asked.actor, request.reason, request.node, request.outcome,
        request.result, request.evidence, _time_of(request),
    )  # fmt: skip
    outcome = _tell(batch, request, message)
    return {"status": "recorded", **outcome, "position": batch.position(request.commitment)}


def _time_of(request: ControlRequest) -> int | None:
    if request.to is None:
        return None
    try:
        return time_us(request.to)
    except Refusal as bad:
        raise refusal("control.time", bad.detail) from bad


def _release(batch: Batch, request: ControlRequest) -> Json:
    """Let a parked stream go on; what was held for it runs next, in order."""
    stream = request.commitment
    is_parked = stream in batch.parts.parked
    if not is_parked or batch.tenant_of(stream) not in (request.asked.tenant, None):
        raise refusal("control.target", f"stream {stream} is not parked")
    batch.release(stream)
    told = {"stream": str(stream), "by": request.asked.actor, "reason": request.reason}
    batch.notes.append(("stream_released", told))
    return {"status": "released", "position": batch.position(stream)}


def _tell(
    batch: Batch,
    request: DecideRequest | TaskRequest | UpdateRequest | ControlRequest,
    message: Any,
    root: int | None = None,
) -> dict[str, Json]:
    """Send a person's message to a commitment of their tenant; its refusal is raised."""
    asked, stream = request.asked, request.commitment
    entry = None if stream in batch.parts.parked else batch.entry_or_none(stream)
    if entry is not None and getattr(entry.state, "tenant", None) != asked.tenant:
        raise refusal("http.not_found", f"there is no commitment {stream}")
    ctx = asked.ctx(correlation=None, causation=None)
    mail = Mail(stream, asked.tenant, message, ctx, batch.accept_us,
                batch.tx.next_root() if root is None else root)  # fmt: skip
    outcome: dict[str, Json] = batch.send(mail, is_recorded=False).outcome or {}
    if "code" in outcome:
        errors = tuple(outcome.get("errors", ()))
        raise Refusal(outcome["code"], outcome.get("detail", ""), errors)
    return outcome


def redrive(acceptance: Acceptance, batch: Batch, request: RedriveRequest) -> Json:
    """Send a dead letter again as a new event caused by it, or discard it. Raises Refusal.

    The new event's id derives from the letter, so a letter is redriven once.
    """
    if not request.reason.strip():
        raise refusal("control.reason", "the reason is empty")
    remedy = {
        "by": request.asked.actor, "actor_type": request.asked.actor_type,
        "reason": request.reason, "at": rfc3339(batch.accept_us),
    }  # fmt: skip
    if request.event is None:
        batch.settle_letter(request.dead_letter, "discarded", remedy)
        return {"status": "discarded"}
    old = str(request.event.get("id") or request.dead_letter)
    event = {**request.event, "id": f"redrive-{request.dead_letter}", "causationid": old}
    event.setdefault("correlationid", old)
    sent = Publish(replace(request.asked, trace=None), event, orjson.dumps(event))
    answer = publish(acceptance, batch, sent, is_redriven=True)
    batch.settle_letter(request.dead_letter, "redriven", remedy)
    return {**answer, "status": "redriven", "event": event["id"]}
