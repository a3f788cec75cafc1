"""Bounded waits of a reader: for a position, or until an acceptance was applied everywhere."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Query, Request
from starlette.responses import Response

from api.edge import Edge, answer, edge_of
from api.identity import asked
from domain.errors import refusal

__all__ = ["NUMBER_MAX", "Cursor", "Limit", "fresh", "listed"]

PAGE_MAX = 1_000
PAGE_DEFAULT = 100
NUMBER_MAX = 2**53 - 1
"""Of a version or run: what JSON can say; larger ones name nothing."""
READ_WAIT_MAX_S = 30.0
READ_WAIT_DEFAULT_S = 2.0

_POSITION = re.compile(r"([0-9]{1,18}):([0-9]{1,9}):([0-9]{1,18})")

Limit = Annotated[int, Query(ge=1, le=PAGE_MAX, description="Items of one answer.")]
Cursor = Annotated[str | None, Query(max_length=512, description="`next` of the answer before.")]


async def fresh(
    request: Request,
    wait_for: Annotated[
        str | None, Query(max_length=64, description="Wait for this position (Troth-Position).")
    ] = None,
    after: Annotated[
        str | None, Query(max_length=256, description="Wait until this event id was applied.")
    ] = None,
    timeout_s: Annotated[
        float, Query(ge=0, le=READ_WAIT_MAX_S, description="How long to wait.")
    ] = READ_WAIT_DEFAULT_S,
) -> None:
    """A dependency of reads: waits as asked, then lets the read go on. Raises Refusal (TR431)."""
    edge = edge_of(request)
    if wait_for is not None:
        await _wait_for(edge, wait_for, timeout_s)
    if after is not None:
        await _applied(edge, asked(request).tenant, after, timeout_s)


async def _wait_for(edge: Edge, text: str, timeout_s: float) -> None:
    found = _POSITION.fullmatch(text)
    if found is None:
        raise refusal("http.body", f"wait_for: {text!r} is not a position, such as 1:0:18846")
    incarnation, lane, position = map(int, found.groups())
    state = edge.desk.state()
    if (incarnation, lane) != (state["incarnation"], state["lane"]):
        raise refusal(
            "http.body", f"wait_for: {text} is a position of another store, or before a restore"
        )
    if not await edge.desk.wait_position(position, timeout_s):
        raise refusal("read.not_yet", f"{text} was not reached within {timeout_s:g} s")


async def _applied(edge: Edge, tenant: str, event_id: str, timeout_s: float) -> None:
    """An event that is not known yet may still be on its way: it is waited for as well."""
    clock = asyncio.get_running_loop().time
    until = clock() + timeout_s
    while True:
        # Read before the question: an event that comes between the two is not missed.
        head = edge.desk.state()["head"]
        if edge.reader.applied(tenant, event_id):
            return
        left_s = until - clock()
        if left_s <= 0 or edge.draining.is_set():
            raise refusal("read.not_yet", f"{event_id} was not applied within {timeout_s:g} s")
        await edge.desk.wait_position(head + 1, left_s)


async def listed(edge: Edge, query: Callable[..., Any], *args: Any, **filters: Any) -> Response:
    """A list of the reader as an answer, with the position it is true for."""
    position = edge.reader.position()
    return answer(await edge.read(query, *args, **filters), position=position)
