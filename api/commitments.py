"""Commitments: start, search, and where one is."""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from api.bodies import read_form
from api.definitions import Saga
from api.docs import documented
from api.edge import Edge, answer, edge_of, there
from api.identity import asked, identified
from api.once import Once
from api.passing import later
from api.results import Name, Timeout, Until, awaited, lacks, node_of, result_of
from api.waits import NUMBER_MAX, PAGE_DEFAULT, READ_WAIT_DEFAULT_S, Cursor, Limit, fresh
from domain.errors import refusal
from domain.requests import StartRequest

__all__ = ["Id", "Key", "Run", "commitment_of", "id_of", "router", "run_of_key"]

router = APIRouter(prefix="/v1", tags=["commitments"], dependencies=[Depends(identified)])

Json = Any
Id = Annotated[str, Path(description="Commitment id (UUID).")]
Key = Annotated[str, Path(min_length=1, max_length=256, description="Key value of the commitment.")]
Run = Annotated[
    int | None, Query(ge=1, le=NUMBER_MAX, description="Which run of the key; default: the latest.")
]
Text = Annotated[str | None, Query(max_length=256)]

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@router.post(
    "/commitments",
    status_code=201,
    summary="Start a commitment",
    **documented(
        body="start",
        answers={201: "start_answer", 200: "start_answer", 202: "start_later"},
        problems=(
            "http.body", "start.unknown_saga", "start.input", "start.key", "start.conflict",
            "key_reused", "start.queue_full",
        ),
        example={"saga": "partner-activation", "input": {"company": "acme"}},
    ),
)  # fmt: skip
async def start(
    request: Request,
    once: Once = None,
    until: Until = None,
    timeout_s: Timeout = READ_WAIT_DEFAULT_S,
) -> Response:
    """201 with the address of the new one; 200 with the running one, or the same start again.

    Send `Idempotency-Key`: a start that is repeated with it is answered as before. 202 with
    `receipt`: the process that owns its lane is silent; it is started once, when that one or the
    next has come to it.

    With `until=results.N` the answer waits up to `timeout_s` for what the node N yields: `until`
    has its status, done (with `result`) or stopped (the commitment ended without it). 202 with
    `follow` while it runs: it is started, and the result will be there.
    """
    edge, who = edge_of(request), asked(request)
    body = await read_form(request, "start")
    node = await node_of(edge, until, body["saga"], body.get("version")) if until else None
    found = await edge.desk.submit(
        StartRequest(who, body["saga"], body["input"], body.get("version"), once)
    )
    named = quote(found.get("key", ""), safe="")
    if (waits := later(found, f"/v1/sagas/{body['saga']}/keys/{named}")) is not None:
        return waits
    where = {"Location": f"/v1/commitments/{found['id']}"}
    status = 201 if found["created"] else 200
    if node is not None:
        found, is_over = await awaited(edge, who.tenant, found, node, timeout_s)
        status = status if is_over else 202
    return answer(found, status, headers=where)


@router.get(
    "/commitments",
    summary="Search commitments",
    dependencies=[Depends(fresh)],
    **documented(answers={200: "page"}, problems=("http.body", "read.not_yet")),
)
async def search(
    request: Request,
    saga: Text = None,
    status: Text = None,
    step: Text = None,
    key: Text = None,
    cursor: Cursor = None,
    limit: Limit = PAGE_DEFAULT,
) -> Response:
    """The current steps that fit all of what is named, in pages."""
    edge, tenant = edge_of(request), asked(request).tenant
    position = edge.position()
    found = await edge.read(
        edge.reader.search, tenant,
        saga=saga, status=status, step=step, key=key, cursor=cursor, limit=limit,
    )  # fmt: skip
    return answer(found, position=position)


@router.get(
    "/counts",
    summary="Count commitments",
    **documented(answers={200: "counts"}),
)
async def counts(request: Request, saga: Text = None) -> Response:
    """How many commitments there are, by status and current step, and parked events by reason."""
    edge, tenant = edge_of(request), asked(request).tenant
    position = edge.position()
    return answer(await edge.read(edge.reader.counts, tenant, saga), position=position)


@router.get(
    "/commitments/{id}",
    summary="Where a commitment is",
    dependencies=[Depends(fresh)],
    **documented(answers={200: "current_step"}, problems=("http.not_found", "read.not_yet")),
)
async def current_step(request: Request, id: Id) -> Response:
    """The current step, never an old one: `after=` an event or `wait_for=` a position."""
    edge = edge_of(request)
    position = edge.position()
    return answer(await commitment_of(edge, asked(request).tenant, id), position=position)


@router.get(
    "/commitments/{id}/results/{name}",
    summary="What a node of a commitment yielded",
    **documented(answers={200: "result_answer"}, problems=("http.not_found",)),
)
async def result(
    request: Request, id: Id, name: Name, timeout_s: Timeout = READ_WAIT_DEFAULT_S
) -> Response:
    """The status is running, done (with `result`), or stopped: the commitment ended without it.

    It is waited for up to `timeout_s`. Of a node that is done more than once, the first time.
    """
    edge, tenant = edge_of(request), asked(request).tenant
    step = await commitment_of(edge, tenant, id)
    if await lacks(edge, name, step["saga"], step.get("saga_version")):
        raise refusal("http.not_found", f"{step['saga']} has no node {name} that yields a result")
    found = await result_of(edge, tenant, id_of(id), name, timeout_s=timeout_s)
    return answer(found, position=edge.position())


@router.get(
    "/sagas/{saga}/keys/{key:path}",
    summary="Where a commitment is, by saga and key",
    dependencies=[Depends(fresh)],
    **documented(answers={200: "current_step"}, problems=("http.not_found", "read.not_yet")),
)
async def current_step_by_key(request: Request, saga: Saga, key: Key, run: Run = None) -> Response:
    """As by id; the latest run unless `run` says which."""
    edge = edge_of(request)
    position = edge.position()
    found = await run_of_key(edge, asked(request).tenant, saga, key, run)
    return answer(found, position=position)


async def commitment_of(edge: Edge, tenant: str, text: str) -> Json:
    """The current step of a commitment of this tenant. Raises Refusal (TR404)."""
    return there(await edge.ask(edge.reader.commitment, tenant, id_of(text)), f"commitment {text}")


async def run_of_key(edge: Edge, tenant: str, saga: str, key: str, run: int | None) -> Json:
    """The current step of a run of a saga and key, or of the latest. Raises Refusal (TR404)."""
    found = await edge.ask(edge.reader.by_key, tenant, saga, key, run)
    return there(found, f"{saga}/{key}{f'#{run}' if run else ''}")


def id_of(text: str) -> UUID:
    """A commitment's id from an address; what is no id names nothing. Raises Refusal (TR404)."""
    if not _UUID.fullmatch(text):
        raise refusal("http.not_found", f"{text[:80]!r} is not the id of a commitment")
    return UUID(text)
