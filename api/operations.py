"""Outside /v1, without a key: is it alive, is it ready, its metrics, its docs."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from api.docs import documented
from api.docs_page import render
from api.edge import answer, edge_of
from api.metrics import CONTENT_TYPE
from domain.errors import code_of, refusal

__all__ = ["router"]

router = APIRouter(tags=["operations"])


@router.get("/healthz", summary="Alive", response_class=Response)
async def healthz() -> Response:
    """200 as long as the process answers."""
    return answer({"alive": True})


@router.get("/readyz", summary="Ready", response_class=Response)
async def readyz(request: Request) -> Response:
    """200 when the engine takes work; 503 with the reason when it does not."""
    edge = edge_of(request)
    state = dict(edge.desk.state())
    if edge.draining.is_set():
        state |= {"ready": False, "reason": "the engine is stopping"}
    return answer(state, 200 if state["ready"] else 503)


@router.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
async def metrics(request: Request) -> Response:
    """The text form of Prometheus."""
    edge = edge_of(request)
    text = await edge.read(edge.metrics.text)
    return Response(text, headers={"Content-Type": CONTENT_TYPE})


@router.get("/errors/{code}", summary="What a code means", **documented(answers={200: "object"}))
async def error(code: str) -> Response:
    """The `type` of every problem document leads here: a number (TR433) or an alias."""
    found = code_of(code)
    if found.number != code and found.alias != code:
        raise refusal("http.not_found", f"{code[:80]!r} is not a code")
    told = {"code": found.number, "alias": found.alias, "title": found.title, "do": found.do}
    return answer({**told, "status": found.status})


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> Response:
    """This API on one page, for people."""
    return HTMLResponse(render(request.app.openapi()))
