"""Escalation: nobody has decided, or done the work, so far: others are called too (section 3)."""

from __future__ import annotations

from domain import events as ev
from domain.durations import duration_us
from sagas.decide import flow
from sagas.decide.machine import Machine
from sagas.definition import Node

__all__ = ["ESCALATE", "escalate", "timers_of"]

ESCALATE = "escalate_"
"""The timer of an escalation is this and its place in the list, from 1."""


def timers_of(m: Machine, path: str, node: Node) -> dict[str, int]:
    """When each further seat is called, by the name of its timer."""
    return {
        f"{ESCALATE}{number}": flow.due_after(m, path, duration_us(step["after"]))
        for number, step in enumerate(node.doc.get("escalate", ()), 1)
    }


def escalate(m: Machine, path: str, node: Node, timer: str) -> None:
    """The seat of this timer may claim the task, or stand in for a seat that is still free."""
    instance = m.c.nodes[path]
    number = int(timer.removeprefix(ESCALATE)) - 1
    if instance.asked is not None:
        gate = m.node(instance.asked.gate)  # of a step that is asked about anew
        m.emit(ev.ApprovalEscalated, node=path, approval=instance.asked.approval,
               to=gate.doc["escalate"][number]["to"])  # fmt: skip
        return
    assert instance.task is not None, path
    m.emit(ev.TaskEscalated, node=path, task=instance.task.id,
           to=node.doc["escalate"][number]["to"])  # fmt: skip
