"""Accepting: an event or a start becomes a receipt and messages, or a refusal with its reason.

The order of the checks is fixed, so that one event gets one answer: envelope, tenant, repeated id,
type, schema version, schema, key, what it starts, room in its key. What could not be accepted is
kept as a dead letter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from consumers.batch import Batch
from consumers.delivering import Carried, deliver
from consumers.envelope import RESERVED, rfc3339
from consumers.prepared import Prepared, check_input, prepare, start_key, start_message
from consumers.registry import Registry
from domain import key_stream as ks
from domain.canonical import unsound
from domain.errors import CODES, Refusal, refusal
from domain.events import Ctx
from domain.ids import key_id, saga_key_id, start_digest
from domain.messages import Arrive, Mail, Start
from domain.newer import NEWER
from domain.ports import DeadLetter, Receipt
from domain.requests import Publish, StartRequest

__all__ = ["Acceptance", "publish", "start"]

Json = Any
_NO_LETTER = frozenset({"event.foreign_tenant", "bound.mailbox", NEWER})
"""Another tenant's event is nobody's letter here; the others are the sender's to send again."""
_STARTS = f"{RESERVED}start>"


@dataclass(frozen=True, slots=True)
class Acceptance:
    """How events are accepted: what is known, and whether accept times come from the events."""

    registry: Registry
    is_event_time: bool = False


def publish(
    acceptance: Acceptance, batch: Batch, request: Publish, *, is_redriven: bool = False
) -> Json:
    """Accept one event: {"id", "status", "root", "position"}. Raises Refusal, with a dead letter.

    `reached` is [saga, key] of a commitment that it started or that took it, where there is one.
    A redriven one is accepted now, whenever it was sent, and makes no second dead letter.
    """
    try:
        prepared = batch.prepared.pop(id(request), None)
        if prepared is None:
            prepared = prepare(acceptance.registry, batch.parts.limits, request, batch.accept_us)
        return _accept(acceptance, batch, request, prepared, is_redriven)
    except Refusal as refused:
        if not is_redriven and refused.alias not in _NO_LETTER:
            batch.dead(_letter(request, refused, batch.accept_us))
        raise


def _accept(
    acceptance: Acceptance, batch: Batch, request: Publish, prepared: Prepared, is_redriven: bool
) -> Json:
    event, tenant, wanted = prepared.event, prepared.tenant, prepared.wanted
    known = batch.receipt(tenant, event["source"], event["id"])
    if known is not None:
        return _repeated(known, prepared.digest, "event.id_reused", f"event {event['id']}")
    if isinstance(wanted, Refusal):
        raise wanted
    if acceptance.is_event_time and wanted.sent_us is not None and not is_redriven:
        _advance(batch, wanted.sent_us)
    if isinstance(wanted.starts, Refusal):
        raise wanted.starts
    spec, key, starts = wanted.spec, wanted.key, wanted.starts
    # What nothing starts on and nothing waits for is kept too: parked, where it is seen.
    registry = acceptance.registry
    is_kept = not starts or registry.wants(spec.type) or registry.delivers(starts)
    home = key_id(tenant, key)
    if is_kept and batch.owns(home):
        _refuse_full(batch, home, key)
    root = batch.tx.next_root()
    arrive = None
    if is_kept:
        arrive = Arrive(tenant, key, wanted.record, acceptance.registry.ttl_us(spec.type))
    carried = Carried(tenant, _event_ctx(request, event, tenant), batch.accept_us, root)
    deliver(batch, carried, starts, home, arrive)
    answer = {"id": event["id"], "status": "accepted", "root": root}
    batch.accept(
        Receipt(
            tenant, event["source"], event["id"], prepared.digest, root, batch.accept_us, answer
        )
    )
    reached = _reached(batch, starts, home, event["id"])
    placed = {} if batch.line.is_behind else batch.placed(home)
    return {**answer, **placed, **({"reached": reached} if reached else {})}


def _reached(batch: Batch, starts: Sequence[Start], home: UUID, id: str) -> list[str] | None:
    """Saga and key of one commitment that the event went to; None when it was only kept."""
    if starts:
        return [starts[0].saga, starts[0].key]
    if not batch.owns(home):
        return None
    entry = batch.touched.get(home)
    if entry is None or entry.state is None:
        return None
    newest = next(reversed(entry.state.kept.values()), None)
    if newest is None or newest.event["id"] != id or not newest.takers:
        return None
    return list(newest.takers[0])


def _repeated(known: Receipt, digest: bytes, alias: str, what: str) -> Json:
    if known.digest != digest:
        raise refusal(alias, f"{what} was accepted with another content")
    answer = known.outcome or {"root": known.root}
    return {**answer, "status": "repeated"}


