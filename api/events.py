"""POST /v1/events: domain events in, as CloudEvents, answered only when they are durable."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import quote

import orjson
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from api.bodies import media_type, parse, read_body
from api.cloudevents import from_binary
from api.docs import documented
from api.edge import Edge, answer, edge_of
from api.identity import asked_any, identified
from api.key import ANY_TENANT
from domain.cloudevents import BATCH, STRUCTURED, checked
from domain.errors import Refusal, code_of, refusal
from domain.ports import Asked, StoreFailed
from domain.requests import Publish

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["events"], dependencies=[Depends(identified)])

Json = Any

_PROBLEMS = (
    "event.json", "event.envelope", "event.attribute", "event.tenant", "event.foreign_tenant",
    "event.too_large", "event.unknown_type", "event.schema_version", "event.key",
    "event.content_type", "event.batch", "event.schema", "event.id_reused", "event.out_of_order",
    "bound.mailbox",
)  # fmt: skip

_EXAMPLE = {
    "specversion": "1.0",
    "id": "01J9ZK",
    "source": "urn:example:crm",
    "type": "partner.signed",
    "data": {"company": "acme", "signed_by": "signer-1"},
}
_EVENT = {"$ref": "#/components/schemas/event"}
_BODY = {
    "required": True,
    "content": {
        STRUCTURED: {"schema": _EVENT, "example": _EXAMPLE},
        BATCH: {"schema": {"$ref": "#/components/schemas/events"}, "example": [_EXAMPLE]},
        "application/json": {
            "schema": {"description": "Binary mode: the data; the attributes are headers."},
            "example": _EXAMPLE["data"],
        },
    },
}
_HEADERS = [
    {
        "name": f"ce-{name}",
        "in": "header",
        "required": False,
        "description": f"Binary mode: the attribute {name}, percent-encoded.",
        "schema": {"type": "string"},
        "example": _EXAMPLE[name],
    }
    for name in ("specversion", "id", "source", "type")
]


@router.post(
    "/events",
    status_code=202,
    summary="Publish events",
    **{
        **documented(
            answers={202: "event_answer", 200: "event_answer", 207: "batch_answer"},
            problems=_PROBLEMS,
        ),
        "openapi_extra": {"requestBody": _BODY, "parameters": _HEADERS},
    },
)
async def publish(request: Request) -> Response:
    """One event, binary (`ce-` headers) or structured, or a batch of at most 1,000.

    202: durable. 200: it was accepted before, with the same content. In a batch each event is
    answered on its own, in order: 202 when all were accepted, 207 when one or more were refused
    (their results carry the code); accepted ones stay accepted.
    """
    edge, asked = edge_of(request), asked_any(request)
    kind = media_type(request)
    if kind == BATCH:
        return await _batch(request, edge, asked)
    body = await read_body(request, edge.limits.event_bytes_max, alias="event.too_large")
    try:
        if kind == STRUCTURED:
            event = checked(parse(body, alias="event.json"))
        else:
            event = checked(from_binary(request.headers.items(), body, kind))
            # A dead letter keeps what it takes to send it again: the attributes too.
            body = orjson.dumps(event)
    except Refusal as refused:
        edge.metrics.event("", refused.code.number)
        raise
    found = await _submit(edge, asked, event, body)
    repeated = found["status"] == "repeated"
    accepted = {
        "accepted": [event["id"]],
        **{name: found[name] for name in ("status", "root", "position") if name in found},
        **_follow(found, event["id"]),
    }
    return answer(accepted, 200 if repeated else 202)


def _follow(found: Json, id: str) -> dict[str, str]:
    """Where to read what became of it, once the event is folded in."""
    if "reached" not in found:
        return {}
    saga, key = (quote(text, safe="") for text in found["reached"])
    return {"follow": f"/v1/sagas/{saga}/keys/{key}?after={quote(id, safe='')}"}


async def _batch(request: Request, edge: Edge, asked: Asked) -> Response:
    limits = edge.limits
    events = parse(
        await read_body(request, limits.batch_bytes_max, alias="event.batch"), alias="event.json"
    )
    if not isinstance(events, list):
        raise refusal("event.json", "a batch is a JSON array of events")
    if len(events) > limits.batch_events_max:
        raise refusal("event.batch", f"{len(events)} events, {limits.batch_events_max} are allowed")
    prepared = [_prepared(edge, asked, event) for event in events]
    wanted = [found for found in prepared if isinstance(found, Publish)]
    answers = iter(await _submit_all(edge, wanted))
    results = [
        _result(edge, event, next(answers) if isinstance(found, Publish) else found)
        for event, found in zip(events, prepared, strict=True)
    ]
    refused = sum(result["status"] == "refused" for result in results)
    return answer({"results": results, "refused": refused}, 207 if refused else 202)


def _prepared(edge: Edge, asked: Asked, raw: Json) -> Publish | Refusal:
    """The request for one event of a batch, or why it cannot be one."""
    try:
        event = checked(raw)
        body = orjson.dumps(raw)
        if len(body) > edge.limits.event_bytes_max:
            raise refusal(
                "event.too_large",
                f"the event has {len(body)} bytes, {edge.limits.event_bytes_max} are allowed",
            )
        return Publish(_on_behalf(asked, event), event, body)
    except Refusal as refused:
        return refused


async def _submit_all(edge: Edge, wanted: list[Publish]) -> list[Json]:
    try:
        return await edge.desk.submit_all(wanted) if wanted else []
    except (Refusal, StoreFailed) as refused:
        return [refused] * len(wanted)


def _result(edge: Edge, raw: Json, found: Json) -> dict[str, Json]:
    """What the answer says about one event of a batch."""
    named = raw.get("id") if isinstance(raw, dict) else None
    kind = raw.get("type") if isinstance(raw, dict) else None
    kind = kind if isinstance(kind, str) else ""
    if not isinstance(found, Exception):
        edge.metrics.event(kind, found["status"])
        return {"id": named, "status": found["status"]}
    if not isinstance(found, (Refusal, StoreFailed)):
        raise found
    code = code_of(found.alias)
    edge.metrics.event(kind, code.number)
    return {
        "id": named if isinstance(named, str) else None,
        "status": "refused",
        "code": code.number,
        "alias": code.alias,
        "detail": found.detail,
        "do": code.do,
    }


async def _submit(edge: Edge, asked: Asked, event: dict[str, Json], raw: bytes) -> dict[str, Json]:
    try:
        found = await edge.desk.submit(Publish(_on_behalf(asked, event), event, raw))
    except (Refusal, StoreFailed) as refused:
        edge.metrics.event(event["type"], code_of(refused.alias).number)
        raise
    edge.metrics.event(event["type"], found["status"])
    return found


def _on_behalf(asked: Asked, event: dict[str, Json]) -> Asked:
    """Who asks, with the tenant, the kind of actor and the trace that the event names."""
    named = event.get("tenantid")
    if asked.tenant == ANY_TENANT:
        if named is None:
            raise refusal("event.tenant", f"{asked.actor} is a key of all tenants: send tenantid")
    elif named not in {None, asked.tenant}:
        raise refusal(
            "event.foreign_tenant", f"the event names {named}, {asked.actor} has {asked.tenant}"
        )
    if named is None and "actortype" not in event and "traceparent" not in event:
        return asked
    return replace(
        asked,
        tenant=named or asked.tenant,
        actor_type=event.get("actortype", asked.actor_type),
        trace=event.get("traceparent", asked.trace),
    )
