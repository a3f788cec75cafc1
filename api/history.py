"""What happened to a commitment: in pages, and live by server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query, Request
from fastapi.sse import format_sse_event
from starlette.responses import Response, StreamingResponse

from api.commitments import Id, Key, Run, commitment_of, id_of, run_of_key
from api.definitions import Saga
from api.docs import documented
from api.edge import POSITION, Edge, answer, edge_of, there
from api.identity import asked, identified
from api.waits import NUMBER_MAX, PAGE_DEFAULT, Limit, fresh, moved
from domain.errors import refusal
from domain.ids import lane_of
from domain.positions import read_position

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["history"], dependencies=[Depends(identified)])

Json = Any
After = Annotated[int, Query(ge=0, le=NUMBER_MAX, description="Events after this version.")]
VERSION_DIGITS_MAX = 16
STREAM_PAGE = 200
"""Events a live stream reads at once."""
_ENDED = "commitment.ended."
_KEY = "/sagas/{saga}/keys/{key:path}"
_HISTORY: dict[str, Any] = {
    "dependencies": [Depends(fresh)],
    **documented(answers={200: "history"}, problems=("http.not_found", "read.not_yet")),
}
_STREAM: dict[str, Any] = documented(
    answers={200: "history_event"},
    problems=("http.not_found", "http.too_many"),
    media="text/event-stream",
)


@router.get("/commitments/{id}/history", summary="The audit trail", **_HISTORY)
async def history(
    request: Request,
    id: Id,
    after_version: After = 0,
    limit: Limit = PAGE_DEFAULT,
) -> Response:
    """Events in order, each with who, why and the hash of the one before; `next` is a version."""
    tenant = asked(request).tenant
    return await _page(edge_of(request), tenant, id_of(id), after_version, limit)


@router.get(f"{_KEY}/history", summary="The audit trail, by saga and key", **_HISTORY)
async def history_by_key(
    request: Request,
    saga: Saga,
    key: Key,
    run: Run = None,
    after_version: After = 0,
    limit: Limit = PAGE_DEFAULT,
) -> Response:
    """As by id; the latest run unless `run` says which."""
    edge, tenant = edge_of(request), asked(request).tenant
    commitment = await _by_key(edge, tenant, saga, key, run)
    return await _page(edge, tenant, commitment, after_version, limit)


@router.get("/commitments/{id}/stream", summary="Follow a commitment live", **_STREAM)
async def stream(
    request: Request,
    id: Id,
    after_version: After = 0,
) -> Response:
    """Server-sent events: the id is the version, the data an event of the history.

    Ends with the commitment. Come back with `Last-Event-ID` to go on where you were.
    """
    edge, tenant = edge_of(request), asked(request).tenant
    await commitment_of(edge, tenant, id)
    return _follow(request, edge, tenant, id_of(id), after_version)


@router.get(f"{_KEY}/stream", summary="Follow a commitment live, by saga and key", **_STREAM)
async def stream_by_key(
    request: Request, saga: Saga, key: Key, run: Run = None, after_version: After = 0
) -> Response:
    """As by id; the latest run unless `run` says which."""
    edge, tenant = edge_of(request), asked(request).tenant
    commitment = await _by_key(edge, tenant, saga, key, run)
    return _follow(request, edge, tenant, commitment, after_version)


async def _page(edge: Edge, tenant: str, commitment: UUID, after: int, limit: int) -> Response:
    position = edge.position()
    found = await edge.read(edge.reader.history, tenant, commitment, after=after, limit=limit)
    return answer(there(found, f"commitment {commitment}"), position=position)


async def _by_key(edge: Edge, tenant: str, saga: str, key: str, run: int | None) -> UUID:
    return UUID((await run_of_key(edge, tenant, saga, key, run))["id"])


def _follow(request: Request, edge: Edge, tenant: str, commitment: UUID, after: int) -> Response:
    last = request.headers.get("last-event-id", "")
    if last:
        if not (last.isdecimal() and len(last) < VERSION_DIGITS_MAX):
            raise refusal("http.body", f"Last-Event-ID: {last[:40]!r} is not a version")
        after = int(last)
    if edge.streams >= edge.limits.streams_max:
        raise refusal("http.too_many", f"{edge.limits.streams_max} live streams are open")
    return StreamingResponse(
        _events(edge, tenant, commitment, after),
        media_type="text/event-stream",
        headers={POSITION: edge.position(), "Cache-Control": "no-store"},
    )


async def _events(edge: Edge, tenant: str, commitment: UUID, after: int) -> AsyncIterator[bytes]:
    edge.streams += 1
    limits = edge.limits
    try:
        while not edge.draining.is_set():
            _, heads = read_position(edge.position())
            lane = lane_of(commitment, len(heads))
            found: Json = await edge.read(
                edge.reader.history, tenant, commitment, after=after, limit=STREAM_PAGE
            )
            if found is None:
                return
            for event in found["events"]:
                after = event["version"]
                yield format_sse_event(
                    data_str=orjson.dumps(event).decode(), event=event["type"], id=str(after)
                )
                if event["type"].startswith(_ENDED):
                    return
            if found["next"] is not None:
                continue
            if not await moved(edge, {lane: heads[lane]}, limits.stream_beat_s):
                yield b": still here\n\n"
            # However much the lane moves, one stream reads only so often.
            await asyncio.sleep(limits.stream_pause_s)
    finally:
        edge.streams -= 1
