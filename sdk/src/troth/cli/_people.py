"""Commands of people: inbox, decide, controls, debts, settle."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from troth._client import Client
from troth._problems import EngineError

from . import _screens
from ._params import Limit, Name, Reason, json_of, session_of
from ._refs import commitment

__all__ = ["cancel", "debts", "decide", "inbox", "pause", "resume", "retry", "settle"]

PAGE = 100
PAGES_MAX = 100
EVIDENCE_TEXT_MAX = 100_000
"""Characters of an evidence file that is not JSON."""


class Answer(StrEnum):
    """What a person decides."""

    APPROVE = "approve"
    EDIT = "edit"
    REJECT = "reject"


def inbox(
    ctx: typer.Context,
    escalated: Annotated[
        str | None, typer.Option(help="Only those that this seat was called to.")
    ] = None,
    limit: Limit = PAGE,
) -> None:
    """Decisions that wait for a person, longest first."""
    session = session_of(ctx)
    with session.client() as client:
        page = client.inbox(escalated=escalated, limit=limit)
    session.give(page, lambda: _screens.inbox(page.items, session.now()))


def decide(
    ctx: typer.Context,
    id: Name,
    gate: Annotated[str, typer.Argument(help="Name of the approve, such as legal.")],
    answer: Annotated[Answer, typer.Argument()],
    digest: Annotated[str, typer.Option(help="The digest you saw in troth inbox, or its start.")],
    reason: Annotated[str | None, typer.Option(help="Why; a reject needs it.")] = None,
    payload: Annotated[
        str | None, typer.Option(help="With edit: the amended subject, JSON or @file.")
    ] = None,
) -> None:
    """Decide what you saw: approve, edit or reject. The digest binds it to that action."""
    session = session_of(ctx)
    given = None if payload is None else json_of(payload, "--payload")
    with session.client() as client:
        step = commitment(client, id)
        found = _gate(client, step.ref, [str(one) for one in step.approvals], gate)
        if not found["digest"].startswith(digest) or len(digest) < _screens.DIGEST_DIGITS:
            raise EngineError(
                "TR433", "The action changed after you saw it",
                f"{gate} has digest {found['digest'][: _screens.DIGEST_DIGITS]}, not {digest}",
                do="look again: troth inbox", status=412,
            )  # fmt: skip
        decided = client.decide(
            found["id"], answer.value, digest=found["digest"], reason=reason, payload=given
        )
    missing = f"   still wanted: {', '.join(decided.missing)}" if decided.missing else ""
    status = decided.status.replace("_", " ")
    session.give(decided, [f"{step.ref} {gate}: {status} by {decided.by}{missing}"])


def _gate(client: Client, ref: str, ids: list[str], gate: str) -> dict[str, Any]:
    """The open approval at a node; its whole path, or its last name."""
    open_ones = [client.approval(one) for one in ids]
    for found in open_ones:
        if gate in (found["node"], found["node"].rpartition("/")[2], found["id"]):
            return found
    named = ", ".join(found["node"] for found in open_ones) or "none"
    raise EngineError(
        "TR404", "There is no such thing", f"{ref} asks for no decision {gate!r}; open: {named}",
        do="look with troth inbox", status=404,
    )  # fmt: skip


def cancel(ctx: typer.Context, id: Name, reason: Reason) -> None:
    """Cancel: stop, and undo what was done."""
    _control(ctx, id, "cancel", reason)


def pause(ctx: typer.Context, id: Name, reason: Reason) -> None:
    """Pause: record messages, and handle them at resume."""
    _control(ctx, id, "pause", reason)


def resume(ctx: typer.Context, id: Name, reason: Reason) -> None:
    """Resume a paused commitment, or release one that is held."""
    _control(ctx, id, "resume", reason)


def retry(
    ctx: typer.Context,
    id: Name,
    reason: Reason,
    node: Annotated[str | None, typer.Argument(help="Node path, or a debt.")] = None,
) -> None:
    """Try a node or a debt again: the same key, audited."""
    _control(ctx, id, "retry", reason, node)


def _control(
    ctx: typer.Context,
    id: str,
    action: Literal["cancel", "pause", "resume", "retry"],
    reason: str,
    node: str | None = None,
) -> None:
    session = session_of(ctx)
    with session.client() as client:
        step = commitment(client, id)
        release = action == "resume" and step.status == "held"
        steered = client.control(
            step.id, "release" if release else action, reason=reason, node=node
        )
    target = f" {node}" if node else ""
    session.give(steered, [f"{step.ref}{target}: {action} recorded, {steered.status}"])


def debts(ctx: typer.Context, limit: Limit = PAGE) -> None:
    """Undoings that failed for good and wait for a person."""
    session = session_of(ctx)
    with session.client() as client:
        page = client.debts(limit=limit)
    session.give(page, lambda: _screens.debts(page.items, session.now()))


def settle(
    ctx: typer.Context,
    debt: Annotated[str, typer.Argument(help="Number of the debt, or name of a commitment.")],
    reason: Reason,
    evidence: Annotated[Path, typer.Option(help="File that shows it; JSON or text.")],
    node: Annotated[
        str | None, typer.Option(help="With a commitment's name: its node or debt.")
    ] = None,
    not_done: Annotated[
        bool, typer.Option("--not-done", help="It did not happen. Without: it is done.")
    ] = False,
    result: Annotated[
        str | None, typer.Option(help="The result of a step that is settled as done, JSON.")
    ] = None,
) -> None:
    """Settle by hand, with evidence: a debt, or an effect of which nobody knows."""
    session = session_of(ctx)
    shown = _evidence(evidence)
    value = None if result is None else json_of(result, "--result")
    with session.client() as client:
        if "/" in debt:
            id, target = commitment(client, debt).id, node
        else:
            found = _debt(client, debt)
            id, target = found["commitment"], found["id"]
        steered = client.control(
            id, "settle", reason=reason, node=target, result=value, evidence=shown,
            outcome="not_done" if not_done else "done",
        )  # fmt: skip
    session.give(steered, [f"{debt}: settled, {steered.status}"])


def _debt(client: Client, number: str) -> dict[str, Any]:
    for item in _open_debts(client):
        if item["id"] == number:
            return item
    raise EngineError(
        "TR404", "There is no such thing", f"no open debt {number}",
        do="look with troth debts", status=404,
    )  # fmt: skip


def _open_debts(client: Client) -> Iterator[dict[str, Any]]:
    cursor: str | None = None
    for _ in range(PAGES_MAX):
        page = client.debts(cursor=cursor, limit=PAGE)
        yield from page.items
        if page.next is None:
            return
        cursor = str(page.next)


def _evidence(file: Path) -> Any:
    """JSON as it is; any other text with the file's name."""
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"--evidence {file}: {error}") from None
    if file.suffix == ".json":
        return json_of(text, f"--evidence {file}")
    return {"file": file.name, "text": text[:EVIDENCE_TEXT_MAX]}
