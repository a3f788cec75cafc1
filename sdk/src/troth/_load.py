"""Find the application that a command line means: `partner:app`, or that of pyproject.toml."""

from __future__ import annotations

import importlib
import sys
import tomllib
from pathlib import Path
from typing import Any, cast

from ._app import App
from ._errors import TrothError

__all__ = ["app_of_project", "load_app"]

WRITE = '[tool.troth] app = "partner:app"  in pyproject.toml, or  partner:app  as the argument'


def load_app(target: str | None = None, folder: Path | None = None) -> App:
    """Import the application that `module:attribute` names.

    Args:
        target: `partner:app`; None takes `[tool.troth] app` of the nearest pyproject.toml.
        folder: where the project is, by default the current folder.

    Raises:
        TrothError: TR125 when it cannot be found, or what its own import says (TR110, ...).
    """
    here = Path.cwd() if folder is None else folder
    if target is None:
        target, here = app_of_project(here)
    module_name, colon, attribute = target.partition(":")
    if not colon or not module_name or not attribute:
        raise TrothError("TR125", f"{target!r} names no application", do="partner:app")
    # The user's project, as `python -m` would see it; the environment's packages come after it.
    for entry in (here / "src", here):
        if entry.is_dir() and str(entry) not in sys.path:
            sys.path.insert(0, str(entry))
    found = _imported(target, module_name, here)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise TrothError(
                "TR125", f"{module_name} has no `{part}`", do=f"{attribute} = App(sagas=[...])"
            )
        found = getattr(found, part)
    if not isinstance(found, App):
        kind = type(found).__name__
        raise TrothError("TR125", f"{target} is no App but a {kind}", do="app = App(sagas=[...])")
    return found


def _imported(target: str, module_name: str, here: Path) -> Any:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        # A module that the user's own module imports is another fault than a wrong target.
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise TrothError(
            "TR125", f"there is no module `{error.name}` for {target} in {here.name}", do=WRITE
        ) from error


def app_of_project(folder: Path) -> tuple[str, Path]:
    """`[tool.troth] app` of the nearest pyproject.toml, and the folder that holds it."""
    for place in (folder, *folder.parents):
        file = place / "pyproject.toml"
        if not file.is_file():
            continue
        try:
            tool: Any = tomllib.loads(file.read_text("utf-8")).get("tool", {})
        except tomllib.TOMLDecodeError as error:
            raise TrothError("TR125", f"pyproject.toml is not TOML: {error}", str(file)) from error
        target = cast(dict[str, Any], tool).get("troth", {}).get("app")
        if isinstance(target, str):
            return target, place
        break
    raise TrothError("TR125", "no application is named", do=WRITE)
