"""Stopping a part: what is in flight is awaited, a pivot first; then comes what it stopped for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from domain import events as ev
from domain.folds.undoing import ALSO_MAX
from domain.state import Effect, Stop, in_flight, is_kept, is_spared, is_under
from sagas.decide import (
    children,
    effects,
    endings,
    failures,
    flow,
    joins,
    kept,
    locks,
    outcomes,
    targets,
    undoing,
)
from sagas.decide.machine import Machine, container_of
from sagas.definition import Clause, Handler, Node

__all__ = ["after_undo", "also", "check_stops", "drop_run", "is_the_end", "request_stop",
           "resolve_pivot", "stop_over"]  # fmt: skip

Json = Any
_REFUSED = ("cancel", targets.CUT)
"""Stops that are refused once a pivot in their part is done."""


def stop_over(m: Machine, path: str) -> str | None:
    """The innermost stopping part that holds `path`; a pending stop stops nothing yet."""
    if not m.c.stops:
        return None
    over = [
        t for t, s in m.c.stops.items()
        if is_under(path, t) and not s.pending and not is_kept(path, s.keep)
        and not is_spared(path, t)
    ]  # fmt: skip
    return max(over, key=len, default=None)


def also(m: Machine, target: str, error: Json) -> None:
    """A failure while stopping is told with the one that caused the stop."""
    stop = m.c.stops[target]
    first = stop.cause.get("error")
    if first is None or all(first.get(name) == error[name] for name in ("node", "class")):
        return
    if error not in first.get("also", []):
        more = [*first.get("also", []), error][:ALSO_MAX]
        cause = {**stop.cause, "error": {**first, "also": more}}
        m.emit(ev.PartStopping, target=target, cause=cause, keep=list(stop.keep) or None,
               pending=stop.pending)  # fmt: skip


# --- beginning -------------------------------------------------------------------------------


def request_stop(m: Machine, target: str, cause: Json, keep: tuple[str, ...] = ()) -> None:
    """Stop a part: nothing new begins in it; what is in flight is awaited (semantics 2)."""
    old = m.c.stops.get(target)
    gives_way = cause["kind"] in ("cancel", "fulfil") or old is None or not old.pending
    if old is not None and not gives_way and old.cause["kind"] != "interrupt":
        if "error" in cause:  # what was asked for first stands; it waits for a pivot
            also(m, target, cause["error"])
        return
    if old is not None:
        if _outlives(m, old, cause):
            cause = {**cause, "over": old.cause}
        else:
            drop_run(m, old)
        cause = _with_error_of(old, cause)
    if cause["kind"] != "fulfil" and _wait_for_pivot(m, target, cause, keep):
        return
    m.prune(target, keep)
    m.emit(ev.PartStopping, target=target, cause=cause, keep=list(keep) or None)
    _stop_effects(m, target, keep)
    children.stop_children(m, target, keep)
    check_stops(m)


def _outlives(m: Machine, old: Stop, cause: Json) -> bool:
    """Whether an interrupt comes to pass after all, should what takes its place be refused."""
    is_late = old.cause["kind"] == "interrupt" and _handler(m, old.cause).after_pivot
    return old.pending and is_late and cause["kind"] in _REFUSED


def _with_error_of(old: Stop, cause: Json) -> Json:
    """A failure that waited for a pivot is told with what takes its place.

    It is nobody's any more otherwise, should the stop be refused past the pivot.
    """
    first, error = old.cause.get("error"), cause.get("error")
    if not old.pending or first is None or error is None or first is error:
        return cause
    own = {name: value for name, value in first.items() if name != "also"}
    more = [*error.get("also", []), own, *first.get("also", [])][:ALSO_MAX]
    return {**cause, "error": {**error, "also": more}}


def _wait_for_pivot(m: Machine, target: str, cause: Json, keep: tuple[str, ...]) -> bool:
    """A pivot in flight is settled before anything else stops; not begun, it is taken back."""
    found = _pivots_in_doubt(m, target, keep)
    if not found:
        return False
    for key, effect in found.items():
        if effect.state == "backoff":
            outcomes.give_up(m, key, effect, effect.error)
    m.emit(ev.PartStopping, target=target, cause=cause, keep=list(keep) or None, pending=True)
    asked = [k for k, e in found.items() if e.state in ("offered", "started") and not e.stop]
    if asked:
        m.emit(ev.EffectStopAsked, effects=asked)
    return True


def _pivots_in_doubt(m: Machine, target: str, keep: tuple[str, ...]) -> dict[str, Effect]:
    """Pivots that may happen or have happened; one that waits for its next attempt has not."""
    return {
        key: effect for key, effect in m.c.effects.items()
        if effect.kind == "do" and in_flight(effect)
        and (effect.state != "backoff" or effect.unanswered)
        and is_under(effect.node, target) and not is_kept(effect.node, keep)
        and effects.is_pivot(m.node(effect.node))
    }  # fmt: skip


def _stop_effects(m: Machine, target: str, keep: tuple[str, ...]) -> None:
    asked: list[str] = []
    for key, effect in list(m.c.effects.items()):
        inside = is_under(effect.node, target) and not is_kept(effect.node, keep)
        if effect.kind != "do" or not inside or is_spared(effect.node, target):
            continue
        if effect.state in ("offered", "started") and not effect.stop:
            asked.append(key)
        elif effect.state == "backoff":  # it ends as the failure that caused it
            outcomes.give_up(m, key, effect, effect.error)
            also(m, target, effect.error)
    if asked:
        m.emit(ev.EffectStopAsked, effects=asked)


def drop_run(m: Machine, stop: Stop) -> None:
    """The run of an interrupt that does not come to pass."""
    run = stop.cause.get("over", stop.cause).get("run")
    if run in m.c.nodes:
        m.emit(ev.NodesStopped, nodes=[run])


def resolve_pivot(m: Machine, path: str, error: Json = None) -> bool:
    """A pivot in flight is settled: stops that waited for it go on, or are refused past it.

    Whether a stop that holds `path` went on; `error`, of the pivot itself, then stands beside its
    cause.
    """
    went = False
    for target in sorted((t for t, s in m.c.stops.items() if s.pending), key=len):
        stop = m.c.stops.get(target)
        if stop is None or not stop.pending or not is_under(path, target):
            continue
        if _pivots_in_doubt(m, target, stop.keep):
            continue
        if _past_pivot(m, target, stop):
            m.emit(ev.PartStopped, target=target, refused=True)
            over = stop.cause.get("over")
            if over is None or stop.cause.get("error", {}).get("also"):
                _all_goes_on(m, target, stop)
                continue
            stop = Stop(over, (over["run"],))
        else:
            if error is not None:
                also(m, target, error)
                stop = m.c.stops[target]
            m.emit(ev.PartStopped, target=target)
        went = went or not is_kept(path, stop.keep)
        request_stop(m, target, stop.cause, stop.keep)
    return went


def _all_goes_on(m: Machine, target: str, stop: Stop) -> None:
    """A stop was refused: what it took back is commanded again, what failed meanwhile fails."""
    drop_run(m, stop)
    for error in stop.cause.get("error", {}).get("also", []):
        m.push(failures.fail, error["node"], error)
    for effect in m.c.effects.values():
        node = m.node(effect.node)
        taken_back = effect.state == "withdrawn" and effect.kind == "do" and effects.is_pivot(node)
        if taken_back and is_under(effect.node, target) and failures.goes_on(m, effect.node, node):
            m.push(flow.enter, effect.node, node)


def _past_pivot(m: Machine, target: str, stop: Stop) -> bool:
    """Whether the stop is one that is refused once a pivot in its part is done."""
    if not any(is_under(p, target) for p in m.c.pivots):
        return False
    if stop.cause["kind"] == "interrupt":
        return not _handler(m, stop.cause).after_pivot
    return stop.cause["kind"] in _REFUSED


# --- ending ----------------------------------------------------------------------------------


def check_stops(m: Machine) -> None:
    """Go on with every stopping part in which nothing is in flight any more."""
    undoing.end_settled(m)
    for target in sorted(m.c.stops, key=len, reverse=True):
        stop = m.c.stops.get(target)
        if stop is None or stop.pending:
            continue
        inside = [t for t in m.c.undoing if is_under(t, target) and not is_kept(t, stop.keep)]
        waits = any(not _is_taken(m, target, stop.cause, t) for t in inside)
        if not waits and not m.busy(target, stop.keep):
            m.emit(ev.PartStopped, target=target)
            locks.let_go(m, target, stop.keep, inside)
            _after_stop(m, target, stop.cause, inside)
        else:
            locks.let_settled_go(m, target, stop.keep)


def _is_taken(m: Machine, target: str, cause: Json, inner: str) -> bool:
    """Whether a part that stops takes the debts of one inside that undoes itself, and goes on.

    It does where it undoes all itself, and passes debts: these are passed as its own are. Not where
    a node beside it waits for the end of the inner one, which would then never be told.
    """
    if inner == target or not _undoes(m, cause) or not undoing.is_owed(m, inner):
        return False
    asked = m.c.undoing[inner].cause["kind"] == targets.UNDO
    return not asked or not any(True for _ in targets.waiting_for(m, inner))


def _after_stop(m: Machine, target: str, cause: Json, owed: Sequence[str]) -> None:
    """The part rests: undo what the cause asks for, then go on."""
    kind = cause["kind"]
    if _undoes(m, cause):
        undoing.begin(m, target, cause, owed)
        return
    kept.part_has_stopped(m, target)
    if kind == "fulfil":
        endings.fulfilled(m, cause.get("result"))
    elif kind == "forward":
        undoing.open_debt(m, target, "forward", cause["error"])
    else:
        after_undo(m, target, cause)


def _undoes(m: Machine, cause: Json) -> bool:
    kind = cause["kind"]
    if kind in ("failure", "cancel"):
        if "clause" in cause:
            return _clause(m, cause).undo == "all"
        return cause.get("undo") != "keep"
    if kind == "interrupt":
        return cause["undo"] == "all"
    return kind == targets.CUT or (kind == "join" and cause["undo"] == "undo")


def _scope(m: Machine, cause: Json) -> Node:
    return m.d.node_at(cause["block"]) if cause["block"] else m.d.root


def _clause(m: Machine, cause: Json) -> Clause:
    index: int = cause["clause"]
    return _scope(m, cause).clauses[index]


def _handler(m: Machine, cause: Json) -> Handler:
    name: str = cause["handler"]
    return next(h for h in _scope(m, cause).handlers if h.name == name)


def after_undo(m: Machine, target: str, cause: Json) -> None:
    """What a stopped (and undone) part was stopped for."""
    targets.after_undo_node(m, target)
    is_asked = cause["kind"] == targets.UNDO  # nothing was stopped for it
    if is_asked or _outer_stop(m, target):
        check_stops(m)
        return
    kind = cause["kind"]
    if kind == "late":
        check_stops(m)  # what was undone had been given up before: nothing waits for it
    elif "clause" in cause:
        clause, block = _clause(m, cause), cause["block"]
        m.emit(ev.NodeEntered, node=block, branch=f"clause:{clause.name}", error=cause["error"])
        flow.start_flow(m, clause.flow, container_of(clause.flow, block))
    elif kind == "join" or "branch" in cause:
        _branch_over(m, cause)
    elif kind == "interrupt":
        handler = _handler(m, cause)
        m.emit(ev.NodeEntered, node=cause["block"], branch=f"handler:{handler.name}")
        flow.start_flow(m, handler.flow, cause["run"])
    elif kind in (targets.CUT, targets.FINISH):
        targets.after_cut(m, target, cause)
    elif kind == "expired":
        flow.finish(m, target, m.node(target), {"expired": True})
    else:
        endings.finish_root(m, cause)


def is_the_end(cause: Json) -> bool:
    """Whether a commitment that stopped for this ends as soon as it is undone."""
    return "clause" not in cause and cause["kind"] in ("failure", "cancel", "revoke")


def _branch_over(m: Machine, cause: Json) -> None:
    block = cause["block"]
    node = m.node(block)
    if cause["kind"] == "failure":
        outcome = "failed"
    else:
        outcome = "undone" if cause["undo"] == "undo" else "kept"
    joins.closed(m, block, node, cause["branch"], outcome)


def _outer_stop(m: Machine, target: str) -> bool:
    return any(
        t != target and is_under(target, t) and not s.pending and not is_kept(target, s.keep)
        for t, s in m.c.stops.items()
    )  # fmt: skip
