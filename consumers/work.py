"""Work for participants: claims, starts, heartbeats, replies, and what was overdue.

The dispatch row says who holds an attempt; what the flow must know of it becomes a message to the
commitment in the same transaction.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from consumers.batch import Batch, Passing, system_ctx
from consumers.envelope import rfc3339
from consumers.parts import ItemsRequest, lane_of_token
from domain.errors import code_of, refusal
from domain.messages import Answered, Lost, Mail, NotStarted, Started
from domain.ports import Asked, Claim, ClaimAsk, Dispatch, Overdue, Reply, Verdict
from domain.requests import HeartbeatsRequest, RepliesRequest, StartsRequest

__all__ = ["ANY_TENANT", "claim", "heartbeats", "overdue", "replies", "starts"]

Json = Any
ANY_TENANT = "*"
US_PER_S = 1_000_000
_REFUSED_START = {
    "cancelled": "start.cancelled", "expired": "start.expired", "lost": "start.refused",
}  # fmt: skip


def claim(batch: Batch, ask: ClaimAsk) -> list[Json]:
    """Claims as docs/format.md section 7 shows them. Call it after the batch was written."""
    lease_us = batch.parts.limits.lease_us
    found = batch.tx.claim(ask, now_us=batch.real_us, lease_us=lease_us)
    return [_shown(c, batch.real_us) for c in found]


def _shown(claimed: Claim, now_us: int) -> Json:
    return {
        **claimed.dispatch.body, "token": claimed.token, "started": claimed.started,
        "lease_s": (claimed.lease_until_us - now_us) / US_PER_S,
        "deadline": None if claimed.ends_us is None else rfc3339(claimed.ends_us),
    }  # fmt: skip


def starts(batch: Batch, request: StartsRequest) -> Json:
    """Allow workers to act on what they reserved."""
    if (passed := _passed_on(batch, request)) is not None:
        return passed
    return {"results": [_start(batch, request, item) for item in request.items]}


def _start(batch: Batch, request: StartsRequest, item: Json) -> Json:
    effect, token = item["effect"], item["token"]
    lease_us = batch.parts.limits.lease_us
    batch.desk_calls += 1
    if effect in batch.settled:
        return _refused(effect, "start.refused")
    reply = Reply(effect, token, request.worker, tenant=_tenant_asked(request.asked))
    verdict = batch.tx.start(reply, now_us=batch.real_us, lease_us=lease_us)
    row = verdict.dispatch
    if row is None or verdict.status in _REFUSED_START:
        return _refused(effect, _REFUSED_START.get(verdict.status, "start.refused"))
    if verdict.status == "ok" and row.needs_start:
        message = Started(effect, row.attempt, token, request.worker)
        batch.send(_mail(batch, request.asked, request.worker, row.stream, row.tenant, message))
    assert verdict.lease_until_us is not None
    return {
        "effect": effect, "status": "started",
        "lease_s": (verdict.lease_until_us - batch.real_us) / US_PER_S,
        "deadline": None if verdict.ends_us is None else rfc3339(verdict.ends_us),
    }  # fmt: skip


def _refused(effect: str, alias: str) -> Json:
    return {"effect": effect, "status": "refused", "code": code_of(alias).number, "alias": alias}


def heartbeats(batch: Batch, request: HeartbeatsRequest) -> Json:
    """Renew leases, and say which effects shall stop."""
    if (passed := _passed_on(batch, request)) is not None:
        return passed
    results: list[Json] = []
    for item in request.items:
        effect = item["effect"]
        batch.desk_calls += 1
        verdict = Verdict("lost")
        if effect not in batch.settled:
            whose = _tenant_asked(request.asked)
            reply = Reply(effect, item["token"], request.worker, "progress" in item, whose)
            lease_us = batch.parts.limits.lease_us
            verdict = batch.tx.heartbeat(reply, now_us=batch.real_us, lease_us=lease_us)
        row = verdict.dispatch
        if verdict.status == "lost" or row is None:
            results.append({"effect": effect, "status": "lost"})
        else:
            assert verdict.lease_until_us is not None
            left_s = (verdict.lease_until_us - batch.real_us) / US_PER_S
            results.append(
                {"effect": effect, "status": "held", "cancelled": verdict.cancelled,
                 "lease_s": left_s}
            )  # fmt: skip
    return {"results": results}


def replies(batch: Batch, request: RepliesRequest) -> Json:
    """Record what workers answer: recorded, repeated, late or fenced, in the order asked."""
    if (passed := _passed_on(batch, request)) is not None:
        return passed
    return {"results": [_reply(batch, request, item) for item in request.items]}


def _passed_on(batch: Batch, request: ItemsRequest) -> Passing | None:
    """Hand items of another owner's lane on to it; None where they are ours.

    The desk gives items of one lane, or of lanes of ours. Raises Refusal where that is no longer.
    """
    lanes = {lane for item in request.items if (lane := lane_of_token(item)) is not None}
    foreign = {n for n in lanes if n < batch.parts.lanes and not batch.owns_lane(n)}
    if not foreign:
        return None
    if len(lanes) > 1:
        raise refusal("store.lane_lost", f"lanes {sorted(foreign)} went to another process")
    return batch.pass_on(request, foreign.pop())


def _reply(batch: Batch, request: RepliesRequest, item: Json) -> Json:
    effect = item["effect"]
    verdict = Verdict("lost")
    if effect not in batch.settled:
        whose = _tenant_asked(request.asked)
        verdict = batch.tx.take_reply(Reply(effect, item["token"], request.worker, tenant=whose))
    row = verdict.dispatch
    if verdict.status == "fenced":
        return _result(effect, "fenced", "reply.fenced")
    is_current = verdict.status == "ok" and row is not None
    stream = row.stream if row is not None else _stream_of(item)
    if stream is None or not batch.owns(stream) or not _is_ours(batch, request.asked, stream):
        return _result(effect, "fenced", "reply.fenced")
    message = _answered(item, request.worker, row if is_current else None)
    tenant = row.tenant if row is not None else _tenant_of(batch, request.asked, stream)
    applied = batch.send(_mail(batch, request.asked, request.worker, stream, tenant, message))
    outcome: dict[str, Json] = applied.outcome or {}
    if outcome:
        return _result(effect, outcome.get("status", "fenced"), outcome.get("code"), outcome)
    if applied.is_held or is_current:
        return _result(effect, "recorded")
    return _result(effect, "late", "reply.late")


def _result(
    effect: str, status: str, alias: str | None = None, outcome: dict[str, Json] | None = None
) -> Json:
    result = {"effect": effect, "status": status}
    if alias is not None:
        result |= {"code": code_of(alias).number, "alias": alias}
    if outcome is not None and "detail" in outcome:
        result["detail"] = outcome["detail"]
    return result


def _answered(item: Json, worker: str, row: Dispatch | None) -> Answered:
    """The reply as a message; of a current one the row, not the worker, says what it is about."""
    after_s = item.get("retry_after_s")
    return Answered(
        effect=item["effect"],
        attempt=item.get("attempt", 0) if row is None else row.attempt,
        token=item["token"],
        kind=item.get("kind", "do") if row is None else row.kind,
        outcome=item["outcome"],
        worker=worker,
        result=item.get("result"),
        code=item.get("code"),
        message=item.get("message"),
        retry_after_us=None if after_s is None else int(after_s * US_PER_S),
        evidence=item.get("evidence"),
        current=row is not None,
    )


def _stream_of(item: Json) -> UUID | None:
    """The commitment that a late reply names."""
    try:
        return UUID(item["commitment"])
    except (KeyError, ValueError, TypeError, AttributeError):
        return None


def _is_ours(batch: Batch, asked: Asked, stream: UUID) -> bool:
    """Whether there is such a commitment and the worker's key may answer for it."""
    entry = None if stream in batch.parts.parked else batch.entry_or_none(stream)
    if entry is None:
        # Held for a stream that is set aside: whose that is must be known all the same.
        return asked.tenant == ANY_TENANT or batch.tenant_of(stream) in (asked.tenant, None)
    return entry.state is not None and asked.tenant in (ANY_TENANT, entry.state.tenant)


