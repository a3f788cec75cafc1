"""Controls of an operator: cancel, pause, resume, retry, settle, finish, move, release."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from api.bodies import read_form
from api.commitments import Id, commitment_of, id_of
from api.docs import documented
from api.edge import answer, edge_of
from api.identity import asked, identified
from api.passing import later
from domain.requests import ControlRequest

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["commitments"], dependencies=[Depends(identified)])


@router.post(
    "/commitments/{id}/controls",
    status_code=202,
    summary="Steer a commitment",
    **documented(
        body="control",
        answers={202: "control_answer"},
        problems=(
            "http.body", "http.not_found", "state.says_no", "cancel.past_pivot",
            "cancel.compensating", "cancel.in_debt", "control.target", "control.evidence",
            "control.time",
        ),
        example={"action": "cancel", "reason": "the partner withdrew, ticket 812"},
    ),
)  # fmt: skip
async def control(request: Request, id: Id) -> Response:
    """Recorded with your name and reason; what follows from it is seen in the current step.

    `retry` and `settle` name the node or the debt; `settle` says whether it was done, and what
    shows it. `finish` completes an open block with what is done in it, and says what shows that it
    is enough; `move` gives a running time of a node another due time.
    """
    edge, who = edge_of(request), asked(request)
    body = await read_form(request, "control")
    await commitment_of(edge, who.tenant, id)
    found = await edge.desk.submit(
        ControlRequest(
            who,
            commitment=id_of(id),
            action=body["action"],
            reason=body["reason"],
            node=body.get("node"),
            outcome=body.get("outcome"),
            result=body.get("result"),
            evidence=body.get("evidence"),
            to=body.get("to"),
        )
    )
    return later(found, f"/v1/commitments/{id}") or answer(found, 202)
