"""Records of a log outside as requests of the engine, or as dead letters with the reason."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Any

import jsonschema_rs

import schemas
from consumers.records import Readable, Record, read
from domain.errors import Refusal, refusal
from domain.json_text import parse
from domain.ports import Asked
from domain.requests import Logged, Publish, RepliesRequest, StartsRequest
from domain.source import Arrival

__all__ = ["ReadAs", "of_event", "of_reply"]

Json = Any
ANY_TENANT = "*"
RECORD_BYTES_MAX = 1_048_576
"""Of an event or a reply: more is refused as over HTTP."""
RAW_BYTES_MAX = 1_048_576
"""What a dead letter of a reply keeps of it; the whole record stays in its topic."""
FAULT_TEXT_MAX = 300
FORM = 1
"""Of what workers say (docs/format.md)."""


@dataclass(frozen=True, slots=True)
class ReadAs:
    """Who may speak over the log. There are no keys there: the broker's ACLs say who may write.

    `tenants` None: any that an event names. `tenant` is that of an event which names none.
    """

    tenants: Collection[str] | None = None
    tenant: str | None = None
    actor_type: str = "executor_system"


def of_event(arrival: Arrival, who: ReadAs) -> tuple[Logged, ...]:
    """The event of a record, asked for by its source."""
    if arrival.fault is not None:
        return (_undecoded(arrival, arrival.fault, who),)
    return (_event(arrival, who),)


def _undecoded(arrival: Arrival, fault: str, who: ReadAs) -> Logged:
    asked = _asked(who, who.tenant or ANY_TENANT, arrival.part.topic, None)
    raw = (arrival.value or b"")[:RAW_BYTES_MAX]
    return _faulty(arrival, asked, raw, "event.envelope", fault)


def _event(arrival: Arrival, who: ReadAs) -> Logged:
    record = Record(arrival.headers, arrival.key, arrival.value)
    found = read(record, bytes_max=RECORD_BYTES_MAX)
    if not isinstance(found, Readable):
        asked = _asked(who, who.tenant or ANY_TENANT, arrival.part.topic, None)
        return _faulty(arrival, asked, found.raw, found.alias, found.detail)
    event = found.event
    named = event.get("tenantid")
    trace = found.trace
    asked = _asked(who, str(named or who.tenant or ANY_TENANT), str(event["source"]), trace)
    fault = _fault_of_tenant(who, named)
    if fault is not None:
        return _faulty(arrival, asked, found.raw, fault.alias, fault.detail)
    request = Publish(asked, event, found.raw)
    return Logged(asked, arrival.cursor, arrival.at_us, request, found.raw)


def _fault_of_tenant(who: ReadAs, named: Json) -> Refusal | None:
    if named is None and who.tenant is None:
        return refusal("event.tenant", "no tenantid, and kafka_tenant names no default")
    if named is not None and not isinstance(named, str):
        return refusal("event.envelope", "tenantid: a text is wanted")
    tenant = who.tenant if named is None else named
    if who.tenants is not None and tenant not in who.tenants:
        return refusal("event.foreign_tenant", f"{tenant}: not one of kafka_tenants")
    return None


def of_reply(arrival: Arrival, who: ReadAs) -> tuple[Logged, ...]:
    """What a worker says: the body of `POST …/replies` or `…/starts`, or one reply with `worker`.

    Words that something started, among the replies, are a request of their own, before them.
    """
    if arrival.fault is not None:
        return (_undecoded(arrival, arrival.fault, who),)
    raw = (arrival.value or b"")[:RAW_BYTES_MAX]
    try:
        requests = _said(arrival.value or b"", who)
    except Refusal as refused:
        asked = _asked(who, ANY_TENANT, arrival.part.topic, None)
        return (_faulty(arrival, asked, raw, refused.alias, refused.detail),)
    # Who says it is the worker, not the topic.
    return tuple(Logged(r.asked, arrival.cursor, arrival.at_us, r, raw) for r in requests)


def _said(value: bytes, who: ReadAs) -> list[StartsRequest | RepliesRequest]:
    if len(value) > RECORD_BYTES_MAX:
        told = f"the record has {len(value)} bytes, {RECORD_BYTES_MAX} are allowed"
        raise refusal("event.too_large", told)
    if not value:
        raise refusal("reply.outcome", "the record has no value")
    body = parse(value, alias="event.json")
    if not isinstance(body, dict):
        raise refusal("reply.outcome", "a JSON object is wanted")
    if body.pop("form", FORM) != FORM:
        raise refusal("reply.outcome", f"form: only {FORM} is known here")
    if "replies" not in body and "starts" not in body:
        reply = {name: value for name, value in body.items() if name != "worker"}
        body = {"worker": body.get("worker"), "replies": [reply]}
    starts, replies = _sorted(body)
    worker: Any = body.get("worker")
    requests: list[StartsRequest | RepliesRequest] = []
    if starts:
        _check("starts", {"worker": worker, "starts": starts})
        asked = _asked(who, ANY_TENANT, worker, None)
        requests.append(StartsRequest(asked, worker, tuple(starts)))
    if replies or not starts:
        _check("replies", {"worker": worker, "replies": replies})
        asked = _asked(who, ANY_TENANT, worker, None)
        requests.append(RepliesRequest(asked, worker, tuple(replies)))
    return requests


def _sorted(body: Json) -> tuple[list[Json], list[Json]]:
    """What started, as `starts` has it, and the replies."""
    starts: list[Json] = body.get("starts", [])
    replies: list[Json] = body.get("replies", [])
    if not isinstance(starts, list) or not isinstance(replies, list):
        raise refusal("reply.outcome", "replies: a list is wanted")
    told = [item["started"] for item in replies if isinstance(item, dict) and "started" in item]
    found = [item if isinstance(item, dict) else {} for item in (*starts, *told)]
    kept = [{name: item.get(name) for name in ("effect", "token")} for item in found]
    return kept, [i for i in replies if not (isinstance(i, dict) and "started" in i)]


def _check(name: str, body: Json) -> None:
    if not _form(name).is_valid(body):
        error = next(iter(_form(name).iter_errors(body)))
        where = "/".join(str(step) for step in error.instance_path)
        raise refusal("reply.outcome", f"{where}: {error.message}"[:FAULT_TEXT_MAX])


@cache
def _form(name: str) -> Any:
    """The same form as over HTTP."""
    return jsonschema_rs.Draft202012Validator(schemas.part("wire.v1.json", name))


def _asked(who: ReadAs, tenant: str, actor: str, trace: str | None) -> Asked:
    return Asked(tenant, actor, who.actor_type, ("producer",), (), trace)


def _faulty(arrival: Arrival, asked: Asked, raw: bytes, alias: str, detail: str) -> Logged:
    where = f"{arrival.part.topic}/{arrival.part.number} at {arrival.cursor.offset - 1}"
    return Logged(
        asked, arrival.cursor, arrival.at_us, None, raw, (alias, f"{detail} ({where})")
    )  # fmt: skip
