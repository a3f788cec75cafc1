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
from domain.errors import Refusal, refusal

__all__ = ["FAULTS_MAX", "fits", "media_type", "parse", "read_body", "read_form", "unfit"]

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


def parse(body: bytes, *, alias: str = "http.body") -> Json:
    """The JSON value of a body. Raises Refusal."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise refusal(alias, f"the body is not JSON in UTF-8: {error}") from None


async def read_form(
    request: Request, name: str, *, limit: int | None = None, items: str | None = None
) -> dict[str, Json]:
    """The body of a request as the definition `name` of wire.v1.json wants it. Raises Refusal.

    With `items`, the name of a list in it, single items may be unfit: the caller answers each.
    """
    kind = media_type(request)
    if kind not in {"", "application/json"}:
        raise refusal("event.content_type", f"{kind} came, application/json is wanted here")
    body = await read_body(request, limit or edge_of(request).limits.body_bytes_max)
    value = parse(body)
    if not fits(name, value) and not (items and _only_items_unfit(name, value, items)):
        raise unfit(name, value)
    return value


def _only_items_unfit(name: str, value: Json, items: str) -> bool:
    return all(
        error.instance_path[:1] == [items] and len(error.instance_path) > 1
        for error in _validator(name).iter_errors(value)
    )


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
