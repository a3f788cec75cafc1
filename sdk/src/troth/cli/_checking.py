"""`troth check`: every rule on the sagas of an app, or on definition files; no server is needed."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from troth._app import App
from troth._problems import EngineError

from ._against import against
from ._definitions import Traced, check_frozen, rules, trace
from ._engine import find_engine
from ._params import load, session_of
from ._project import tell

__all__ = ["check"]

EXPLORE_S = 60.0
BOUNDS = (
    "attempts", "rounds", "runs", "updates", "beside", "items", "values", "collected",
    "retried_debts", "late", "states",
)  # fmt: skip
"""What can be named in --explore-bounds: those of the engine."""

Targets = Annotated[
    list[str] | None,
    typer.Argument(
        help="module:app; default [tool.troth] app of pyproject.toml. Or definition files (.json) "
        "and folders of them."
    ),
]


def check(
    ctx: typer.Context,
    targets: Targets = None,
    against_url: Annotated[
        str | None, typer.Option("--against", help="Also hold it against the engine at this URL.")
    ] = None,
    draw: Annotated[
        Path | None, typer.Option(help="Folder to draw the flows into: SAGA.vN.svg and .mmd.")
    ] = None,
    explore: Annotated[
        bool, typer.Option("--explore", help="Try every run of each saga, within bounds.")
    ] = False,
    explore_s: Annotated[
        float,
        typer.Option("--explore-seconds", min=1, help="Seconds of the processor for each saga."),
    ] = EXPLORE_S,
    bounds: Annotated[
        str | None,
        typer.Option("--explore-bounds", help="How far, in place of the usual: attempts=3,items=2"),
    ] = None,
) -> None:
    """Trace the sagas and hold them against every rule; registers nothing.

    Tells what each undoes and which approve covers which step. The engine does the checking: it is
    found in PATH or a .venv, and runs as a child process.
    """
    for one in [] if bounds is None else bounds.split(","):
        name, _, number = one.strip().partition("=")
        if name not in BOUNDS or not re.fullmatch(r"[0-9]{1,9}", number):
            text = f"{one.strip()} is no NAME=NUMBER; names: {', '.join(BOUNDS)}"
            raise typer.BadParameter(text, param_hint="--explore-bounds")
    session = session_of(ctx)
    named = targets or []
    files = _files(named, session.folder)
    if files is None:
        if len(named) > 1:
            raise typer.BadParameter("name one app, or files and folders of definitions")
        app = load(named[0] if named else None, session.folder)
        found = trace(app)
        for one in found:
            check_frozen(session.folder, one)
    else:
        app, found = App(), [_read(file, session.folder) for file in files]
    engine = find_engine(folder=session.folder)
    limit_s = explore_s if explore else None
    rules(engine, app, found, draw=draw, explore_s=limit_s, bounds=bounds)
    if against_url is not None:
        session.url = against_url
        with session.client() as client:
            against(client, app, found)
    tell(session, found, "nothing was registered")


def _files(named: Sequence[str], folder: Path) -> list[Path] | None:
    """The definition files that are named, by name within a folder; None when an app is."""
    if not any(_is_file(one, folder) for one in named):
        return None
    found: list[Path] = []
    for one in named:
        path = folder / one
        if path.is_dir():
            found += sorted(path.glob("*.json"))
        elif _is_file(one, folder):
            found.append(path)
        else:
            raise typer.BadParameter(f"{one} is neither a definition file nor a folder of them")
    if not found:
        raise EngineError(
            "TR404", "There are no definitions", ", ".join(named), do="troth compile writes them",
            status=404,
        )  # fmt: skip
    return found


def _is_file(named: str, folder: Path) -> bool:
    return named.endswith(".json") or (":" not in named and (folder / named).is_dir())


def _read(file: Path, folder: Path) -> Traced:
    """A definition that lies in a file; what is not even an object has a fault of its own."""
    shown = file.relative_to(folder).as_posix() if file.is_relative_to(folder) else str(file)
    try:
        document: Any = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise EngineError("TR404", "No such file", shown, status=404) from error
    except ValueError as error:
        line = getattr(error, "lineno", None)
        fault = {"code": "TR229", "message": f"it is not JSON: {error}", "file": shown,
                 "line": line, "do": "write JSON in UTF-8"}  # fmt: skip
        return Traced(shown, 0, faults=[fault])
    if not isinstance(document, dict):
        fault = {"code": "TR229", "message": "it is not an object", "file": shown,
                 "do": "write one JSON object: see docs/format.md"}  # fmt: skip
        return Traced(shown, 0, faults=[fault])
    found = cast(dict[str, Any], document)
    traced = Traced(str(found.get("saga", shown)), _number(found.get("version")), found, file=file)
    traced.shown = shown
    return traced


def _number(version: object) -> int:
    return version if isinstance(version, int) and not isinstance(version, bool) else 0
