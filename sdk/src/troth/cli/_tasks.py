"""Commands of people who work: tasks, claim, complete; and updates of what runs."""

from __future__ import annotations

from typing import Annotated

import typer

from troth._tasks import ANSWER_TIMEOUT_S

from . import _screens
from ._params import Limit, Name, Reason, json_of, session_of
from ._refs import commitment

__all__ = ["claim", "complete", "finish", "move", "release", "tasks", "update"]

PAGE = 100
Number = Annotated[str, typer.Argument(help="Number of the task, as troth tasks shows it.")]


def tasks(
    ctx: typer.Context,
    status: Annotated[
        str | None, typer.Option(help="offered, claimed, done or withdrawn; else all.")
    ] = "offered",
    escalated: Annotated[
        str | None, typer.Option(help="Only those that this seat was called to.")
    ] = None,
    limit: Limit = PAGE,
) -> None:
    """Work that waits for a person, longest first."""
    session = session_of(ctx)
    with session.client() as client:
        page = client.tasks(status=status, escalated=escalated, limit=limit)
    session.give(page, lambda: _screens.tasks(page.items, session.now()))


def claim(ctx: typer.Context, task: Number) -> None:
    """Take a task; claim it again to keep it longer."""
    session = session_of(ctx)
    with session.client() as client:
        answer = client.claim_task(task)
    session.give(answer, [f"{task}: yours until {answer.get('until')}"])


def release(ctx: typer.Context, task: Number) -> None:
    """Give a task back."""
    session = session_of(ctx)
    with session.client() as client:
        answer = client.release_task(task)
    session.give(answer, [f"{task}: open for all again"])


def complete(
    ctx: typer.Context,
    task: Number,
    payload: Annotated[str | None, typer.Argument(help="What was done: JSON or @file.")] = None,
) -> None:
    """Hand in what was done; you have claimed the task before."""
    session = session_of(ctx)
    given = None if payload is None else json_of(payload, "PAYLOAD")
    with session.client() as client:
        answer = client.complete_task(task, given)
    session.give(answer, [f"{task}: done by {answer['by']}"])


def update(
    ctx: typer.Context,
    id: Name,
    name: Annotated[str, typer.Argument(help="Name of the update, such as extend.")],
    args: Annotated[str, typer.Argument(help="What it takes: JSON or @file.")] = "{}",
    key: Annotated[
        str | None, typer.Option(help="The same key again gets the same answer.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(help="Seconds to wait for an answer that comes when it is done.")
    ] = ANSWER_TIMEOUT_S,
) -> None:
    """Ask a running commitment for a change that its saga offers."""
    session = session_of(ctx)
    given = json_of(args, "ARGS")
    with session.client() as client:
        step = commitment(client, id)
        answer = client.update(step.id, name, given, idempotency_key=key, timeout_s=timeout)
    said = "" if answer is None else f": {_screens.value(answer)}"
    session.give({"answer": answer}, [f"{step.ref} {name}: accepted{said}"])


def finish(
    ctx: typer.Context,
    id: Name,
    node: Annotated[str, typer.Argument(help="Path or name of an open block.")],
    reason: Reason,
    evidence: Annotated[str, typer.Option(help="What shows that it is enough: JSON or @file.")],
) -> None:
    """Complete an open block with what is done in it."""
    session = session_of(ctx)
    shown = json_of(evidence, "--evidence")
    with session.client() as client:
        step = commitment(client, id)
        steered = client.control(step.id, "finish", reason=reason, node=node, evidence=shown)
    session.give(steered, [f"{step.ref} {node}: finished, {steered.status}"])


def move(
    ctx: typer.Context,
    id: Name,
    node: Annotated[str, typer.Argument(help="Path or name of a node whose time runs.")],
    to: Annotated[str, typer.Argument(help="The new time, such as 2026-11-30T09:00:00Z.")],
    reason: Reason,
) -> None:
    """Give a running time of a node another due time."""
    session = session_of(ctx)
    with session.client() as client:
        step = commitment(client, id)
        steered = client.control(step.id, "move", reason=reason, node=node, to=to)
    session.give(steered, [f"{step.ref} {node}: due {to}, {steered.status}"])
