"""What waits for a person's decision, and the decision."""

from __future__ import annotations

import re
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from api.bodies import read_form
from api.docs import documented
from api.edge import Edge, answer, edge_of, there
from api.identity import asked, identified
from api.passing import later
from api.waits import PAGE_DEFAULT, Cursor, Escalated, Limit, fresh, listed
from domain.errors import refusal
from domain.requests import DecideRequest

__all__ = ["router"]

router = APIRouter(prefix="/v1/approvals", tags=["approvals"], dependencies=[Depends(identified)])

Json = Any
Id = Annotated[str, Path(pattern=r"^[0-9a-z]{1,64}$", description="Approval id.")]
_ETAG = re.compile(r'"([0-9a-f]{6,64})"')


@router.get(
    "",
    summary="The inbox of decisions",
    dependencies=[Depends(fresh)],
    **documented(answers={200: "page"}, problems=("read.not_yet",)),
)
async def approvals(
    request: Request,
    status: Annotated[str | None, Query(max_length=32, description="For example open.")] = None,
    escalated: Escalated = None,
    cursor: Cursor = None,
    limit: Limit = PAGE_DEFAULT,
) -> Response:
    """Each with what it allows, its evidence, the seats still wanted, and the digest to send."""
    edge, tenant = edge_of(request), asked(request).tenant
    query = edge.reader.approvals
    return await listed(
        edge, query, tenant, status=status, escalated=escalated, cursor=cursor, limit=limit
    )


@router.get(
    "/{id}",
    summary="Read an approval",
    dependencies=[Depends(fresh)],
    **documented(answers={200: "object"}, problems=("http.not_found", "read.not_yet")),
)
async def approval(request: Request, id: Id) -> Response:
    """One approval; `ETag` is its digest, for `If-Match` of the decision."""
    edge = edge_of(request)
    position = edge.position()
    found = await _found(edge, asked(request).tenant, id)
    return answer(found, position=position, headers={"ETag": f'"{found["digest"]}"'})


@router.post(
    "/{id}/decision",
    summary="Decide",
    **documented(
        body="decision",
        answers={200: "decision_answer", 202: "later_answer"},
        problems=(
            "http.body", "http.not_found", "decision.no_digest", "decision.changed",
            "decision.closed", "decision.seat", "decision.actor", "decision.twice",
            "decision.not_by", "decision.reason", "decision.payload", "decision.not_editable",
        ),
        example={"answer": "approve", "reason": "checked"},
    ),
)  # fmt: skip
async def decide(request: Request, id: Id) -> Response:
    """Send the digest of what you saw as `If-Match: "digest"`: a changed action is refused.

    Every seat of the level must decide, each another person; one reject is enough to reject.
    202: it is recorded once the owner of its lane, which is silent, or the next has come to it.
    """
    edge, who = edge_of(request), asked(request)
    digest = _digest(request)
    body = await read_form(request, "decision")
    found = await _found(edge, who.tenant, id)
    decided = await edge.desk.submit(
        DecideRequest(
            who,
            commitment=UUID(found["commitment"]),
            approval=id,
            answer=body["answer"],
            digest=digest,
            reason=body.get("reason"),
            payload=body.get("payload"),
        )
    )
    waits = later(decided, f"/v1/approvals/{id}")
    return waits or answer(decided, position=decided.get("recorded"))


async def _found(edge: Edge, tenant: str, approval_id: str) -> Json:
    found = await edge.ask(edge.reader.approval, tenant, approval_id)
    return there(found, f"approval {approval_id}")


def _digest(request: Request) -> str:
    sent = request.headers.get("if-match", "").strip()
    found = _ETAG.fullmatch(sent)
    if found is None:
        told = f"{sent[:80]!r} is not one digest in quotes" if sent else "there is no If-Match"
        raise refusal("decision.no_digest", told)
    return found[1]
