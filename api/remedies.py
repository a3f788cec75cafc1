"""What needs an operator's eye: dead letters, parked events, debts; and what was said to others."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from api.bodies import parse, read_form
from api.commitments import Id, id_of
from api.docs import documented
from api.edge import Edge, answer, edge_of, there
from api.identity import asked, identified
from api.passing import later
from api.waits import PAGE_DEFAULT, Cursor, Limit, listed
from domain.cloudevents import checked
from domain.errors import code_of, refusal
from domain.positions import POSITION_CHARS_MAX
from domain.requests import ControlRequest, RedriveRequest

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["remedies"], dependencies=[Depends(identified)])

Json = Any
Number = Annotated[int, Path(ge=1, le=2**53 - 1, description="Number of the dead letter.")]
Status = Annotated[str | None, Query(max_length=32, description="For example open.")]


@router.get("/dead-letters", summary="List dead letters", **documented(answers={200: "page"}))
async def dead_letters(
    request: Request, status: Status = None, cursor: Cursor = None, limit: Limit = PAGE_DEFAULT
) -> Response:
    """What came and could not be taken, with the reason and how often it was seen."""
    edge, tenant = edge_of(request), asked(request).tenant
    position = edge.position()
    found = await edge.read(
        edge.reader.dead_letters, tenant, status=status, cursor=cursor, limit=limit
    )
    return answer({**found, "items": [_shown(one) for one in found["items"]]}, position=position)


@router.get(
    "/dead-letters/{number}",
    summary="Read a dead letter",
    **documented(answers={200: "object"}, problems=("http.not_found",)),
)
async def dead_letter(request: Request, number: Number) -> Response:
    """One dead letter with the bytes that came (`raw`)."""
    edge = edge_of(request)
    position = edge.position()
    found = await _found(edge, asked(request).tenant, number)
    return answer(_shown(found), position=position)


@router.post(
    "/dead-letters/{number}/redrive",
    status_code=202,
    summary="Take a dead letter after all",
    **documented(
        body="redrive",
        answers={202: "remedy_answer"},
        problems=("http.body", "http.not_found", "state.says_no", "event.schema"),
        example={"reason": "CRM sent its number, ticket 812"},
    ),
)
async def redrive(request: Request, number: Number) -> Response:
    """As it came, or as `event` says; recorded with your name as caused by the dead letter."""
    edge, who = edge_of(request), asked(request)
    body = await read_form(request, "redrive", limit=2 * edge.limits.event_bytes_max)
    found = await _found(edge, who.tenant, number)
    event = body["event"] if "event" in body else parse(_raw(found), alias="event.json")
    done = await edge.desk.submit(RedriveRequest(who, number, body["reason"], checked(event)))
    return answer(done, 202)


@router.post(
    "/dead-letters/{number}/discard",
    status_code=202,
    summary="Put a dead letter away",
    **documented(
        body="discard",
        answers={202: "remedy_answer"},
        problems=("http.body", "http.not_found", "state.says_no"),
        example={"reason": "a test of the producer"},
    ),
)
async def discard(request: Request, number: Number) -> Response:
    """It stays readable, with your name and reason."""
    edge, who = edge_of(request), asked(request)
    body = await read_form(request, "discard")
    await _found(edge, who.tenant, number)
    return answer(await edge.desk.submit(RedriveRequest(who, number, body["reason"])), 202)


@router.get("/parked", summary="List parked events", **documented(answers={200: "page"}))
async def parked(
    request: Request,
    reason: Annotated[str | None, Query(max_length=64, description="For example early.")] = None,
    cursor: Cursor = None,
    limit: Limit = PAGE_DEFAULT,
) -> Response:
    """Accepted events that nothing has taken: early ones, and what came after the end."""
    edge, tenant = edge_of(request), asked(request).tenant
    query = edge.reader.parked
    return await listed(edge, query, tenant, reason=reason, cursor=cursor, limit=limit)


@router.get("/parked-streams", summary="List parked streams", **documented(answers={200: "page"}))
async def parked_streams(
    request: Request, cursor: Cursor = None, limit: Limit = PAGE_DEFAULT
) -> Response:
    """Commitments and keys set aside after a fault of the engine; all others go on.

    `held` counts the messages that wait for one, in order, until it is released.
    """
    edge, tenant = edge_of(request), asked(request).tenant
    position = edge.position()
    found = await edge.read(edge.reader.parked_streams, tenant, cursor=cursor, limit=limit)
    return answer({**found, "items": [_shown(one) for one in found["items"]]}, position=position)


@router.post(
    "/parked-streams/{id}/release",
    status_code=202,
    summary="Let a parked stream go on",
    **documented(
        body="release",
        answers={202: "control_answer"},
        problems=("http.body", "http.not_found", "control.target", "control.reason"),
        example={"reason": "the engine was corrected in 0.1.1, ticket 812"},
    ),
)
async def release(request: Request, id: Id) -> Response:
    """What was held for it runs next, in order; if that raises again, it is parked again."""
    edge, who, stream = edge_of(request), asked(request), id_of(id)
    body = await read_form(request, "release")
    if await edge.read(edge.reader.parked_stream, who.tenant, stream) is None:
        raise refusal("http.not_found", f"{stream} is not parked")
    done = ControlRequest(who, commitment=stream, action="release", reason=body["reason"])
    found = await edge.desk.submit(done)
    return later(found, "/v1/parked-streams") or answer(found, 202)


@router.get("/debts", summary="List debts", **documented(answers={200: "page"}))
async def debts(
    request: Request, status: Status = None, cursor: Cursor = None, limit: Limit = PAGE_DEFAULT
) -> Response:
    """Undos that failed for good and wait for a person: retry or settle them by a control."""
    edge, tenant = edge_of(request), asked(request).tenant
    query = edge.reader.debts
    return await listed(edge, query, tenant, status=status, cursor=cursor, limit=limit)


@router.get(
    "/facts",
    summary="What happened, for other services",
    **documented(answers={200: "page"}, problems=("http.body",)),
)
async def facts(
    request: Request,
    after: Annotated[
        str, Query(max_length=POSITION_CHARS_MAX, description="`next` of the answer before.")
    ] = "",
    limit: Limit = PAGE_DEFAULT,
) -> Response:
    """CloudEvents that sagas emitted, in the order of each lane; read on from `next`."""
    edge, tenant = edge_of(request), asked(request).tenant
    return await listed(edge, edge.reader.facts, tenant, after=after, limit=limit)


async def _found(edge: Edge, tenant: str, number: int) -> Json:
    return there(await edge.ask(edge.reader.dead_letter, tenant, number), f"dead letter {number}")


def _shown(letter: Json) -> Json:
    """With the code in both forms, as in every other answer."""
    code = code_of(letter["code"])
    return {**letter, "code": code.number, "alias": code.alias, "do": code.do}


def _raw(letter: Json) -> bytes:
    raw = letter["raw"]
    return raw.encode() if isinstance(raw, str) else bytes(raw)