def _tenant_of(batch: Batch, asked: Asked, stream: UUID) -> str:
    """Whose the commitment is: a worker's key may be for everybody's."""
    entry = batch.touched.get(stream)
    if entry is not None and entry.state is not None:
        return entry.state.tenant
    return batch.tenant_of(stream) or asked.tenant


def _tenant_asked(asked: Asked) -> str | None:
    """Whose work a key is for; None is everybody's."""
    return None if asked.tenant == ANY_TENANT else asked.tenant


def _mail(batch: Batch, asked: Asked, worker: str, stream: UUID, tenant: str, message: Any) -> Mail:
    ctx = {
        "tenant": tenant, "actor": worker, "actor_type": asked.actor_type, "correlation": None,
        "causation": message.effect, "trace": asked.trace,
    }  # fmt: skip
    return Mail(stream, tenant, message, ctx, batch.accept_us)


def overdue(batch: Batch, found: Overdue) -> None:
    """Tell the commitment what a lost or never started attempt means for it."""
    row, reason = found.dispatch, found.reason
    kind = Lost if reason in ("lease", "timeout") else NotStarted
    message = kind(row.effect, row.attempt, row.kind, reason)
    ctx = system_ctx(row.tenant)
    batch.send(Mail(row.stream, row.tenant, message, ctx, batch.accept_us))
