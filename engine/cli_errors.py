"""How the command line says no: code, what happened, where, what to do, what was kept."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from traceback import format_exception
from typing import Any

import orjson

from domain.errors import Refusal, code_of
from domain.ports import StoreFailed

__all__ = ["EXIT", "Exit", "exit_of", "tell", "told"]


class Exit:
    """Exit codes of every command. NO_ENGINE: nor a database or broker, as it may be tomorrow."""

    DONE = 0
    FOUND_BAD = 1
    USAGE = 2
    NOT_FOUND = 3
    STATE_SAYS_NO = 4
    NOT_ALLOWED = 5
    NO_ENGINE = 6
    TIMED_OUT = 7


EXIT: Mapping[str, int] = {
    "settings.unknown": Exit.USAGE,
    "settings.value": Exit.USAGE,
    "http.not_found": Exit.NOT_FOUND,
    "store.locked": Exit.STATE_SAYS_NO,
    "store.lanes": Exit.STATE_SAYS_NO,
    "store.format": Exit.STATE_SAYS_NO,
    "store.full": Exit.STATE_SAYS_NO,
    "store.not_empty": Exit.STATE_SAYS_NO,
    "store.unapplied": Exit.STATE_SAYS_NO,
    "store.failed": Exit.STATE_SAYS_NO,
    "store.gone": Exit.NO_ENGINE,
    "bus.down": Exit.NO_ENGINE,
    "bus.topic_missing": Exit.STATE_SAYS_NO,
    "bus.partitions": Exit.STATE_SAYS_NO,
    "bus.topic_setting": Exit.STATE_SAYS_NO,
    "bus.refused": Exit.NOT_ALLOWED,
    "port.in_use": Exit.STATE_SAYS_NO,
    "keys.none": Exit.NOT_ALLOWED,
    "dev.loopback": Exit.NOT_ALLOWED,
}
"""Of the codes that do not mean that something bad was found."""

_KEPT: Mapping[str, str] = {
    "store.locked": "the engine that runs is not touched",
    "store.corrupt": "the file was not written to",
    "store.full": "nothing that was acknowledged is lost",
    "verify.broken": "nothing was changed",
    "bug": "what was acknowledged is on disk",
}


def exit_of(alias: str) -> int:
    """The exit code for a refusal."""
    return EXIT.get(code_of(alias).alias, Exit.FOUND_BAD)


def told(alias: str, detail: str, errors: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    """An error as data, for --json."""
    code = code_of(alias)
    body: dict[str, Any] = {
        "code": code.number,
        "alias": code.alias,
        "title": code.title,
        "detail": detail,
        "do": code.do,
    }
    return {**body, "errors": list(errors)} if errors else body


def tell(error: Exception, *, debug: bool = False, as_json: bool = False) -> int:
    """Say what went wrong on stderr and answer the exit code."""
    if isinstance(error, Refusal | StoreFailed):
        alias, detail = error.alias, error.detail
    else:
        alias, detail = "bug", f"{type(error).__name__}: {error}"
    if debug:
        sys.stderr.write("".join(format_exception(error)))
    if as_json:
        sys.stderr.write(orjson.dumps(told(alias, detail)).decode() + "\n")
    else:
        sys.stderr.write("\n".join(_lines(alias, detail)) + "\n")
    return exit_of(alias)


def _lines(alias: str, detail: str) -> list[str]:
    code = code_of(alias)
    return [
        f"error {code.number} {code.alias}: {code.title}",
        f"  where  {detail}",
        f"  do     {code.do}",
        f"  kept   {_KEPT.get(code.alias, 'nothing was changed')}",
        f"  more   troth explain {code.number} · docs/errors.md#{code.number}",
    ]
