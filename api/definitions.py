"""Definitions: registered once, never changed, read by everybody."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from api.bodies import read_form
from api.docs import documented
from api.edge import answer, edge_of
from api.identity import asked, identified
from domain.canonical import CANONICAL_DEPTH_MAX
from domain.errors import refusal
from domain.requests import RegisterRequest

__all__ = ["Saga", "router"]

router = APIRouter(
    prefix="/v1/definitions", tags=["definitions"], dependencies=[Depends(identified)]
)

Saga = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_.-]{0,63}$", description="Name of the saga.")]
LATEST = "latest"

_EXAMPLE: dict[str, Any] = {
    "troth": 1,
    "saga": "greeting",
    "version": 1,
    "key": "input.name",
    "input": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
    "flow": [
        {"node": "sleep", "name": "pause", "for": "1s"},
        {"node": "fulfil", "name": "fulfilled", "result": "input.name"},
    ],
}


@router.get("", summary="List definitions", **documented(answers={200: "page"}))
async def definitions(request: Request) -> Response:
    """Every registered version of every saga."""
    edge = edge_of(request)
    position = edge.position()
    found = await edge.read(edge.reader.definitions)
    body = found if isinstance(found, dict) else {"items": found, "next": None}
    return answer(body, position=position)


@router.get(
    "/{saga}/{version}",
    summary="Read a definition",
    **documented(answers={200: "definition_row"}, problems=("http.not_found",)),
)
async def definition(
    request: Request,
    saga: Saga,
    version: Annotated[str, Path(pattern=r"^([1-9][0-9]{0,8}|latest)$")],
) -> Response:
    """The document as it was registered, with its hash; `latest` is the newest version."""
    edge = edge_of(request)
    position = edge.position()
    number = None if version == LATEST else int(version)
    found = await edge.ask(edge.reader.definition, saga, number)
    if found is None:
        raise refusal("http.not_found", f"{saga} v{version} is not registered")
    return answer(found, position=position)


@router.put(
    "/{saga}/{version}",
    status_code=201,
    summary="Register a definition",
    **documented(
        body="definition",
        answers={201: "definition_answer", 200: "definition_answer"},
        problems=(
            "http.body", "def.version_taken", "def.shape", "def.no_approval", "def.no_undo",
            "def.unbound", "def.expr", "def.type", "def.not_yet",
        ),
        example=_EXAMPLE,
    ),
)  # fmt: skip
async def register(
    request: Request, saga: Saga, version: Annotated[int, Path(ge=1, le=999_999_999)]
) -> Response:
    """Checked, hashed and kept for ever. 200: it was there with the same hash.

    Every fault is listed in `errors`, with its code, its place and what to write instead.
    """
    edge = edge_of(request)
    document = await read_form(request, "object", depth_max=CANONICAL_DEPTH_MAX)
    if (document.get("saga"), document.get("version")) != (saga, version):
        raise refusal(
            "http.body",
            f"the address names {saga} v{version}, the document "
            f"{document.get('saga')!r} v{document.get('version')!r}",
        )
    found = await edge.desk.submit(RegisterRequest(asked(request), document))
    return answer(found, 201 if found["created"] else 200)
