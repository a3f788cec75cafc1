"""How a commitment ends: fulfilled, failed, compensated or cancelled (semantics section 4)."""

from __future__ import annotations

from typing import Any

from domain import events as ev
from sagas.decide import locks, stopping
from sagas.decide.machine import Machine, error_of

__all__ = ["cancel_error", "finish_root", "fulfil", "fulfilled"]

Json = Any


def fulfil(m: Machine, result: Json) -> None:
    """End well: stop what is still open and keep all that was done."""
    pending = m.c.stops.get("")
    if pending is not None and pending.pending:  # it waited for a pivot, and all went on
        m.emit(ev.PartStopped, target="", refused=True)
        stopping.drop_run(m, pending)
    if any(m.c.nodes) or m.c.stops or m.c.undoing or m.busy(""):
        stopping.request_stop(m, "", {"kind": "fulfil", "result": result})
    else:
        fulfilled(m, result)


def fulfilled(m: Machine, result: Json) -> None:
    """Nothing moves any more. A cancel that was caught still ends cancelled."""
    m.agenda.clear()
    locks.let_all_go(m)
    if m.c.cancelling is None:
        m.emit(ev.CommitmentEnded, status="fulfilled", result=result)
    else:
        error = m.c.errors.get("") or cancel_error(m.c.cancelling["reason"])
        m.emit(ev.CommitmentEnded, status="cancelled", result=result, error=error)


def cancel_error(reason: str) -> Json:
    """The error that a cancelled commitment ends with."""
    return error_of("cancelled", "cancelled", reason, "")


def finish_root(m: Machine, cause: Json) -> None:
    """Failed, compensated or cancelled, once everything is undone."""
    m.agenda.clear()
    locks.let_all_go(m)
    if m.c.cancelling is not None:
        status = "cancelled"
    elif cause["kind"] == "revoke":
        status = "compensated"
    else:
        status = "compensated" if m.c.undone else "failed"
    m.emit(ev.CommitmentEnded, status=status, error=cause["error"])
