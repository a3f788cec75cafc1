"""losers: run_on. The flow goes on behind a block that is joined, and so does the rest inside it.

Such a block is done when it joins: it yields then, and there is its place in the order of undoing.
It stays open until the last branch or item is over. What lies around it must not end before: its
scope, the flow under a lock, a round, an item or a handler's run ends only then.
"""

from __future__ import annotations

from typing import Any

from domain import events as ev
from domain.state import RUN_ON, is_under
from sagas.decide import exclusive, failures, flow, for_each, joins, kept
from sagas.decide.machine import Machine
from sagas.definition import Flow, Node

__all__ = ["all_open", "begin", "is_over", "must_wait", "still_open"]

Json = Any
ENDING = "ending"
"""The mark of a part whose own flow is over, while something inside runs on."""
_ENDS = frozenset({"scope", "lock", "repeat", "for_each"})


def begin(m: Machine, path: str, node: Node, value: Json) -> None:
    """The block is joined: the flow goes on behind it, and inside it goes on as before."""
    value = flow.bounded(path, value)
    kept.block_is_over(m, path, node, still_open(m, path))
    m.emit(ev.NodeRunsOn, node=path, value=value)
    flow.done(m, path, node)
    if node.kind == "for_each":
        m.push(for_each.look, path, node)
    elif node.doc.get("exclusive") == exclusive.BRANCH:
        m.push(exclusive.begin_next, path, node)


def still_open(m: Machine, path: str) -> list[str]:
    """The paths of the branches or items of a block that are not over."""
    instance = m.c.nodes.get(path)
    if instance is None:
        return []
    node = m.node(path)
    return [joins.target_of(path, node, n) for n in instance.guards if n not in instance.branches]


def all_open(m: Machine, base: str) -> list[str]:
    """The same of all blocks that run on at or under `base`."""
    if not m.d.has_run_on:
        return []
    on = [p for p, there in m.c.nodes.items() if there.branch == RUN_ON and is_under(p, base)]
    return [part for path in on for part in still_open(m, path)]


def is_over(m: Machine, path: str, node: Node) -> bool:
    """After a branch or item of a block that ran on: whether it was the last."""
    kept.part_is_over(m, path, node)
    if still_open(m, path):
        return False
    m.emit(ev.NodeDone, node=path)
    around, container = _around(m, path)
    mark = m.c.nodes.get(_holder(around, container))
    ends = mark is not None and (mark.branch or "").endswith(ENDING)
    if ends and not _inside(m, around, container):
        m.push(flow.enter_flow, container, around, len(around.nodes))
    return True


def must_wait(m: Machine, container: str, ended: Flow) -> bool:
    """Whether a flow that is over waits for what runs on inside; then it ends with that."""
    if not m.d.has_run_on or not _ends(ended) or not _inside(m, ended, container):
        return False
    holder = _holder(ended, container)
    clause = f"clause:{ended.clause.name}:" if ended.clause is not None else ""
    m.emit(ev.NodeEntered, node=holder, branch=f"{clause}{ENDING}")
    return True


def _inside(m: Machine, around: Flow, container: str) -> bool:
    return any(
        instance.branch == RUN_ON
        and is_under(path, container)
        and _around(m, path) == (around, container)
        for path, instance in m.c.nodes.items()
    )


def _around(m: Machine, path: str) -> tuple[Flow, str]:
    """The innermost flow around a block that must not end before it, and its container."""
    around, container = failures.flow_of(m, path)
    while around is not None and not _ends(around):
        owner, block = around.owner, failures.block_path(around, container)
        around, container = owner.parent, block[: -len(owner.name) - 1]
    assert around is not None, path
    return around, container


def _ends(ended: Flow) -> bool:
    return ended.role in ("clause", "handler") or ended.owner.kind in _ENDS


def _holder(ended: Flow, container: str) -> str:
    """The open instance that stands for a flow: a round's is its repeat."""
    is_run = ended.role == "handler" or ended.owner.kind == "for_each"
    return container if is_run else failures.block_path(ended, container)
