"""Lines of the audit trail: children that undo themselves, and scopes with an undo_flow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["LINES"]

_State = Mapping[str, Any]


def _ended(state: _State) -> str:
    child = f"child of {state['node']}"
    match state["status"]:
        case "revoked":
            return f"{child} has undone itself"
        case "late":
            return f"{child} has not undone itself in time{_because(state)}"
        case _:
            return f"{child} cannot be undone{_because(state)}"


def _asked(state: _State) -> str:
    parent = f"parent {state['parent'][:8]} undoes itself"
    match state.get("answer"):
        case None:
            return f"{parent}, and so does this"
        case "revoked":
            return f"{parent}: here nothing is left to undo"
        case _:
            return f"{parent}: this cannot be undone{_because(state)}"


def _because(state: _State) -> str:
    error = state.get("error")
    return f": {error['class']}:{error['code']}" if error else ""


LINES: Mapping[str, Callable[[_State], str]] = {
    "child.revoke_asked": lambda s: (
        f"child {s['child'][:8]} of {s['node']} is asked to undo itself"
    ),
    "child.revoke_ended": _ended,
    "commitment.revoke_asked": _asked,
    "undo.replaced": lambda s: f"{s['node']} is undone by its undo_flow from now on",
    "undo.flow_begun": lambda s: f"the undo_flow of {s['node']} runs",
    "undo.flow_ended": lambda s: (
        f"the undo_flow of {s['node']} {'has failed' if s.get('error') else 'is done'}{_because(s)}"
    ),
    "commitment.revoke_waived": lambda s: (
        f"parent {s['parent'][:8]} is final: what would undo this is forgotten"
    ),
}