def _advance(batch: Batch, sent_us: int) -> None:
    """Where accept times come from events, move there; what is due by then fires first."""
    if sent_us < batch.accept_us:
        clock = rfc3339(batch.accept_us)
        raise refusal(
            "event.out_of_order", f"{rfc3339(sent_us)} is before {clock} of an earlier one"
        )
    batch.advance(sent_us)


def _refuse_full(batch: Batch, home: UUID, key: str) -> None:
    """Refuse before anything is written where the key can keep nothing more."""
    if not batch.can_hold(home):
        raise refusal("bound.mailbox", f"key {key} is parked after a fault and holds its most")
    entry = batch.entry_or_none(home)
    if entry is not None and ks.is_full(entry.state):
        raise refusal("bound.mailbox", f"key {key} keeps {ks.MAILBOX_MAX} events nothing took")


def _event_ctx(request: Publish, event: dict[str, Json], tenant: str) -> Ctx:
    asked = request.asked
    return {
        "tenant": tenant, "actor": asked.actor,
        "actor_type": event.get("actortype", asked.actor_type),
        "correlation": event.get("correlationid", event["id"]),
        "causation": event.get("causationid", event["id"]),
        "trace": event.get("traceparent", asked.trace),
    }  # fmt: skip


def _letter(request: Publish, refused: Refusal, at_us: int) -> DeadLetter:
    event = request.event if isinstance(request.event, dict) else {}
    source, id_ = event.get("source"), event.get("id")
    return DeadLetter(
        request.asked.tenant,
        source if isinstance(source, str) else "",
        id_ if isinstance(id_, str) else "",
        refused.alias,
        refused.detail,
        request.raw,
        at_us,
    )


# --- starts --------------------------------------------------------------------------------------


def start(acceptance: Acceptance, batch: Batch, request: StartRequest) -> Json:
    """Accept a start: {"id", "key", "run", "status", "created", "position"}. Raises Refusal."""
    asked = request.asked
    definition = acceptance.registry.of_saga(request.saga, request.version)
    if definition is None:
        version = "" if request.version is None else f" in version {request.version}"
        raise refusal("start.unknown_saga", f"{request.saga} is not registered{version}")
    bad = unsound(request.input)
    if bad is not None:
        raise refusal(*bad)
    digest = bytes.fromhex(start_digest(request.saga, request.version, request.input))
    if request.idempotency_key is not None:
        known = batch.receipt(asked.tenant, _STARTS, request.idempotency_key)
        if known is not None:
            return _repeated_start(known, digest, batch, request)
    check_input(definition, request.input, batch.parts.limits)
    key = start_key(definition, request.input)
    to = saga_key_id(asked.tenant, definition.saga, key)
    if not batch.owns(to):
        return batch.pass_on(request, batch.lane_of(to), key)
    cause = request.idempotency_key or f"{request.saga}/{key}"
    ctx = asked.ctx(correlation=cause, causation=cause)
    root = batch.tx.next_root()
    message = start_message(definition, asked.tenant, key, request.input, None)
    sent = Mail(to, asked.tenant, message, ctx, batch.accept_us, root)
    outcome = batch.send(sent, is_recorded=False).outcome
    code = outcome.get("code")
    if code is not None and CODES[code].status >= 400:
        raise refusal(code, outcome["detail"])
    answer = {"id": outcome["id"], "key": key, "run": outcome["run"], "root": root}
    if request.idempotency_key is not None:
        batch.accept(
            Receipt(
                asked.tenant,
                _STARTS,
                request.idempotency_key,
                digest,
                root,
                batch.accept_us,
                answer,
            )
        )
    extra = {} if code is None else {"code": CODES[code].number, "alias": code}
    status = _status_of(batch, outcome["id"], code)
    return {
        **answer, **extra, "status": status, "created": outcome["created"],
        "position": batch.position(to),
    }  # fmt: skip


def _repeated_start(known: Receipt, digest: bytes, batch: Batch, request: StartRequest) -> Json:
    what = f"idempotency key {request.idempotency_key}"
    answer = _repeated(known, digest, "key_reused", what)
    commitment = UUID(answer["id"])
    if not batch.owns(commitment):
        # Its status is known where its lane is.
        return batch.pass_on(request, batch.lane_of(commitment), answer["key"])
    status = _status_of(batch, answer["id"], None)
    return {**answer, "status": status, "created": False, "position": batch.position(commitment)}


def _status_of(batch: Batch, commitment: str, code: str | None) -> str:
    entry = batch.entry_or_none(UUID(commitment))
    if entry is not None and entry.state is not None:
        return entry.state.status
    return "open" if code is None else {"start.queued": "queued"}.get(code, "replacing")
