"""How a handler ended, as the members of its reply. Pure: exceptions and values in, JSON out."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import ValidationError

from ._durations import seconds_of
from ._errors import CannotTell, NotDone, Refused, RetryAfter
from ._journal_rules import Outcome

__all__ = ["done", "not_run", "of_error", "of_probe_error", "unfit_arguments", "unfit_result"]

MESSAGE_MAX = 2_000
"""Characters of a message; a longer one is cut."""
CODE_MAX = 200


def done(result: Any) -> Outcome:
    """It happened."""
    return {"outcome": "done", "result": result}


def of_error(error: BaseException, *, repeatable: bool) -> Outcome:
    """What an exception of a `do` or `undo` means.

    The most important rule of the SDK: an exception that says nothing about the effect is
    *unknown* on R2 and R3, because a read timeout must never look like "it did not happen".
    """
    match error:
        case Refused():
            return _told("failed", error.code[:CODE_MAX], error.message)
        case NotDone():
            return _told("not_done", "not-done", error.message)
        case RetryAfter():
            return _retry_after(error)
        case asyncio.CancelledError():
            text = "the handler was cancelled while it ran"
            return _told("transient" if repeatable else "unknown", "cancelled", text)
        case _:
            kind = type(error).__name__
            return _told("transient" if repeatable else "unknown", kind, str(error) or kind)


def of_probe_error(error: BaseException) -> Outcome:
    """A probe that raised cannot tell, whatever it raised."""
    code = "cannot-tell" if isinstance(error, CannotTell) else type(error).__name__
    return _told("cannot_tell", code, str(error) or code)


def unfit_arguments(error: Exception) -> Outcome:
    """The handler never ran: its arguments have another form than it declares."""
    return not_run("arguments", _faults(error))


def unfit_result(error: Exception, *, repeatable: bool) -> Outcome:
    """The handler ran, and what it gave cannot be sent."""
    text = f"the handler ran, but its result does not fit: {_faults(error)}"
    return _told("transient" if repeatable else "unknown", "result", text)


def not_run(code: str, message: str) -> Outcome:
    """The worker did not run the handler."""
    return _told("not_done", code, message)


def _retry_after(error: RetryAfter) -> Outcome:
    try:
        delay_s = seconds_of(error.delay)
    except ValueError as wrong:
        return _told("not_done", "retry-after", f"{error} ({wrong})")
    return {**_told("not_done", "retry-after", error.message), "retry_after_s": delay_s}


def _faults(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return f"{type(error).__name__}: {error}"
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(
        f"{'.'.join(str(part) for part in fault['loc']) or 'value'}: {fault['msg']}"
        for fault in faults
    )


def _told(outcome: str, code: str, message: str) -> Outcome:
    reply: Outcome = {"outcome": outcome, "code": code or outcome}
    if message:
        reply["message"] = message[:MESSAGE_MAX]
    return reply
