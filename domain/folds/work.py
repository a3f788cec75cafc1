"""Folds of the events of `domain.events.work`."""

from __future__ import annotations

from typing import Any

from domain import events as ev
from domain.folds.items import add_items, close_list
from domain.folds.parts import arm, close, put
from domain.state import Instance, Task, Trail, changed

__all__ = [
    "await_opened", "move", "task_claimed", "task_done", "task_escalated", "task_offered",
    "task_released", "timer_moved", "update_accepted",
]  # fmt: skip

LEASE = "lease"
"""The timer of a claim."""


def await_opened(c: Any, e: ev.AwaitOpened) -> None:
    c.nodes[e.node] = Instance("await", c.clock_us)
    if e.due_us is not None:
        c.timers[f"{e.node}:within"] = e.due_us


def task_offered(c: Any, e: ev.TaskOffered) -> None:
    task = Task(e.task, tuple(e.roles), e.lease_us, e.subject, tuple(e.not_by or ()), e.due_us)
    c.nodes[e.node] = Instance("task", c.clock_us, task=task)
    arm(c, e.node, e.timers)


def _change(c: Any, node: str, **values: Any) -> None:
    old = c.nodes[node]
    c.nodes[node] = changed(old, task=changed(old.task, **values))


def task_claimed(c: Any, e: ev.TaskClaimed) -> None:
    _change(c, e.node, by=e.by, lease_until_us=e.lease_until_us)
    c.timers[f"{e.node}:{LEASE}"] = e.lease_until_us


def task_released(c: Any, e: ev.TaskReleased) -> None:
    _change(c, e.node, by=None, lease_until_us=None)
    c.timers.pop(f"{e.node}:{LEASE}", None)


def task_escalated(c: Any, e: ev.TaskEscalated) -> None:
    task = c.nodes[e.node].task
    roles = task.roles if e.to in task.roles else (*task.roles, e.to)
    called = tuple(dict.fromkeys((*task.escalated, e.to)))
    _change(c, e.node, roles=roles, escalated=called)


def task_done(c: Any, e: ev.TaskDone) -> None:
    close(c, e.node, "done", e.originator_version)
    put(c, e.node, "results", e.value)
    c.deciders[e.node] = (e.value["by"],)


def timer_moved(c: Any, e: ev.TimerMoved) -> None:
    """Moved by a node, which is done at once, or (without a name) by an operator."""
    move(c, e.timer, e.due_us)
    if e.node:
        c.nodes.pop(e.node, None)  # it may have waited for its turn
        c.trail[e.node] = Trail("done", e.originator_version, c.clock_us, 0)


def move(c: Any, timer: str, due_us: int) -> None:
    """A timer has another due time; who was asked to be ready by then is told so."""
    c.timers[timer] = due_us
    node, _, kind = timer.rpartition(":")
    instance = c.nodes.get(node)
    if instance is None or kind != "within":
        return
    if instance.asked is not None:
        c.nodes[node] = changed(instance, asked=changed(instance.asked, due_us=due_us))
    elif instance.task is not None:
        c.nodes[node] = changed(instance, task=changed(instance.task, due_us=due_us))


def update_accepted(c: Any, e: ev.UpdateAccepted) -> None:
    c.vars.update(e.values or {})
    moves: dict[str, int] = e.moves or {}
    for timer, due_us in moves.items():
        move(c, timer, due_us)
    if e.adds is not None:
        add_items(c, e.adds["node"], e.adds["items"])
        if e.adds["close"]:
            close_list(c, e.adds["node"])
    if e.run is not None:
        c.runs[e.node] = int(e.run[e.run.rfind("@") + 1 :])
        c.nodes[e.run] = Instance("block", c.clock_us)
        c.frames[e.run] = {"args": e.args}
