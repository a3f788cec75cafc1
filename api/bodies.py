"""Reading bodies: bounded while they arrive, parsed by orjson, held against wire.v1.json."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import cache
from typing import Any

import jsonschema_rs
import orjson
from fastapi import Request

import schemas
from api.edge import edge_of
from domain.canonical import JSON_DEPTH_MAX
from domain.errors import Refusal, refusal
from domain.json_text import parse

__all__ = [
    "FAULTS_MAX", "fits", "media_type", "parse", "read_batch", "read_body", "read_form",
    "read_json", "unfit",
]  # fmt: skip

FAULTS_MAX = 20
"""Faults told of one body; the first ones are enough to correct it."""
SHOWN_MAX = 80
"""Characters of a wrong value that are shown."""

Json = Any


def media_type(request: Request) -> str:
    """The media type of the body in lower case, without charset; empty if none was sent."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_body(request: Request, limit: int, *, alias: str = "http.too_large") -> bytes:
    """The body, read to its end. Raises Refusal as soon as more than `limit` bytes are there."""
    told = request.headers.get("content-length")
    if told is not None and told.isdigit() and int(told) > limit:
        raise refusal(alias, f"the body has {told} bytes, {limit} are allowed")
    chunks: list[bytes] = []
    size = 0
    coding = request.headers.get("content-encoding", "identity").lower()
    if coding != "identity":
        raise refusal("event.content_type", f"Content-Encoding {coding[:40]}: send it as it is")
    try:
        async with asyncio.timeout(edge_of(request).limits.body_wait_max_s):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise refusal(alias, f"the body has more than the {limit} bytes allowed")
                chunks.append(chunk)
    except TimeoutError:
        raise refusal("http.body", "the body did not arrive in time") from None
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def read_form(
    request: Request, name: str, *, limit: int | None = None, depth_max: int = JSON_DEPTH_MAX
) -> dict[str, Json]:
    """The body of a request as the definition `name` of wire.v1.json wants it. Raises Refusal."""
    value = await read_json(request, limit or edge_of(request).limits.body_bytes_max, depth_max)
    if not fits(name, value):
        raise unfit(name, value)
    return value


async def read_batch(
    request: Request, name: str, items: str, limit: int
) -> tuple[dict[str, Json], bool]:
    """A body with a list `items`, and whether all of it fits. Raises Refusal.

    When only items in the list do not fit, the body is answered with False: the caller tells each.
    """
    value = await read_json(request, limit)
    if fits(name, value):
        return value, True
    for error in _validator(name).iter_errors(value):
        if error.instance_path[:1] != [items] or len(error.instance_path) == 1:
            raise unfit(name, value)
    return value, False


async def read_json(request: Request, limit: int, depth_max: int = JSON_DEPTH_MAX) -> Json:
    """The JSON value of a body of at most `limit` bytes. Raises Refusal."""
    kind = media_type(request)
    if kind not in {"", "application/json"}:
        raise refusal("event.content_type", f"{kind} came, application/json is wanted here")
    return parse(await read_body(request, limit), depth_max=depth_max)


@cache
def _validator(name: str) -> Any:
    return jsonschema_rs.Draft202012Validator(schemas.part("wire.v1.json", name))


def fits(name: str, value: Json) -> bool:
    """Whether a value fits the definition `name` of wire.v1.json."""
    return _validator(name).is_valid(value)


def unfit(name: str, value: Json) -> Refusal:
    """Why it does not: one fault for each wrong member, with what to write."""
    faults: list[dict[str, object]] = []
    for error in _validator(name).iter_errors(value):
        where = "/".join(str(step) for step in error.instance_path)
        faults.append({"code": "TR400", "where": where, "message": _message(where, error)})
        if len(faults) == FAULTS_MAX:
            break
    detail = "; ".join(str(fault["message"]) for fault in faults)
    return Refusal("http.body", detail, tuple(faults))


def _message(where: str, error: Any) -> str:
    kind = error.kind.as_dict()
    place = where or "the body"
    match error.kind.name:
        case "required":
            missing = kind["property"]
            return f"{f'{where}/' if where else ''}{missing} is missing"
        case "additionalProperties":
            unknown = ", ".join(f"{where}/{one}" if where else one for one in kind["unexpected"])
            return f"{unknown} is not known; known here: {_known(error.schema_path)}"
        case "type":
            return f"{place} must be {_list(kind['types'])}, got {_shown(error.instance)}"
        case "enum":
            wanted = _list(orjson.dumps(one).decode() for one in kind["options"])
            return f"{place} must be {wanted}, got {_shown(error.instance)}"
        case "pattern":
            return f"{place} must match {kind['pattern']}, got {_shown(error.instance)}"
        case _:
            return f"{place}: {error.message[:200]}"


def _known(path: Iterable[Any]) -> str:
    schema: Any = schemas.load("wire.v1.json")
    for step in list(path)[:-1]:
        schema = schema[step]
    return ", ".join(schema["properties"])


def _list(words: Iterable[str]) -> str:
    return " or ".join(words)


def _shown(value: Json) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}…"
