"""Updates: what a saga lets its clients change while it runs."""

from __future__ import annotations

from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from api.bodies import read_form
from api.commitments import IDEMPOTENCY_KEY_MAX, Id, commitment_of, id_of
from api.docs import documented
from api.edge import answer, edge_of
from api.identity import asked, identified
from api.passing import later
from domain.errors import refusal
from domain.requests import UpdateRequest

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["commitments"], dependencies=[Depends(identified)])

Name = Annotated[
    str,
    Path(
        pattern=r"^[a-z][^\x00-\x1f]{0,1999}$",
        description="Name of the update, or its path where several parts offer it.",
    ),
]


@router.post(
    "/commitments/{id}/updates/{name:path}",
    summary="Ask for an update",
    **documented(
        body="object",
        answers={200: "update_answer", 202: "later_answer"},
        problems=(
            "http.body", "http.not_found", "key_reused", "update.closed", "update.args",
            "update.refused", "update.ambiguous", "internal.expression",
        ),
        example={"days": 7},
    ),
)  # fmt: skip
async def update(request: Request, id: Id, name: Name) -> Response:
    """The body is what the update takes. It is applied whole and answered, or refused whole.

    Send `Idempotency-Key`: the same again is answered as before. A refusal leaves no trace; with
    `update.refused` the code and message of the saga's own rule are in `errors`.
    """
    edge, who = edge_of(request), asked(request)
    args = await read_form(request, "object")
    once = request.headers.get("idempotency-key") or uuid4().hex
    if len(once) > IDEMPOTENCY_KEY_MAX:
        raise refusal("http.body", f"Idempotency-Key has 1 to {IDEMPOTENCY_KEY_MAX} characters")
    await commitment_of(edge, who.tenant, id)
    found = await edge.desk.submit(UpdateRequest(who, id_of(id), name, once, args))
    waits = later(found, f"/v1/commitments/{id}")
    return waits or answer(found, position=found.get("recorded"))
