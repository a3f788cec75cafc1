"""A child undone by itself: its parent asks, a fulfilled child opens again and undoes what it did.

A child keeps its entries until its parent is final; one past a pivot refuses, and a person sees to
it (semantics section 3).
"""

from __future__ import annotations

from typing import Any

from domain import events as ev
from domain import messages as msg
from domain.state import Entry
from sagas.decide import controls, undoing
from sagas.decide.machine import Machine, error_of

__all__ = ["REVOKE", "ask", "entry_of", "heard", "late"]

Json = Any
REVOKE = "revoke"
"""The cause of the undoing of a whole child."""


def entry_of(child: str) -> Json:
    """The entry of a child that undoes itself."""
    return {
        "contract": "", "participant": "", "args": None, "digest": "", "when": "completed",
        "timeout_us": 0, "child": child,
    }  # fmt: skip


def heard(m: Machine, message: msg.Revoke | msg.Waive | msg.ChildRevoked) -> None:
    """What a parent asks of its child, and the child's answer."""
    match message:
        case msg.Revoke():
            _asked(m, message)
        case msg.Waive():
            _waived(m, message)
        case msg.ChildRevoked():
            if not m.c.is_over:
                _answered(m, message)


# --- of the parent -------------------------------------------------------------------------------


def ask(m: Machine, path: str, entry: Entry, why: Json) -> None:
    """It is the child's turn to be undone."""
    m.emit(ev.ChildRevokeAsked, node=path, child=entry.child, why=why)


def _answered(m: Machine, message: msg.ChildRevoked) -> None:
    """The child is undone, also when that comes late; or it cannot be, and is a debt."""
    path = message.node
    entry = m.c.entries.get(path)
    if entry is None or entry.child != message.id or entry.state == "open":
        return
    if message.status == "revoked":
        m.emit(ev.ChildRevokeEnded, node=path, child=message.id, status="revoked")
        for number, debt in list(m.c.debts.items()):
            if debt.node == path and debt.kind == "undo":
                m.emit(ev.DebtSettled, debt=number, how="done", reason="the child is undone")
        undoing.advance_over(m, path)
    elif entry.state == "undoing":
        _owed(m, path, message.id, "refused", message.error)


def late(m: Machine, path: str) -> None:
    """The child is not undone in time."""
    entry = m.c.entries[path]
    assert entry.child is not None
    error = error_of("timeout", "undo_deadline", "the child was not undone in time", path)
    _owed(m, path, entry.child, "late", error)


def _owed(m: Machine, path: str, child: str, status: str, error: Json) -> None:
    error = {**error, "node": path}
    m.emit(ev.ChildRevokeEnded, node=path, child=child, status=status, error=error)
    if not any(d.node == path and d.kind == "undo" for d in m.c.debts.values()):
        undoing.open_debt(m, path, "undo", error)
    undoing.advance_over(m, path)


# --- of the child --------------------------------------------------------------------------------


def _asked(m: Machine, message: msg.Revoke) -> None:
    """Undo everything: what is fulfilled opens again, what still runs is cancelled."""
    c = m.c
    said: dict[str, Any] = {"parent": message.parent, "node": message.node, "why": message.why}
    if c.is_over and c.status != "fulfilled":
        m.emit(ev.RevokeAsked, **said, answer="revoked")
        return
    refusal = _refusal(m)
    if refusal is not None:
        m.emit(ev.RevokeAsked, **said, answer="refused", error=refusal)
        return
    was_over = c.is_over
    m.emit(ev.RevokeAsked, **said)
    reason = f"{message.by} is undone"
    if was_over:
        error = error_of("cancelled", "revoked", reason, "")
        undoing.begin(m, "", {"kind": REVOKE, "error": error, "block": ""})
    else:  # what already stops or undoes itself goes on with that
        controls.control(m, msg.Control("cancel", message.by, reason))


def _refusal(m: Machine) -> Json:
    """Why what was done cannot be undone now: a pivot, or a debt that somebody must see to."""
    c = m.c
    if c.pivots:
        text = f"{c.pivots[-1]} cannot be undone"
        return error_of("business", "cancel.past_pivot", text, c.pivots[-1])
    if c.debts and "" not in c.undoing and not c.is_over:
        return error_of("business", "cancel.in_debt", f"{len(c.debts)} debts are open", "")
    return None


def _waived(m: Machine, message: msg.Waive) -> None:
    """The parent is final."""
    parent: dict[str, Json] = m.c.parent or {}
    if parent.get("id") == message.parent and parent.get("revoke") and m.c.revoking is None:
        m.emit(ev.RevokeWaived, parent=message.parent)
