"""await: a milestone. It rests until its condition holds, which is read after every move."""

from __future__ import annotations

from domain import events as ev
from domain.state import template_of
from sagas.decide import flow
from sagas.decide.machine import Machine
from sagas.decide.standing import standing
from sagas.definition import Node

__all__ = ["enter_await", "look"]


def enter_await(m: Machine, path: str, node: Node) -> None:
    """Rest. Whether the condition holds already is read as after any other move."""
    due_us = None if node.within_us is None else flow.due_after(m, path, node.within_us)
    m.emit(ev.AwaitOpened, node=path, due_us=due_us)


def look(m: Machine) -> None:
    """Complete the first open await, in document order, whose condition holds."""
    if m.c.is_over or m.c.paused or m.c.held is not None:
        return
    order = m.d.order
    paths = standing(m, "await", lambda _, instance: instance.kind == "await")
    for path in sorted(paths, key=lambda p: (order[template_of(p)], p)):
        node = m.node(path)
        if m.truth(node.x["until"], path):
            flow.finish(m, path, node)
            return
