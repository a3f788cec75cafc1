"""Names and durations as text, checked where they are written; and where that is."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from types import CodeType

from ._errors import TrothError

__all__ = [
    "check_duration",
    "check_node_name",
    "check_stored_name",
    "check_version",
    "node_name_of",
    "place",
    "wrong",
]

NAME_MAX = 64
DURATION_TEXT_MAX = 64

_NODE_NAME = re.compile(rf"[a-z][a-z0-9_]{{0,{NAME_MAX - 1}}}")
_STORED_NAME = re.compile(rf"[a-z][a-z0-9_.-]{{0,{NAME_MAX - 1}}}")
_UNITS = ("w", "d", "h", "m", "s", "ms", "us")
_PART = re.compile(r"([0-9]{1,15})(ms|us|[wdhms])")
_KEYWORDS = frozenset({"in", "true", "false", "null"})
_HERE = f"{Path(__file__).parent}{os.sep}"


def place(flow: CodeType | None = None) -> tuple[str, int]:
    """The file and line of the user's code that called us.

    With `flow` it is the nearest line in the file of that function: one of a helper beside it, or
    the line that called a helper from elsewhere.
    """
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]  # the only way to a caller
    nearest: tuple[str, int] | None = None
    while frame is not None:
        code = frame.f_code
        if not code.co_filename.startswith(_HERE):
            found = (code.co_filename, frame.f_lineno)
            nearest = nearest or found
            if flow is None or code.co_filename == flow.co_filename:
                return found
        frame = frame.f_back
    return nearest or ("<unknown>", 0)


def wrong(code: str, message: str, do: str | None = None) -> TrothError:
    """An error at the line of the user's code that called us."""
    file, line = place()
    return TrothError(code, message, file=file, line=line, do=do)


def check_node_name(name: str, what: str = "a node") -> str:
    """Names inside a flow: they are words of expressions."""
    if type(name) is not str or not _NODE_NAME.fullmatch(name):
        raise wrong(
            "TR122",
            f"{name!r} does not name {what}",
            f"lower case letters, digits and _, a letter first, {NAME_MAX} at most",
        )
    if name in _KEYWORDS:
        raise wrong("TR122", f"{name!r} is a word of the expression language", "another name")
    return name


def check_stored_name(name: str, what: str) -> str:
    """Names of sagas, participants, steps and events: they are stored and sent."""
    if type(name) is not str or not _STORED_NAME.fullmatch(name):
        raise wrong(
            "TR122",
            f"{name!r} does not name {what}",
            f"lower case letters, digits, _ . and -, a letter first, {NAME_MAX} at most",
        )
    return name


def check_version(version: int, what: str) -> int:
    """Versions count from 1."""
    if type(version) is not int or version < 1:
        raise wrong("TR122", f"the version of {what} is {version!r}", "version=1, 2, 3, ...")
    return version


def node_name_of(stored: str) -> str:
    """The default name of a node: that of its step or event with `-` and `.` as `_`."""
    return stored.replace("-", "_").replace(".", "_")


def check_duration(text: str, what: str = "a duration") -> str:
    """`500ms 90s 10m 2h 3d 2w`, also joined, largest first: `1h30m`."""
    rank, position = -1, 0
    if type(text) is str and len(text) <= DURATION_TEXT_MAX:
        while part := _PART.match(text, position):
            if _UNITS.index(part[2]) <= rank:
                break
            rank, position = _UNITS.index(part[2]), part.end()
        if 0 < position == len(text):
            return text
    raise wrong(
        "TR124",
        f"{what} is {text!r}",
        "whole numbers with w d h m s ms, largest first: 90s, 10m, 1h30m, 3d",
    )
