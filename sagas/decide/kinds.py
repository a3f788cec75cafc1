"""Which function enters which kind of node."""

from __future__ import annotations

from collections.abc import Callable

from sagas.decide import (
    approvals,
    awaits,
    blocks,
    children,
    effects,
    flow,
    for_each,
    joins,
    locks,
    repeats,
    targets,
    tasks,
    waits,
)
from sagas.decide.machine import Machine
from sagas.definition import Node

__all__ = ["ENTER"]

ENTER: dict[str, Callable[[Machine, str, Node], None]] = {}


def register() -> None:
    """Fill the table; called once all modules are loaded, for they need each other."""
    ENTER.update(
        flow.SIMPLE,
        step=effects.enter_step, approve=approvals.enter_approve, wait_for=waits.enter_wait,
        **{"await": awaits.enter_await},
        task=tasks.enter_task,
        cancel=targets.enter_cut, finish=targets.enter_cut, undo=targets.enter_undo,
        move=targets.enter_move,
        choose=blocks.enter_choose, race=blocks.enter_race, parallel=joins.enter_parallel,
        repeat=repeats.enter_repeat, child=children.enter_child, lock=locks.enter_lock,
        scope=blocks.enter_scope, for_each=for_each.enter_for_each, add=for_each.enter_add,
    )  # fmt: skip
