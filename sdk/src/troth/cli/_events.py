"""Commands that start and send, and the remedies for events: parked, dead."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, cast

import typer

from troth._operations import RESULT_TIMEOUT_S, SOURCE
from troth._problems import EXIT_STATE, EXIT_TIMED_OUT, EngineError

from . import _screens
from ._params import Limit, Reason, json_of, session_of

__all__ = ["dead", "parked", "send", "start"]

PAGE = 100
Number = Annotated[int, typer.Argument(help="Number of the dead letter.")]

dead = typer.Typer(help="Events that could not be accepted: list, show, redrive, discard.")


def start(
    ctx: typer.Context,
    saga: Annotated[str, typer.Argument(help="Name of the saga.")],
    input: Annotated[str, typer.Argument(help="Its input: JSON, @file, or - for stdin.")],
    idempotency_key: Annotated[
        str | None, typer.Option(help="The same key again gives the same answer.")
    ] = None,
    version: Annotated[int | None, typer.Option(help="Default: the newest.")] = None,
    until: Annotated[
        str | None, typer.Option(help="Wait for what a node yields: results.N.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(help="How many seconds to wait for it.")
    ] = RESULT_TIMEOUT_S,
) -> None:
    """Start a commitment, and wait for a result of it if you like.

    With --until it ends with 7 if the result is not there in time, and with 4 if there is none.
    """
    session = session_of(ctx)
    payload = json_of(input, "the input")
    with session.client() as client:
        got = client.start(
            saga, payload, idempotency_key=idempotency_key, version=version,
            until=until, timeout_s=timeout,
        )  # fmt: skip
    ref = f"{saga}/{got.key}#{got.run}"
    word = "started" if got.created else "was there already"
    told = [f"{ref} {word}, {got.status}   id {got.id[:8]}   next: troth show {ref}"]
    if got.until is not None:
        result = f": {json.dumps(got.until.result)}" if got.until.status == "done" else ""
        told.append(f"{got.until.node} {got.until.status}{result}")
    session.give(got, told)
    if got.until is not None and got.until.status != "done":
        raise typer.Exit(EXIT_TIMED_OUT if got.until.status == "running" else EXIT_STATE)


def send(
    ctx: typer.Context,
    type: Annotated[str, typer.Argument(help="Type of the event, such as partner.signed.")],
    data: Annotated[str, typer.Argument(help="Its data: JSON, @file, or - for stdin.")],
    id: Annotated[str | None, typer.Option(help="The same id again is taken once.")] = None,
    source: Annotated[str, typer.Option(help="Who says it, a URI.")] = SOURCE,
    time: Annotated[datetime | None, typer.Option(help="When it happened; default now.")] = None,
) -> None:
    """Send an event."""
    session = session_of(ctx)
    payload = json_of(data, "the data")
    if time is not None and time.tzinfo is None:
        time = time.astimezone()
    with session.client() as client:
        sent = client.send(type, payload, id=id, source=source, time=time)
    told = f"{type} {sent.event_id} {sent.status}"
    follow = _follow(sent.follow)
    session.give(sent, [f"{told}   next: {follow}" if follow else told])


def _follow(address: str | None) -> str | None:
    """`/v1/sagas/S/keys/K?after=E` as the command that shows it."""
    parts = (address or "").partition("?")[0].split("/")
    if len(parts) < 6 or parts[2] != "sagas" or parts[4] != "keys":
        return None
    return f"troth show {parts[3]}/{'/'.join(parts[5:])}"


def parked(
    ctx: typer.Context,
    reason: Annotated[
        str | None, typer.Option(help="Only those kept for this reason, such as finished.")
    ] = None,
    limit: Limit = PAGE,
) -> None:
    """Events that nothing has taken: early ones, and what came after the end."""
    session = session_of(ctx)
    with session.client() as client:
        page = client.parked(reason=reason, limit=limit)
    session.give(page, lambda: _screens.parked(page.items, session.now()))


@dead.command("list")
def dead_list(
    ctx: typer.Context,
    status: Annotated[str, typer.Option(help="open, redriven, discarded, or all.")] = "open",
    limit: Limit = PAGE,
) -> None:
    """Dead letters, in the order they came."""
    session = session_of(ctx)
    with session.client() as client:
        page = client.dead_letters(status=None if status == "all" else status, limit=limit)
    session.give(page, lambda: _screens.dead_letters(page.items, session.now()))


@dead.command("show")
def dead_show(
    ctx: typer.Context,
    number: Number,
    raw: Annotated[bool, typer.Option("--raw", help="Print what came.")] = False,
) -> None:
    """One dead letter, and why it was not taken."""
    session = session_of(ctx)
    with session.client() as client:
        found = client.dead_letter(number)
    session.give(found, lambda: _screens.dead_letter(found, session.now(), raw=raw))


@dead.command("redrive")
def dead_redrive(
    ctx: typer.Context,
    number: Number,
    reason: Reason,
    edit: Annotated[
        list[str] | None, typer.Option(help="FIELD=JSON, corrects a field of the data; again.")
    ] = None,
    event: Annotated[
        str | None, typer.Option(help="The whole event instead: JSON or @file.")
    ] = None,
) -> None:
    """Take it after all, as it came or corrected."""
    session = session_of(ctx)
    with session.client() as client:
        corrected = json_of(event, "--event") if event is not None else None
        if edit:
            came = corrected or _event_of(client.dead_letter(number))
            corrected = _edited(came, edit)
        done = client.redrive(number, reason=reason, event=corrected)
    session.give(done, [f"{number}: {done['status']}"])


@dead.command("discard")
def dead_discard(ctx: typer.Context, number: Number, reason: Reason) -> None:
    """Close it without taking it; it stays readable."""
    session = session_of(ctx)
    with session.client() as client:
        done = client.discard(number, reason=reason)
    session.give(done, [f"{number}: {done['status']}"])


def _event_of(letter: dict[str, Any]) -> dict[str, Any]:
    try:
        found = json.loads(str(letter.get("raw", "")))
    except ValueError:
        found = None
    if not isinstance(found, dict) or "data" not in found:
        raise EngineError(
            "TR301", "What came is no event that can be edited", f"dead letter {letter['id']}",
            do="give the whole event: --event @file", status=422,
        )  # fmt: skip
    return cast(dict[str, Any], found)


def _edited(event: dict[str, Any], edits: list[str]) -> dict[str, Any]:
    """The event with fields of its data replaced; `a.b=1` goes into objects."""
    data: dict[str, Any] = json.loads(json.dumps(event["data"]))
    for edit in edits:
        path, mark, text = edit.partition("=")
        if not mark or not path:
            raise typer.BadParameter(f"--edit {edit!r}: write FIELD=JSON, such as company='\"a\"'")
        *parents, last = path.removeprefix("data.").split(".")
        place = data
        for name in parents:
            inner = place.setdefault(name, {})
            if not isinstance(inner, dict):
                raise typer.BadParameter(f"--edit {edit!r}: {name} is no object")
            place = cast(dict[str, Any], inner)
        place[last] = json_of(text, f"--edit {path}")
    return {**event, "data": data}
