"""Commands that look: show, list, history, watch."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from troth._client import Client
from troth._models import CurrentStep, HistoryEvent

from . import _screens
from ._params import Limit, Name, TimeoutS, session_of
from ._refs import commitment

__all__ = ["history", "list_", "show", "watch"]

HISTORY_PAGE = 500
LIST_LIMIT = 50
PAGES_MAX = 200
"""How many pages `--all` reads."""


def show(
    ctx: typer.Context,
    id: Name,
    after: Annotated[
        str | None, typer.Option(help="Wait until this event (its id) is folded in.")
    ] = None,
    wait_for: Annotated[str | None, typer.Option(help="Wait for this position.")] = None,
) -> None:
    """Where a commitment is, what it waits for, and what would be undone."""
    session = session_of(ctx)
    with session.client() as client:
        step = commitment(client, id, after=after, wait_for=wait_for)
    session.give(step, lambda: _screens.show(step, session.now()))


def list_(
    ctx: typer.Context,
    saga: Annotated[str | None, typer.Option(help="Only of this saga.")] = None,
    status: Annotated[
        str | None, typer.Option(help="open, waiting, paused, held, compensating, in_debt, ...")
    ] = None,
    step: Annotated[str | None, typer.Option(help="Only those at this node.")] = None,
    key: Annotated[str | None, typer.Option(help="Only of this key.")] = None,
    limit: Limit = LIST_LIMIT,
    cursor: Annotated[str | None, typer.Option(help="Go on where a page ended.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All pages.")] = False,
) -> None:
    """Find commitments."""
    session = session_of(ctx)
    items: list[dict[str, Any]] = []
    with session.client() as client:
        for _ in range(PAGES_MAX if every else 1):
            page = client.list(
                saga=saga, status=status, step=step, key=key, cursor=cursor, limit=limit
            )
            items += page.items
            cursor = None if page.next is None else str(page.next)
            if cursor is None:
                break
    lines = _screens.listing(items, session.now())
    if cursor is not None:
        lines.append(f"   more: --cursor {cursor}, or --all")
    session.give({"items": items, "next": cursor}, lines)


def history(
    ctx: typer.Context,
    id: Name,
    after: Annotated[int, typer.Option(help="Only events after this version.")] = 0,
    at: Annotated[
        str | None, typer.Option(help="Only events up to this time, 2026-11-30T09:41:00Z.")
    ] = None,
) -> None:
    """What happened to a commitment, step by step."""
    session = session_of(ctx)
    limit = _time(at)
    with session.client() as client:
        events = _all_events(client, commitment(client, id).id, after)
    if limit is not None:
        events = [event for event in events if event.at <= limit]

    def lines() -> list[str]:
        return [*_screens.history(events, session.now()), _screens.chain_line(events)]

    session.give([event.model_dump(mode="json") for event in events], lines)


def watch(
    ctx: typer.Context,
    id: Name,
    timeout: TimeoutS = None,
    after: Annotated[int | None, typer.Option(help="Begin after this version.")] = None,
) -> None:
    """Follow a commitment until it ends: exit 0 fulfilled, 1 any other end, 7 timed out."""
    session = session_of(ctx)
    with session.client() as client:
        step = commitment(client, id)
        begin = step.version if after is None else after
        if not session.json:
            session.say(_screens.show(step, session.now())[0])
        for event in client.follow(step.id, after_version=begin, timeout_s=timeout):
            session.give(event, [_screens.event_line(event)])
        step = client.commitment(step.id)
    _end(session, step)


def _end(session: Any, step: CurrentStep) -> None:
    if not session.json:
        session.say(_screens.show(step, session.now())[0])
    if step.status != "fulfilled":
        raise typer.Exit(1)


def _all_events(client: Client, id: str, after: int) -> list[HistoryEvent]:
    events: list[HistoryEvent] = []
    while True:
        page = client.history(id, after_version=after, limit=HISTORY_PAGE)
        events += page.events
        if page.next is None:
            return events
        after = page.next


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise typer.BadParameter(f"{text!r} is no time with a zone: 2026-11-30T09:41:00Z")
    return found
