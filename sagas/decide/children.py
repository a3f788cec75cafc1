"""Children: sagas that a commitment starts and, where it waits, goes on with when they end.

Start and cancel are mail; a child answers each of its parents' questions once, with its outcome,
also when a cancel came too late (semantics section 3).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from domain import events as ev
from domain import messages as msg
from domain.canonical import CanonicalError
from domain.ids import effect_id, start_digest
from domain.state import Child, is_kept, is_under
from sagas import defaults
from sagas.decide import (
    effects,
    failures,
    flow,
    given,
    outcomes,
    revoking,
    stopping,
    undoing,
    waits,
)  # fmt: skip
from sagas.decide.machine import Machine, NodeFault, error_of
from sagas.definition import Node

__all__ = ["enter_child", "heard", "stop_children"]

Json = Any


def enter_child(m: Machine, path: str, node: Node) -> None:
    """Ask for the child; the saga-key stream of its saga and key starts it, or says why not."""
    depth = _depth(m, path)
    if node.undo is not None or node.is_revoked:
        undoing.check_room(m, path)
    key = waits.key_text(path, m.value(node.x["key"], path))
    value = flow.bounded(path, m.value(node.x["input"], path))
    try:
        start_digest(node.doc["saga"], None, value)
    except CanonicalError as bad:
        raise NodeFault(path, error_of("internal", "bound.number", str(bad), path)) from bad
    m.emit(
        ev.ChildAsked, node=path, saga=node.doc["saga"], key=key, input=value,
        version=node.doc.get("version"), wait=node.doc.get("wait", True),
        leave=node.doc.get("on_stop") == "leave", depth=depth, revoke=node.is_revoked,
        due_us=None if node.within_us is None else flow.due_after(m, path, node.within_us),
    )  # fmt: skip


def _depth(m: Machine, path: str) -> int:
    parent: dict[str, Json] = m.c.parent or {}
    depth: int = parent.get("depth", 0) + 1
    if depth > defaults.CHILD_DEPTH_MAX:
        text = f"children lie deeper than {defaults.CHILD_DEPTH_MAX}"
        raise NodeFault(path, error_of("internal", "bound.children", text, path))
    if len(m.c.children) >= defaults.CHILDREN_MAX:
        text = f"over {defaults.CHILDREN_MAX:,} children at once"
        raise NodeFault(path, error_of("internal", "bound.children", text, path))
    return depth


# --- what children say -----------------------------------------------------------------------


def _asking(m: Machine, node: str, ask: int) -> Child | None:
    """The child that is meant; None where nobody waits for it any more."""
    child = m.c.children.get(node)
    return child if child is not None and child.ask == ask else None


def heard(m: Machine, message: msg.ChildStarted | msg.ChildOver) -> None:
    """A child says that it runs, or how it ended."""
    if isinstance(message, msg.ChildStarted):
        _started(m, message)
    else:
        _over(m, message)


def _started(m: Machine, message: msg.ChildStarted) -> None:
    """The child runs. Where its end is not awaited, its id is what the node yields."""
    child = _asking(m, message.node, message.ask)
    if child is None or child.id is not None:  # an earlier release of the child's lane said so too
        return
    common: dict[str, Any] = {
        "node": message.node, "child": message.id, "run": message.run,
        "saga_version": message.saga_version,
    }  # fmt: skip
    if child.wait:
        m.emit(ev.ChildOpened, **common)
        return
    undo, fault = _entry(m, message.node, message.id, message.id)
    m.emit(ev.ChildOpened, **common, done=True, undo=undo)
    _go_on(m, message.node, fault, None)


def _over(m: Machine, message: msg.ChildOver) -> None:
    """The child has ended, or never began."""
    path = message.node
    if _asking(m, path, message.ask) is None:
        return
    is_open = path in m.c.nodes
    error = _error(m, message)
    if message.status == "fulfilled" and error is None:
        message = replace(message, result=given.complete(path, m.node(path).filler, message.result))
    undo, fault = None, None
    if message.status == "fulfilled":
        undo, fault = _entry(m, path, message.result, message.id)
    m.emit(
        ev.ChildEnded, node=path, status=message.status, child=message.id, result=message.result,
        error=message.error, undo=undo,
    )  # fmt: skip
    if is_open or stopping.stop_over(m, path) is not None:
        _go_on(m, path, fault, error)


def _go_on(m: Machine, path: str, fault: Json, error: Json) -> None:
    if fault is not None:
        outcomes.cannot_be_undone(m, path, effect_id(m.c.id, path, "do"), fault)
    elif stopping.stop_over(m, path) is not None:
        if error is not None and error["class"] != "cancelled":
            _beside(m, path, error)
        stopping.check_stops(m)
    elif error is not None:
        failures.fail(m, path, error)
    else:
        flow.done(m, path, m.node(path))


def _beside(m: Machine, path: str, error: Json) -> None:
    over_ = stopping.stop_over(m, path)
    if over_ is not None:
        stopping.also(m, over_, error)


def _error(m: Machine, message: msg.ChildOver) -> Json:
    """What the node fails with; None when the child was fulfilled with what was promised."""
    path = message.node
    said: dict[str, Json] = message.error or {}
    text = said.get("message") or f"the child ended {message.status}"
    details = {"child": message.id, "status": message.status, "class": said.get("class")}
    match message.status:
        case "fulfilled":
            return _misfit(m, path, message.result)
        case "cancelled":
            return error_of("cancelled", "cancelled", text, path, details)
        case "conflict":
            return error_of("business", "child.conflict", text, path)
        case "refused":
            return error_of("internal", said.get("code", "child.refused"), text, path)
        case _:
            return error_of("business", said.get("code", message.status), text, path, details)


def _misfit(m: Machine, path: str, result: Json) -> Json:
    schema = m.node(path).doc.get("result")
    if schema is None:
        return None
    problems = m.d.validator_of(schema).check(result, "result")
    if not problems:
        problem = given.problem(m.node(path).filler, result)
        problems = [problem] if problem is not None else []
    return error_of("internal", "schema", "; ".join(problems), path) if problems else None


def _entry(m: Machine, path: str, result: Json, child: str | None) -> tuple[Json, Json]:
    """The entry that undoes the child, or why it cannot be written down."""
    node = m.node(path)
    if node.is_revoked and child is not None:
        return {**revoking.entry_of(child), "effect": effect_id(m.c.id, path, "do")}, None
    if node.undo is None or not undoing.may_enter(m, path):
        return None, None
    try:
        entry = effects.undo_entry(m, path, node, result)
    except NodeFault as bad:
        return None, bad.error
    return {**entry, "effect": effect_id(m.c.id, path, "do")}, None


# --- stopping --------------------------------------------------------------------------------


def stop_children(m: Machine, target: str, keep: tuple[str, ...]) -> None:
    """The part stops: its awaited children are cancelled and awaited, or left to themselves."""
    inside = {
        path: child for path, child in m.c.children.items()
        if is_under(path, target) and not is_kept(path, keep) and not child.stop
    }  # fmt: skip
    left = [path for path, child in inside.items() if child.wait and child.leave]
    asked = [path for path, child in inside.items() if child.wait and not child.leave]
    if left:
        m.emit(ev.ChildLeft, nodes=left)
    if asked:
        m.emit(ev.ChildStopAsked, nodes=asked)
