"""undo_flow: a flow that undoes a whole scope, in place of the entries inside (section 3).

The entry of the scope holds what the flow reads, as at the moment when the scope was done. It runs
while its part undoes; a failure that nothing in it catches is a debt.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from domain import events as ev
from domain.ids import effect_id
from domain.state import UNDO_RUN, frames_of, in_flight, is_under, undo_run_of
from sagas.decide import flow, outcomes, stopping, undoing
from sagas.decide.machine import Machine, error_of
from sagas.definition import Node

__all__ = ["ask", "failed", "is_at_work", "late", "over", "replace", "was_done"]

Json = Any


def replace(m: Machine, path: str, node: Node) -> None:
    """A scope is done: its undo_flow, if it has one, stands for the entries inside."""
    if node.undo_flow is None or node.doc.get("keep"):
        return
    args: dict[str, Json] = {}
    for root, name in node.undo_reads:
        _remember(m, f"{path}/_", root, name, args)
    entry = {
        "effect": effect_id(m.c.id, path, "undo"), "contract": "", "participant": "",
        "args": flow.bounded(path, args), "digest": "", "when": "completed", "timeout_us": 0,
        "flow": True,
    }  # fmt: skip
    m.emit(ev.UndoReplaced, node=path, undo=entry)


def _remember(m: Machine, path: str, root: str, name: str | None, args: dict[str, Json]) -> None:
    """Keep a value as it is kept in the frames of the commitment, if it is there."""
    if root == "vars":
        args.setdefault(root, {})[name] = m.c.vars[name or ""]
        return
    for frame in frames_of(path):
        values = m.c.frames.get(frame, {})
        if root in ("event", "args") and root in values:
            args[root] = values[root]
            return
        if root not in ("event", "args") and name in values.get(root, ()):
            args.setdefault(root, {})[name] = values[root][name]
            return


def ask(m: Machine, path: str, why: Json) -> None:
    """It is the scope's turn: its undo_flow begins, and passes over what it did before."""
    node = m.node(path)
    assert node.undo_flow is not None, path
    run = path + UNDO_RUN
    m.emit(ev.UndoFlowBegun, node=path, run=run, why=why)
    flow.start_flow(m, node.undo_flow, run)


def was_done(m: Machine, path: str) -> bool:
    """Whether a node of an undo_flow was done in a run that failed: it is not done twice."""
    if undo_run_of(path) is None:
        return False
    past = m.c.trail.get(path)
    return past is not None and past.state == "done"


def over(m: Machine, run: str) -> None:
    """The flow is done: the scope is undone."""
    path = run.removesuffix(UNDO_RUN)
    m.emit(ev.UndoFlowEnded, node=path, run=run)
    for number, debt in list(m.c.debts.items()):
        if debt.node == path and debt.kind == "undo":
            m.emit(ev.DebtSettled, debt=number, how="done", reason="it is undone")
    undoing.advance_over(m, path)
    stopping.check_stops(m)


def failed(m: Machine, path: str, error: Json) -> bool:
    """A failure that nothing in an undo_flow caught: a person must see to it.

    False where `path` lies in no such flow.
    """
    run = undo_run_of(path)
    if run is None:
        return False
    if run not in m.c.nodes:  # that it was a debt has been told; what stops may wait for it
        stopping.check_stops(m)
        return True
    scope = run.removesuffix(UNDO_RUN)
    m.prune(run)
    _let_go(m, run)
    inside = [p for p in m.c.nodes if p != run and is_under(p, run)]
    m.emit(ev.UndoFlowEnded, node=scope, run=run, error=error, nodes=inside or None)
    if not any(d.node == scope and d.kind == "undo" for d in m.c.debts.values()):
        undoing.open_debt(m, scope, "undo", error)
    undoing.advance_over(m, scope)
    return True


def late(m: Machine, path: str) -> None:
    """`undo_deadline` is over."""
    error = error_of("timeout", "undo_deadline", "it was not undone in time", path)
    failed(m, path + UNDO_RUN, error)


def _let_go(m: Machine, run: str) -> None:
    """What is in flight is withdrawn, if nobody has begun it; what it comes to is recorded."""
    asked: list[str] = []
    for key in list(_at_work(m, run)):
        effect = m.c.effects[key]
        if effect.state == "backoff":
            outcomes.give_up(m, key, effect, effect.error)
        elif effect.state in ("offered", "started") and not effect.stop:
            asked.append(key)
    if asked:
        m.emit(ev.EffectStopAsked, effects=asked)


def _at_work(m: Machine, run: str) -> Iterator[str]:
    for key, effect in m.c.effects.items():
        if effect.kind == "do" and in_flight(effect) and is_under(effect.node, run):
            yield key


def is_at_work(m: Machine, path: str) -> bool:
    """Whether a step of the scope's undo_flow is still in flight."""
    return any(True for _ in _at_work(m, path + UNDO_RUN))
