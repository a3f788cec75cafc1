"""Arguments and options that several commands share."""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from troth._app import App as Application
from troth._errors import TrothError
from troth._load import load_app

from ._session import Session

__all__ = ["App", "Limit", "Name", "Reason", "TimeoutS", "json_of", "load", "session_of"]

Name = Annotated[str, typer.Argument(help="saga/key, saga/key#run, or (the beginning of) an id.")]
App = Annotated[
    str | None, typer.Argument(help="module:app; default [tool.troth] app of pyproject.toml.")
]
Reason = Annotated[str, typer.Option(help="Why; it is recorded with your name.")]
Limit = Annotated[int, typer.Option(min=1, max=500, help="How many at most.")]
TimeoutS = Annotated[float | None, typer.Option(min=0, help="Seconds to wait at most.")]


def session_of(ctx: typer.Context) -> Session:
    """The options that hold for every command."""
    return cast(Session, ctx.obj)


def load(target: str | None, folder: Path) -> Application:
    """Import the app. Raises TrothError, TR125 with file and line if its own import fails."""
    try:
        return load_app(target, folder)
    except (TrothError, KeyboardInterrupt):
        raise
    except Exception as error:
        (*_, last) = traceback.extract_tb(error.__traceback__)
        raise TrothError(
            "TR125",
            f"importing the app raised {type(error).__name__}: {error}",
            file=last.filename,
            line=last.lineno,
        ) from error


def json_of(text: str, what: str) -> Any:
    """JSON given as text, as `@file`, or as `-` for the standard input.

    Raises typer.BadParameter, a usage error.
    """
    if text == "-":
        text = sys.stdin.read()
    elif text.startswith("@"):
        try:
            text = Path(text[1:]).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise typer.BadParameter(f"{what}: {text[1:]}: {error}") from None
    try:
        return json.loads(text, object_pairs_hook=_members)
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"{what} is not JSON: {error}; got {text[:60]!r}") from None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refused here as the engine would: which of the two was meant?"""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, _ in pairs if [one for one, _ in pairs].count(name) > 1)
        raise ValueError(f"the member {twice!r} comes twice")
    return found
