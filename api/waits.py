"""Bounded waits of a reader: for a position, or until an acceptance was applied everywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import Query, Request
from starlette.responses import Response

from api.edge import Edge, answer, edge_of
from api.identity import asked
from domain.errors import refusal
from domain.positions import POSITION_CHARS_MAX, read_position

__all__ = ["NUMBER_MAX", "PAGE_DEFAULT", "Cursor", "Escalated", "Limit", "fresh", "listed", "moved"]

PAGE_MAX = 1_000
PAGE_DEFAULT = 100
NUMBER_MAX = 2**53 - 1
"""Of a version or run: what JSON can say; larger ones name nothing."""
READ_WAIT_MAX_S = 30.0
READ_WAIT_DEFAULT_S = 2.0

APPLIED_POLL_S = 0.05
"""How soon it is seen that an event was applied where another process owns its lane."""

Limit = Annotated[int, Query(ge=1, le=PAGE_MAX, description="Items of one answer.")]
Cursor = Annotated[str | None, Query(max_length=512, description="`next` of the answer before.")]
Escalated = Annotated[
    str | None, Query(max_length=64, description="Only what this seat was called to.")
]


async def fresh(
    request: Request,
    wait_for: Annotated[
        str | None,
        Query(
            max_length=POSITION_CHARS_MAX,
            description="Wait for this position (Troth-Position).",
        ),
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
    """Every lane that the position names must have come as far as it says."""
    try:
        incarnation, wanted = read_position(text)
    except ValueError as error:
        raise refusal("http.body", f"wait_for: {error}") from None
    ours, heads = read_position(edge.position())
    if incarnation != ours or not wanted.keys() <= heads.keys():
        raise refusal(
            "http.body",
            f"wait_for: {text[:80]} is a position of another store, or before a restore",
        )
    waits = [
        edge.desk.wait_position(lane, position, timeout_s)
        for lane, position in wanted.items()
        if heads[lane] < position
    ]
    if not all(await asyncio.gather(*waits)):
        raise refusal("read.not_yet", f"{text[:80]} was not reached within {timeout_s:g} s")


async def _applied(edge: Edge, tenant: str, event_id: str, timeout_s: float) -> None:
    """An event that is not known yet may still be on its way: it is waited for as well."""
    clock = asyncio.get_running_loop().time
    until = clock() + timeout_s
    while True:
        # Read before the question: an event that comes between the two is not missed.
        _, heads = read_position(edge.position())
        if await edge.ask(edge.reader.applied, tenant, event_id):
            return
        left_s = until - clock()
        if left_s <= 0 or edge.draining.is_set():
            raise refusal("read.not_yet", f"{event_id} was not applied within {timeout_s:g} s")
        # Its mail may cross lanes of other processes, of which nobody tells us.
        owned = {lane["lane"] for lane in edge.desk.state()["lanes"]}
        wait_s = left_s if owned >= heads.keys() else min(left_s, APPLIED_POLL_S)
        await moved(edge, {lane: heads[lane] for lane in owned & heads.keys()}, wait_s)


async def moved(edge: Edge, heads: Mapping[int, int], timeout_s: float) -> bool:
    """Whether one of these lanes went beyond its head within the time, or the engine stops."""
    waits = [edge.desk.wait_position(lane, head + 1, timeout_s) for lane, head in heads.items()]
    waiting = {asyncio.ensure_future(wait) for wait in [edge.draining.wait(), *waits]}
    try:
        ended, _ = await asyncio.wait(
            waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
        )
        return any(one.result() for one in ended)
    finally:
        for one in waiting:
            one.cancel()


async def listed(edge: Edge, query: Callable[..., Any], *args: Any, **filters: Any) -> Response:
    """A list of the reader as an answer, with the position it is true for."""
    position = edge.position()
    return answer(await edge.read(query, *args, **filters), position=position)
