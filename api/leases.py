"""One claim at a time: for participants that are a few lines of another language."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from api.bodies import read_form
from api.docs import documented
from api.edge import answer, edge_of
from api.identity import asked_any, identified
from domain.errors import Refusal, code_of
from domain.requests import HeartbeatsRequest, RepliesRequest, StartsRequest

__all__ = ["router"]

router = APIRouter(
    prefix="/v1/leases/{effect}", tags=["participants"], dependencies=[Depends(identified)]
)

Json = Any
Effect = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="Effect id of the claim.")]
_TOKEN = {"worker": "host-1/4711", "token": "1.0.18846.1"}
_REPLY: dict[str, Json] = {
    **_TOKEN, "attempt": 1, "kind": "do", "commitment": "5b1c9e07-0000-8000-8000-000000000000",
}  # fmt: skip
_LATE = ("http.body", "reply.late", "reply.fenced")


@router.post(
    "/start",
    summary="Ask to act on one claim",
    **documented(
        body="lease_start",
        answers={200: "lease_answer"},
        problems=("http.body", "start.refused", "start.expired", "start.cancelled"),
        example=_TOKEN,
    ),
)
async def start(request: Request, effect: Effect) -> Response:
    """Act only when this was answered with 200; on 409 drop the claim."""
    body = await read_form(request, "lease_start")
    item = {"effect": effect, "token": body["token"]}
    return await _one(request, StartsRequest(asked_any(request), body["worker"], (item,)))


@router.post(
    "/heartbeat",
    summary="Renew one lease",
    **documented(
        body="lease_heartbeat",
        answers={200: "lease_answer"},
        problems=_LATE,
        example={**_TOKEN, "progress": "40 %"},
    ),
)
async def heartbeat(request: Request, effect: Effect) -> Response:
    """`cancelled: true` asks you to stop if you can, and to say how far it came."""
    body = await read_form(request, "lease_heartbeat")
    worker = body.pop("worker")
    item = {"effect": effect, **body}
    return await _one(request, HeartbeatsRequest(asked_any(request), worker, (item,)))


@router.post(
    "/complete",
    summary="Say that it is done",
    **documented(
        body="lease_complete",
        answers={200: "lease_answer"},
        problems=(*_LATE, "reply.schema", "reply.outcome", "reply.contradicted"),
        example={**_REPLY, "result": {"account_id": "4711"}},
    ),
)
async def complete(request: Request, effect: Effect) -> Response:
    """Outcome done (of a probe: present). 409: recorded, but your lease was lost."""
    body = await read_form(request, "lease_complete")
    outcome = "present" if body["kind"] == "probe" else "done"
    return await _reply(request, effect, {**body, "outcome": outcome})


@router.post(
    "/fail",
    summary="Say that it is not done",
    **documented(
        body="lease_fail",
        answers={200: "lease_answer"},
        problems=(*_LATE, "reply.outcome"),
        example={**_REPLY, "outcome": "failed", "code": "struck-off"},
    ),
)
async def fail(request: Request, effect: Effect) -> Response:
    """`failed` is a business no; `transient` and `not_done` are tried again; `unknown` is asked."""
    return await _reply(request, effect, await read_form(request, "lease_fail"))


async def _reply(request: Request, effect: str, body: Json) -> Response:
    worker = body.pop("worker")
    asking = RepliesRequest(asked_any(request), worker, ({"effect": effect, **body},))
    return await _one(request, asking)


async def _one(
    request: Request, asking: StartsRequest | HeartbeatsRequest | RepliesRequest
) -> Response:
    """The one result; what a batch says by its status is a 409 here."""
    (result,) = (await edge_of(request).desk.submit(asking))["results"]
    match result["status"]:
        case "refused":
            code = code_of(result.get("code", "start.refused"))
            raise Refusal(code.alias, result.get("detail", "drop this claim"))
        case "lost":
            raise Refusal("reply.late", "the lease is lost: drop this claim")
        case "late":
            raise Refusal("reply.late", "recorded as late; it moves nothing")
        case "fenced":
            raise Refusal("reply.fenced", "the token is of another lease")
        case _:
            return answer(result)
