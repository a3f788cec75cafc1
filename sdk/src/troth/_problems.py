"""What the engine says "no" with, as one exception; and the exit codes of the command line."""

from __future__ import annotations

import json
from typing import Any, cast

from ._errors import TrothError

__all__ = ["NO_ENGINE", "EngineError", "exit_code_of", "no_engine", "problem_of"]

NO_ENGINE = "TR740"
TIMED_OUT = "TR431"
SILENT = "TR709"

EXIT_BAD, EXIT_USAGE, EXIT_NOT_FOUND, EXIT_STATE = 1, 2, 3, 4
EXIT_NOT_ALLOWED, EXIT_NO_ENGINE, EXIT_TIMED_OUT = 5, 6, 7
_EXITS = {
    401: EXIT_NOT_ALLOWED,
    403: EXIT_NOT_ALLOWED,
    404: EXIT_NOT_FOUND,
    409: EXIT_STATE,
    412: EXIT_STATE,
    428: EXIT_STATE,
    429: EXIT_STATE,
}
_EXITS_BY_CODE = {
    "TR125": EXIT_NOT_FOUND,
    "TR402": EXIT_NOT_ALLOWED,
    "TR711": EXIT_USAGE,
    TIMED_OUT: EXIT_TIMED_OUT,
    NO_ENGINE: EXIT_NO_ENGINE,
    "TR742": EXIT_NO_ENGINE,
}
SHOWN_MAX = 200
"""Characters of an answer that is no problem document."""


class EngineError(TrothError):
    """The engine refused, or cannot be reached.

    Attributes:
        code: a number of the table of codes, such as `TR421`.
        title: what it is; detail: what it is here; do: what to write or run instead.
        status: the HTTP status; 0 when there was no answer.
        errors: single faults, each with `code`, `message` and perhaps `file`, `line`, `node`.
        retry_after_s: when the engine asks to come again, else None.
    """

    def __init__(
        self,
        code: str,
        title: str,
        detail: str = "",
        *,
        do: str | None = None,
        status: int = 0,
        errors: tuple[dict[str, Any], ...] = (),
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(code, f"{title}: {detail}" if detail else title, do=do)
        self.title = title
        self.detail = detail
        self.status = status
        self.errors = errors
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        text = f"error {self.code}: {self.message}"
        return f"{text}\n  do     {self.do}" if self.do else text


def no_engine(url: str, reason: str) -> EngineError:
    """Nothing answers at this address."""
    return EngineError(
        NO_ENGINE,
        "No engine answers",
        f"{url}: {reason}",
        do="start one: troth dev, or name another with --url or TROTH_URL",
    )


def problem_of(status: int, body: bytes, retry_after: str | None = None) -> EngineError:
    """The error of an answer that is not a success."""
    wait_s = float(retry_after) if retry_after and retry_after.isdigit() else None
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if not isinstance(document, dict) or "code" not in document:
        shown = body[:SHOWN_MAX].decode("utf-8", "replace")
        return EngineError(
            NO_ENGINE,
            f"HTTP {status}, and not from an engine",
            shown,
            do="check the address: --url or TROTH_URL",
            status=status,
            retry_after_s=wait_s,
        )
    problem = cast(dict[str, Any], document)
    return EngineError(
        str(problem["code"]),
        str(problem.get("title", "")),
        str(problem.get("detail", "")),
        do=problem.get("do"),
        status=status,
        errors=tuple(problem.get("errors", ())),
        retry_after_s=wait_s,
    )


def exit_code_of(error: TrothError) -> int:
    """The exit code of the command line for an error."""
    if error.code in _EXITS_BY_CODE:
        return _EXITS_BY_CODE[error.code]
    if not isinstance(error, EngineError) or error.status == 0:
        return EXIT_BAD
    if error.status in _EXITS:
        return _EXITS[error.status]
    return EXIT_NO_ENGINE if error.status >= 500 else EXIT_USAGE
