"""Work for participants, in batches: claim by long poll, start, heartbeat, reply."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from api.bodies import fits, read_batch, read_form, unfit
from api.docs import documented
from api.edge import Edge, answer, edge_of
from api.identity import asked_any, identified
from api.key import ANY_TENANT
from domain.errors import code_of
from domain.ports import ClaimAsk
from domain.requests import ClaimRequest, HeartbeatsRequest, RepliesRequest, StartsRequest

__all__ = ["router"]

Json = Any
Batch = type[StartsRequest] | type[HeartbeatsRequest] | type[RepliesRequest]
Name = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_.-]{0,63}$", description="The participant.")]


async def named(request: Request, participant: Name) -> None:
    """Whose work it is about."""
    request.state.participant = participant


router = APIRouter(
    prefix="/v1/participants/{participant}",
    tags=["participants"],
    dependencies=[Depends(identified), Depends(named)],
)
WAIT_MAX_S = 30.0
Wait = Annotated[float, Query(ge=0, le=WAIT_MAX_S, description="Seconds to wait for work.")]

_CLAIMS = {"worker": "host-1/4711", "contracts": ["crm/create-account@1"], "max": 100}
_ITEM = {"effect": "9f" * 32, "token": "1.0.18846.1"}
_REPLY = {
    **_ITEM,
    "attempt": 1,
    "kind": "do",
    "commitment": "5b1c9e07-0000-8000-8000-000000000000",
    "outcome": "done",
    "result": {"account_id": "4711"},
}


@router.post(
    "/claims",
    summary="Ask for work",
    **documented(
        body="claims",
        answers={200: "claims_answer", 204: None},
        problems=("http.body", "claim.shape"),
        example={**_CLAIMS, "start": True, "journal": "shared"},
    ),
)
async def claims(request: Request, wait_s: Wait = 0.0) -> Response:
    """At most `max` claims, fair by tenant, oldest first; 204 when nothing came within `wait_s`.

    `start: true` starts R0 and R1 work of class A at once. Other work is reserved, and may be done
    only after POST starts said so.
    """
    edge, asked = edge_of(request), asked_any(request)
    body = await read_form(request, "claims")
    ask = ClaimAsk(
        participant=request.state.participant,
        worker=body["worker"],
        contracts=tuple(body["contracts"]),
        limit=body.get("max", 1),
        start=body.get("start", False),
        tenant=None if asked.tenant == ANY_TENANT else asked.tenant,
    )
    asking = ClaimRequest(asked, ask, wait_s)
    found = await (_wait(request, edge, asking) if wait_s else edge.desk.submit(asking))
    if not found or not found["claims"]:
        return answer(None, 204)
    return answer(found)


async def _wait(request: Request, edge: Edge, asking: ClaimRequest) -> Json:
    """The claims, or None when the worker has gone or the engine stops."""
    asked = asyncio.ensure_future(edge.desk.submit(asking))
    over = [
        asyncio.ensure_future(edge.draining.wait()),
        asyncio.ensure_future(request.receive()),
    ]
    try:
        await asyncio.wait([asked, *over], return_when=asyncio.FIRST_COMPLETED)
        if asked.done():
            return asked.result()
        # Who waits no longer must not be given work that then lies until its lease ends.
        asked.cancel()
        await asyncio.wait([asked])
        return None if asked.cancelled() else asked.result()
    finally:
        for waiting in (asked, *over):
            waiting.cancel()


@router.post(
    "/starts",
    summary="Ask to act on reserved claims",
    **documented(
        body="starts",
        answers={200: "results_answer"},
        problems=("http.body",),
        example={"worker": "host-1/4711", "starts": [_ITEM]},
    ),
)
async def starts(request: Request) -> Response:
    """`started` with the lease and the deadline, or `refused` with a code: then drop the claim."""
    _, results = await _batch(request, "starts", "starts", StartsRequest)
    return answer({"results": results})


@router.post(
    "/heartbeats",
    summary="Renew leases",
    **documented(
        body="heartbeats",
        answers={200: "results_answer"},
        problems=("http.body",),
        example={"worker": "host-1/4711", "leases": [{**_ITEM, "progress": "40 %"}]},
    ),
)
async def heartbeats(request: Request) -> Response:
    """`held`, with `cancelled` when the effect shall stop if it can; or `lost`."""
    _, results = await _batch(request, "heartbeats", "leases", HeartbeatsRequest)
    return answer({"results": results})


@router.post(
    "/replies",
    summary="Answer claims",
    **documented(
        body="replies",
        answers={200: "results_answer"},
        problems=("http.body",),
        example={"worker": "host-1/4711", "replies": [_REPLY]},
    ),
)
async def replies(request: Request) -> Response:
    """`recorded`, or `repeated`, `late` and `fenced`: those are recorded and move nothing."""
    items, results = await _batch(request, "replies", "replies", RepliesRequest)
    recorded = Counter(
        item["outcome"]
        for item, result in zip(items, results, strict=True)
        if result["status"] == "recorded"
    )
    edge_of(request).metrics.replied(request.state.participant, recorded)
    return answer({"results": results})


async def _batch(
    request: Request, form: str, member: str, batch: Batch
) -> tuple[list[Json], list[Json]]:
    """The items of a body and the answer for each; an item that does not fit stops no other."""
    edge, asked = edge_of(request), asked_any(request)
    body, fit = await read_batch(request, form, member, edge.limits.batch_bytes_max)
    items: list[Json] = body[member]
    good = items if fit else [item for item in items if fits(f"{form}_item", item)]
    found = (await edge.desk.submit(batch(asked, body["worker"], tuple(good))))["results"]
    if len(good) == len(items):
        return items, found
    answers = iter(found)
    return items, [
        next(answers) if fits(f"{form}_item", item) else _unfit(form, item) for item in items
    ]


def _unfit(form: str, item: Json) -> dict[str, Json]:
    effect = item.get("effect") if isinstance(item, dict) else None
    why = unfit(f"{form}_item", item)
    return {
        "effect": effect if isinstance(effect, str) else None,
        "status": "refused",
        "code": code_of("reply.outcome" if form == "replies" else "claim.shape").number,
        "detail": why.detail,
    }
