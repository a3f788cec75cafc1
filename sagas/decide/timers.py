"""Timers: everything that is due fires before the message that found it so, by (due, path)."""

from __future__ import annotations

from domain import events as ev
from domain.ids import effect_id
from sagas.decide import (
    approvals,
    effects,
    escalation,
    failures,
    flow,
    locks,
    outcomes,
    repeats,
    stopping,
    tasks,
    turns,
    undoing,
    waits,
)  # fmt: skip
from sagas.decide.machine import Machine, error_of
from sagas.definition import Node

__all__ = ["fire_due"]


def fire_due(m: Machine, now_us: int) -> None:
    """Fire what is due at `now_us`, in order; each may arm or withdraw others."""
    while m.c.timers and not m.c.paused and m.c.held is None:
        due = [(at, name) for name, at in m.c.timers.items() if at <= now_us]
        if not due:
            return
        due_us, timer = min(due)
        path, _, name = timer.rpartition(":")
        m.guard(failures.fail, _fire, path, name, due_us)
        m.run(failures.fail)


def _fire(m: Machine, path: str, name: str, due_us: int) -> None:
    if name.endswith("retry"):
        _retry(m, path, name)
        return
    m.emit(ev.TimerFired, node=path, timer=name, due_us=due_us)
    if name == "undo_deadline":  # of a branch too, which is no node
        undoing.deadline_over(m, path)
        return
    node = m.node(path) if path else m.d.root
    if name == "sleep":
        flow.finish(m, path, node)
    elif name == "quiet":
        waits.quiet(m, path, node)
    elif name == "round":
        repeats.enter_round(m, path, node)
    elif name == "max_hold":
        locks.held_too_long(m, path, node)
    elif name == "deadline":
        _deadline(m, path, node)
    elif name == "hours":
        turns.again(m, path, node)
    elif name == "lease":
        tasks.lease_over(m, path)
    elif name.startswith(escalation.ESCALATE):
        escalation.escalate(m, path, node, name)
    else:
        _within(m, path, node)


def _retry(m: Machine, path: str, name: str) -> None:
    key = effect_id(m.c.id, path, "undo" if name == "undo_retry" else "do")
    if name == "probe_retry":
        outcomes.send_probe(m, key)
    else:
        effects.retry_due(m, key)


def _deadline(m: Machine, path: str, node: Node) -> None:
    """A scope's deadline is a failure of its main flow, which its own clauses may catch."""
    error = error_of("deadline", node.name or "deadline", "the deadline of the scope passed", path)
    failures.fail_inside(m, path, node, error)


def _within(m: Machine, path: str, node: Node) -> None:
    instance = m.c.nodes.get(path)
    if instance is not None and instance.asked is not None:
        approvals.expire(m, path, node)
    elif node.kind == "wait_for":
        waits.expire_wait(m, path, node)
    elif node.kind == "task":
        tasks.expire_task(m, path, node)
    elif node.kind == "step" and turns.retry_over(m, path):
        pass
    elif node.on_expiry == "continue":
        stopping.request_stop(m, path, {"kind": "expired"})
    else:
        failures.fail(m, path, error_of("timeout", node.name, "it took too long", path))
