"""Updates: what a saga lets its clients change while it runs, and what it answers."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote
from uuid import uuid4

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from api.bodies import read_form
from api.commitments import Id, commitment_of, id_of
from api.docs import documented
from api.edge import Edge, answer, edge_of
from api.identity import asked, identified
from api.once import Once
from api.passing import later
from api.runs import run_of
from api.waits import NUMBER_MAX, READ_WAIT_DEFAULT_S, READ_WAIT_MAX_S
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
Timeout = Annotated[
    float, Query(ge=0, le=READ_WAIT_MAX_S, description="How long to wait for the answer.")
]
After = Annotated[int, Query(ge=0, le=NUMBER_MAX, description="It began after this version.")]
Json = Any
_PATH = "/commitments/{id}/updates/{name:path}"


@router.post(
    _PATH,
    summary="Ask for an update",
    **documented(
        body="object",
        answers={200: "update_answer", 202: "update_later"},
        problems=(
            "http.body", "http.not_found", "key_reused", "update.closed", "update.args",
            "update.refused", "update.ambiguous", "update.stopped", "internal.expression",
        ),
        example={"days": 7},
    ),
)  # fmt: skip
async def update(
    request: Request,
    id: Id,
    name: Name,
    once: Once = None,
    timeout_s: Timeout = READ_WAIT_DEFAULT_S,
) -> Response:
    """The body is what the update takes. It is applied whole and answered, or refused whole.

    Send `Idempotency-Key`: the same again is answered as before. A refusal leaves no trace; with
    `update.refused` the code and message of the saga's own rule are in `errors`.

    An update that answers when what it began is done (`answer_when: done`) is waited for, up to
    `timeout_s`. 200 with status done and the answer; 202 while it goes on, with `follow` where the
    answer will be: read that, or send the same again. 409 if it was stopped before its end. 202
    with `receipt`: the owner of its lane is silent, and will come to it.
    """
    edge, who = edge_of(request), asked(request)
    args = await read_form(request, "object")
    await commitment_of(edge, who.tenant, id)
    found = await edge.desk.submit(UpdateRequest(who, id_of(id), name, once or uuid4().hex, args))
    waits = later(found, f"/v1/commitments/{id}")
    if waits is not None or found["status"] == "done" or "version" not in found:
        return waits or answer(found, position=found.get("recorded"))
    return await _when_done(edge, who.tenant, id, found, timeout_s)


async def _when_done(edge: Edge, tenant: str, id: str, found: Json, timeout_s: float) -> Response:
    """The answer of an update at the end of its run; 202 while that goes on."""
    name, after = found["run"], found["version"] - 1
    said = {member: value for member, value in found.items() if member != "version"}
    run = await run_of(edge, tenant, id_of(id), name, after=after, timeout_s=timeout_s)
    if run is not None and run["status"] == "done":
        return answer({**said, **run}, position=edge.position())
    if run is not None and run["status"] == "stopped":
        raise refusal("update.stopped", f"{name} was stopped before its end")
    address = f"/v1/commitments/{id}/updates/{quote(name)}?after_version={after}"
    return answer(
        {**said, "follow": address}, 202, position=found["recorded"],
        headers={"Location": address},
    )  # fmt: skip


@router.get(
    _PATH,
    summary="What an update answers when it is done",
    **documented(answers={200: "run_answer"}, problems=("http.not_found",)),
)
async def update_answer(
    request: Request,
    id: Id,
    name: Name,
    after_version: After = 0,
    timeout_s: Timeout = READ_WAIT_DEFAULT_S,
) -> Response:
    """`name` is the run, such as `quote@1`: `follow` of the update names it.

    The status is running, done (with `answer`) or stopped; it is waited for up to `timeout_s`.
    """
    edge, tenant = edge_of(request), asked(request).tenant
    await commitment_of(edge, tenant, id)
    run = await run_of(edge, tenant, id_of(id), name, after=after_version, timeout_s=timeout_s)
    if run is None:
        raise refusal("http.not_found", f"no update of {id} began {name}")
    return answer(run, position=edge.position())
