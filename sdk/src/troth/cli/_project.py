"""Commands of a project: compile, register, explain; and how what was found is told."""

from __future__ import annotations

import json
import linecache
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Annotated, Any

import typer

from troth._app import App as Application
from troth._client import Client
from troth._problems import EngineError

from ._definitions import Traced, freeze, frozen_file, trace
from ._engine import CUT_OFF
from ._params import App, load, session_of
from ._session import Session

__all__ = [
    "codes",
    "compile_",
    "explain",
    "fault_lines",
    "register",
    "register_all",
    "tell",
    "told",
]

HASH_DIGITS = 8


def compile_(ctx: typer.Context, app: App = None) -> None:
    """Write each saga's definition to definitions/, where it is frozen with its version."""
    session = session_of(ctx)
    found = trace(load(app, session.folder))
    for one in found:
        if one.document and freeze(session.folder, one):
            one.notes.append(f"→ {frozen_file(session.folder, one).relative_to(session.folder)}")
    tell(session, found, "files that are there were not changed")


def register(ctx: typer.Context, app: App = None) -> None:
    """Register every saga of an app at the engine."""
    session = session_of(ctx)
    with session.client() as client:
        found = register_all(client, load(app, session.folder))
    tell(session, found, "what is wrong was not registered")


def register_all(client: Client, app: Application) -> list[Traced]:
    """Register what is right; faults stay with their saga."""
    found = trace(app)
    for one in found:
        if not one.document:
            continue
        try:
            answer = client.register(one.document)
        except EngineError as error:
            if error.status not in {409, 422}:
                raise
            one.faults += error.errors or (
                {"code": error.code, "message": error.message, "do": error.do},
            )
            continue
        one.hash = answer.hash
        one.notes.append("registered" if answer.created else "was registered already")
    return found


def tell(session: Session, found: Sequence[Traced], kept: str) -> None:
    """Print what was found; exit 1 if something is wrong, 7 if exploring was cut off."""
    wrong = [one for one in found if one.faults]
    body = [
        {
            "saga": one.name, "version": one.version, "hash": one.hash or None,
            "faults": [_public(fault) for fault in one.faults], "notes": one.notes,
            "drawn": one.drawn, "explored": one.explored or None,
        }
        for one in found
    ]  # fmt: skip
    session.give(body, lambda: told(found, kept))
    if wrong:
        raise typer.Exit(1)
    if any(one.explored.get("cut") for one in found):
        raise typer.Exit(CUT_OFF)


def told(found: Sequence[Traced], kept: str) -> list[str]:
    """A line for each saga that is right, the faults of each that is not."""
    lines: list[str] = []
    for one in found:
        for fault in one.faults:
            lines += fault_lines(fault, one.title)
        if one.faults:
            lines += explored_lines(one.explored)
        if not one.faults:
            digest = f" {one.hash[:HASH_DIGITS]}" if one.hash else ""
            lines.append(f"✓ {one.title}{digest}   {'   '.join(one.notes)}".rstrip())
            lines += [f"  drawn  {file}" for file in one.drawn]
            lines += explored_lines(one.explored)
    count = sum(len(one.faults) for one in found)
    if count:
        first = next(fault["code"] for one in found for fault in one.faults)
        faults = "1 fault" if count == 1 else f"{count} faults"
        more = f"troth explain {first} · docs/errors.md#{first}"
        lines.append(f"✗ {faults} · {kept} · {more}")
    return lines or ["the app has no sagas"]


def explored_lines(found: dict[str, Any]) -> list[str]:
    """What trying every run of a saga found; the shortest run that breaks it, if one does."""
    if not found:
        return []
    counted = f"{found['states']:,} states, {found['moves']:,} moves in {found['seconds']} s"
    if found["lines"]:
        run = [f"  {line}" for line in found["lines"]]
        return [f"  explored {counted}; the shortest run that breaks it:", *run]
    which = "every run within the bounds" if found["complete"] else "every run that was looked at"
    ends = f"ends or waits, undoes all in order, obeys its gates (ends: {', '.join(found['ends'])})"
    bounds = [f"  bound    {one}" for one in found["reached"]]
    waits = [f"  waits    {kind}: {', '.join(names)}" for kind, names in found["waits"].items()]
    cut = [f"  CUT OFF  {one}: this is not proved" for one in found["cut"]]
    wider = ["  wider    --explore-bounds NAME=NUMBER,...: the names stand in brackets"]
    more = [*waits, *cut, *bounds, *(wider if bounds else ())]
    return [f"  explored {counted}: {which} {ends}", *more]


def fault_lines(fault: dict[str, Any], title: str) -> list[str]:
    """One fault: code and what, where with the line of source, what to write."""
    if "shown" in fault:
        return str(fault["shown"]).splitlines()
    node = f" / {fault['node']}" if fault.get("node") else ""
    lines = [f"error {fault.get('code', 'TR999')}: {fault.get('message', '')}"]
    where = f"{title}{node}"
    if fault.get("file") and fault.get("line"):
        source = linecache.getline(str(fault["file"]), int(fault["line"])).strip()
        shown = f"   | {source}" if source else ""
        where = f"{fault['file']}:{fault['line']}   {where}{shown}"
    elif fault.get("file"):
        where = f"{fault['file']}   {where}"
    lines.append(f"  where  {where}")
    if fault.get("do"):
        lines.append(f"  write  {fault['do']}")
    return lines


def _public(fault: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fault.items() if name != "shown" and value is not None}


def explain(
    ctx: typer.Context,
    code: Annotated[str, typer.Argument(help="TR201, or its alias def.no_approval.")],
) -> None:
    """What a code means and what to do; works without an engine."""
    wanted = code.strip()
    for entry in codes():
        if wanted.upper() == entry["code"] or wanted == entry["alias"]:
            session_of(ctx).give(
                entry,
                [
                    f"{entry['code']} {entry['alias']}   {entry['title']}",
                    f"  do     {entry['do']}",
                    f"  more   docs/errors.md#{entry['code']}",
                ],
            )
            return
    raise EngineError(
        "TR404", "There is no such code", wanted, do="codes look like TR201", status=404
    )


@cache
def codes() -> tuple[dict[str, Any], ...]:
    """The table of codes, as the engine has it: code, alias, status, title, do."""
    text = (resources.files("troth.cli") / "codes.json").read_text("utf-8")
    return tuple(json.loads(text))
