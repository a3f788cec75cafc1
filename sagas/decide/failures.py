"""Failures and stopping: who catches, what stops, and what comes when it rests (semantics 4)."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from domain import events as ev
from domain.evolve import in_flight
from domain.state import Effect, is_under
from sagas.decide import blocks, flow, undoing
from sagas.decide.machine import Machine, container_of, error_of, hold, join_path
from sagas.definition import Branch, Clause, Flow, Node, template_of

__all__ = ["check_stops", "covers", "end_root", "fail", "fail_inside", "finish_root", "fulfil", "matches",
           "request_stop", "resolve_pivot", "stop_over"]  # fmt: skip

Json = Any
_COMMON = frozenset({"business", "transient", "timeout", "rejected", "deadline"})


@dataclass(frozen=True, slots=True)
class _Catcher:
    """Where a failure is caught: a clause of a scope, or a branch that is collected."""

    target: str
    block: str
    clause: Clause | None = None
    branch: Branch | None = None


def matches(pattern: str, error: Json) -> bool:
    """`class` or `class:code-glob`; `*` is the first five classes."""
    if pattern == "*":
        return error["class"] in _COMMON
    class_, _, glob = pattern.partition(":")
    return error["class"] == class_ and (not glob or fnmatchcase(error["code"], glob))


def fail(m: Machine, path: str, error: Json) -> None:
    """The node at `path` fails. It is caught by the innermost part that can, else by the root."""
    stopping = stop_over(m, path)
    if stopping is not None:
        _also(m, stopping, error)
        if path in m.c.nodes:
            m.emit(ev.NodeFailed, node=path, error=error)
        check_stops(m)
        return
    if path in m.c.nodes:
        m.emit(ev.NodeFailed, node=path, error=error)
    catcher = _catcher(m, path, error)
    if catcher is None:
        _uncaught(m, path, error)
        return
    cause: dict[str, Any] = {"kind": "failure", "error": error, "block": catcher.block}
    if catcher.clause is not None:
        cause["clause"] = catcher.clause.index
    if catcher.branch is not None:
        cause["branch"] = catcher.branch.name
    request_stop(m, catcher.target, cause)


def fail_inside(m: Machine, path: str, scope: Node, error: Json) -> None:
    """The main flow of a scope fails as a whole (its deadline): its own clauses come first."""
    for clause in scope.clauses:
        if any(matches(on, error) for on in clause.on):
            cause = {"kind": "failure", "error": error, "block": path, "clause": clause.index}
            request_stop(m, path, cause)
            return
    fail(m, path, error)


def covers(target: str, path: str) -> bool:
    """Whether a part holds the node at `path`."""
    return is_under(path, target)


def stop_over(m: Machine, path: str) -> str | None:
    over = [
        t for t, s in m.c.stops.items()
        if is_under(path, t) and not s.pending and not any(is_under(path, k) for k in s.keep)
    ]  # fmt: skip
    return max(over, key=len, default=None)


def _also(m: Machine, target: str, error: Json) -> None:
    """A failure while stopping is told with the one that caused the stop."""
    stop = m.c.stops[target]
    first = stop.cause.get("error")
    if first is not None and first.get("node") != error["node"]:
        also = [*first.get("also", []), error]
        cause = {**stop.cause, "error": {**first, "also": also[:100]}}
        m.emit(ev.PartStopping, target=target, cause=cause, keep=list(stop.keep) or None)


def _uncaught(m: Machine, path: str, error: Json) -> None:
    if error["class"] == "internal":
        hold(m, path, error)
    elif error["class"] == "contradicted":
        undoing.open_debt(m, path, "contradicted", error)
    elif m.c.pivots:
        undoing.open_debt(m, path, "forward", error)
    else:
        request_stop(m, "", {"kind": "failure", "error": error, "block": ""})


def _catcher(m: Machine, path: str, error: Json) -> _Catcher | None:
    """Walk outwards from the failing node. The flow it lies in says what its owner may catch."""
    flow_, container = _flow_of(m, path)
    while flow_ is not None:
        owner, block = flow_.owner, _block_path(flow_, container)
        if owner.kind == "parallel" and owner.doc.get("on_branch") == "collect":
            assert flow_.branch is not None
            return _Catcher(blocks.branch_target(block, flow_.branch), block, branch=flow_.branch)
        interrupting = flow_.handler is not None and flow_.handler.interrupt
        if owner.kind == "scope" and flow_.role != "clause" and not interrupting:
            for clause in owner.clauses:
                if any(matches(on, error) for on in clause.on):
                    return _Catcher(block, block, clause=clause)
        if owner.parent is None:
            return None
        flow_, container = owner.parent, block[: -len(owner.name) - 1]
    return None


def _flow_of(m: Machine, path: str) -> tuple[Flow | None, str]:
    """The flow that holds the node at `path`, and the container of its children.

    The root and a handler that could not open fail as part of their scope's main flow.
    """
    found = m.d.by_template.get(template_of(path)) if path else m.d.root
    if isinstance(found, Node):
        if found.parent is None:
            return found.flow, ""
        return found.parent, path[: -len(found.name) - 1]
    assert found is not None, path
    return found.scope.flow, path.rpartition("/")[0]


def _block_path(flow_: Flow, container: str) -> str:
    if flow_.role == "handler":
        return container.rpartition("/")[0]
    if flow_.owner.kind == "repeat":
        return container[: container.rfind("#")]
    if flow_.branch is not None and flow_.branch.named:
        return container[: -len(flow_.branch.name) - 1]
    return container


# --- stopping --------------------------------------------------------------------------------


def request_stop(m: Machine, target: str, cause: Json, keep: tuple[str, ...] = ()) -> None:
    """Stop a part: nothing new begins in it; what is in flight is awaited (semantics 2)."""
    pivot = _pivot_in_flight(m, target, keep)
    if pivot and cause["kind"] != "fulfil":
        m.emit(ev.PartStopping, target=target, cause=cause, keep=list(keep) or None, pending=True)
        return
    m.prune(target, keep)
    m.emit(ev.PartStopping, target=target, cause=cause, keep=list(keep) or None)
    _stop_effects(m, target, keep)
    check_stops(m)


def _pivot_in_flight(m: Machine, target: str, keep: tuple[str, ...]) -> bool:
    for effect in m.c.effects.values():
        inside = is_under(effect.node, target) and not any(is_under(effect.node, k) for k in keep)
        if effect.kind == "do" and in_flight(effect) and inside and is_pivot(m, effect):
            return True
    return False


def is_pivot(m: Machine, effect: Effect) -> bool:
    return m.node(effect.node).doc.get("irreversible") == "pivot"


def _stop_effects(m: Machine, target: str, keep: tuple[str, ...]) -> None:
    asked: list[str] = []
    for key, effect in list(m.c.effects.items()):
        kept = any(is_under(effect.node, k) for k in keep)
        if effect.kind != "do" or kept or not is_under(effect.node, target):
            continue
        if effect.state in ("offered", "started") and not effect.stop:
            asked.append(key)
        elif effect.state == "backoff":
            undo = effect.undo if effect.unanswered else None
            m.emit(
                ev.EffectFailed, node=effect.node, effect=key, kind="do",
                attempt=effect.attempt, error=effect.error, undo=undo,
            )  # fmt: skip
    if asked:
        m.emit(ev.EffectStopAsked, effects=asked)


def check_stops(m: Machine) -> None:
    """Go on with every stopping part in which nothing is in flight any more."""
    for target in sorted(m.c.stops, key=len, reverse=True):
        stop = m.c.stops.get(target)
        if stop is None or stop.pending:
            continue
        undoing_inside = any(
            is_under(t, target) and not any(is_under(t, k) for k in stop.keep) for t in m.c.undoing
        )
        if not undoing_inside and not m.busy(target, stop.keep):
            m.emit(ev.PartStopped, target=target)
            _after_stop(m, target, stop.cause)


def resolve_pivot(m: Machine, path: str, happened: bool) -> None:
    """A pivot in flight is settled: a stop that waited for it goes on, or is refused."""
    for target in [t for t, s in m.c.stops.items() if s.pending and is_under(path, t)]:
        stop = m.c.stops[target]
        if _pivot_in_flight(m, target, stop.keep):
            continue
        refused = happened and stop.cause["kind"] in ("cancel", "interrupt")
        m.emit(ev.PartStopped, target=target, refused=refused)
        if not refused:
            request_stop(m, target, stop.cause, stop.keep)


def _after_stop(m: Machine, target: str, cause: Json) -> None:
    """The part rests: undo what the cause asks for, then go on."""
    kind = cause["kind"]
    if kind == "fulfil":
        _fulfilled(m, cause.get("result"))
    elif _undoes(m, target, cause):
        undoing.begin(m, target, cause)
    else:
        after_undo(m, target, cause)


def _undoes(m: Machine, target: str, cause: Json) -> bool:
    kind = cause["kind"]
    if kind in ("failure", "cancel"):
        if "clause" in cause:
            return _clause(m, cause).undo == "all"
        return True
    if kind == "interrupt":
        return cause["undo"] == "all"
    return kind == "join" and cause["undo"] == "undo"


def _clause(m: Machine, cause: Json) -> Clause:
    scope = m.d.node_at(cause["block"]) if cause["block"] else m.d.root
    return scope.clauses[cause["clause"]]


def after_undo(m: Machine, target: str, cause: Json) -> None:
    """What a stopped (and undone) part was stopped for."""
    if _outer_stop(m, target):
        check_stops(m)
        return
    kind = cause["kind"]
    if kind == "late":
        return  # what was undone had been given up before: nothing waits for it
    if "clause" in cause:
        _run_clause(m, cause)
    elif kind == "join" or "branch" in cause:
        block = cause["block"]
        node = m.node(block)
        branch = next(b for b in node.branches if b.name == cause["branch"])
        outcome = "failed" if kind == "failure" else "undone" if cause["undo"] == "undo" else "kept"
        blocks.branch_closed(m, block, node, branch, outcome)
    elif kind == "interrupt":
        _run_interrupt(m, cause)
    elif kind == "expired":
        flow.finish(m, target, m.node(target), {"expired": True})
    else:
        finish_root(m, cause)


def _outer_stop(m: Machine, target: str) -> bool:
    return any(
        t != target and is_under(target, t) and not s.pending
        and not any(is_under(target, k) for k in s.keep)
        for t, s in m.c.stops.items()
    )  # fmt: skip


def _run_clause(m: Machine, cause: Json) -> None:
    block, clause = cause["block"], _clause(m, cause)
    m.emit(ev.NodeEntered, node=block, branch=f"clause:{clause.name}", error=cause.get("error"))
    flow.start_flow(m, clause.flow, container_of(clause.flow, block))


def _run_interrupt(m: Machine, cause: Json) -> None:
    scope = m.d.node_at(cause["block"]) if cause["block"] else m.d.root
    handler = next(h for h in scope.handlers if h.name == cause["handler"])
    m.emit(ev.NodeEntered, node=cause["block"], branch=f"handler:{handler.name}")
    flow.start_flow(m, handler.flow, cause["run"])


# --- the end ---------------------------------------------------------------------------------


def end_root(m: Machine) -> None:
    """The root's flow, a clause of it or an interrupting handler of it has come to its end."""
    fulfil(m, None)


def fulfil(m: Machine, result: Json) -> None:
    """End well: stop what is still open and keep all that was done."""
    if m.c.nodes or m.c.stops or m.c.undoing or m.busy(""):
        request_stop(m, "", {"kind": "fulfil", "result": result})
    else:
        _fulfilled(m, result)


def _fulfilled(m: Machine, result: Json) -> None:
    m.agenda.clear()
    if m.c.cancelling is not None:
        m.emit(ev.CommitmentEnded, status="cancelled", result=result, error=_cancel_error(m))
    else:
        m.emit(ev.CommitmentEnded, status="fulfilled", result=result)


def _cancel_error(m: Machine) -> Json:
    return error_of("cancelled", "cancelled", m.c.cancelling["reason"], "")


def finish_root(m: Machine, cause: Json) -> None:
    """Failed, compensated or cancelled, once everything is undone."""
    m.agenda.clear()
    if cause["kind"] == "cancel":
        m.emit(ev.CommitmentEnded, status="cancelled", error=_cancel_error(m))
    else:
        status = "compensated" if m.c.undone else "failed"
        m.emit(ev.CommitmentEnded, status=status, error=cause["error"])
