"""Blocks: choose, race, scope; how they are entered, and how all blocks end."""

from __future__ import annotations

from typing import Any

from domain import events as ev
from domain.durations import duration_us
from domain.state import is_under
from sagas.decide import (
    endings,
    failures,
    flow,
    for_each,
    joins,
    locks,
    repeats,
    run_on,
    undo_flows,
    updates,
    waits,
)
from sagas.decide.machine import Machine, container_of, join_path, to_us
from sagas.definition import Branch, Flow, Node, Update

__all__ = [
    "complete_scope", "enter_choose", "enter_race", "enter_scope", "flow_ended", "resume",
    "scope_timers", "trigger_won", "within",
]  # fmt: skip

Json = Any


def flow_ended(m: Machine, container: str, ended: Flow) -> None:
    """The last node of a flow is done: tell its owner, once nothing in it runs on."""
    block = failures.block_path(ended, container)
    if block and block not in m.c.nodes and ended.role != "undo":
        locks.let_settled_go(m, block)  # it has failed, and stops when a pivot in it is settled
        return
    if run_on.must_wait(m, container, ended):
        return
    owner = ended.owner
    if ended.role == "handler":
        _run_ended(m, container, ended)
    elif ended.role == "clause":
        complete_scope(m, container, owner)
    elif ended.role == "undo":
        undo_flows.over(m, container)
    elif owner.kind == "scope":
        _main_ended(m, container, owner)
    elif owner.kind == "repeat":
        repeats.round_ended(m, container, owner)
    elif owner.kind == "approve":
        flow.finish(m, container, owner)
    elif owner.kind == "lock":
        locks.flow_over(m, container, owner)
    elif owner.kind == "parallel":
        assert ended.branch is not None
        block = _block_of(container, ended.branch)
        out = _out(m, block, container, ended.branch)
        joins.closed(m, block, owner, ended.branch.name, "done", out)
    elif owner.kind == "for_each":
        for_each.item_ended(m, container, ended)
    else:
        branch = ended.branch
        block = container if branch is None else _block_of(container, branch)
        name = "else" if branch is None else branch.name
        value: dict[str, Any] = {"branch": name}
        if branch is not None and branch.out is not None:
            value["out"] = _out(m, block, container, branch)
        flow.finish(m, block, owner, value)


def _block_of(container: str, branch: Branch) -> str:
    return container[: -len(branch.name) - 1] if branch.named else container


def _out(m: Machine, block: str, container: str, branch: Branch) -> Json:
    if branch.out is None:
        return None
    return flow.bounded(block, m.value(branch.out, join_path(container, "_"), owner=block))


def within(m: Machine, path: str, node: Node) -> dict[str, int]:
    """The timer of a block that must end in time."""
    if node.within_us is None:
        return {}
    return {"within": flow.due_after(m, path, node.within_us)}


# --- choose and race -------------------------------------------------------------------------


def enter_choose(m: Machine, path: str, node: Node) -> None:
    """Take the first branch whose guard is true, else `else`."""
    for branch in node.branches:
        if m.truth(branch.when, path):
            chosen, name = branch.flow, branch.name
            break
    else:
        assert node.otherwise is not None, path
        chosen, name = node.otherwise, "else"
    if not chosen.nodes and (chosen.branch is None or chosen.branch.out is None):
        flow.finish(m, path, node, {"branch": name})
        return
    m.emit(ev.NodeEntered, node=path, branch=name, timers=within(m, path, node) or None)
    flow.start_flow(m, chosen, container_of(chosen, path))


def enter_race(m: Machine, path: str, node: Node) -> None:
    """Enter every trigger, in document order."""
    m.emit(ev.NodeEntered, node=path, timers=within(m, path, node) or None)
    for branch in reversed(node.branches):
        m.push(_enter_trigger, container_of(branch.flow, path), path, branch)


def _enter_trigger(m: Machine, container: str, block: str, branch: Branch) -> None:
    instance = m.c.nodes.get(block)
    if instance is None or instance.branch is not None:
        return  # an earlier trigger won at once
    assert branch.trigger is not None
    flow.enter(m, join_path(container, branch.trigger.name), branch.trigger)


def trigger_won(m: Machine, path: str, trigger: Node) -> None:
    """The first trigger that is done wins; the others are withdrawn in the same transaction."""
    assert trigger.parent is not None
    branch = trigger.parent.branch
    assert branch is not None
    container = path[: -len(trigger.name) - 1]
    block = _block_of(container, branch)
    losers = [p for p in m.c.nodes if p != block and is_under(p, block)]
    if losers:
        m.emit(ev.NodesStopped, nodes=losers)
    for other in trigger.parent.owner.branches:
        if other is not branch:
            m.prune(container_of(other.flow, block))
    m.emit(ev.NodeEntered, node=block, branch=branch.name)
    flow.start_flow(m, branch.flow, container)


# --- scope -----------------------------------------------------------------------------------


def scope_timers(m: Machine, path: str, node: Node) -> dict[str, int]:
    """When the scope must be done: its deadline, and `within`."""
    timers = within(m, path, node)
    deadline = node.doc.get("deadline")
    if deadline and "after" in deadline:
        timers["deadline"] = flow.due_after(m, path, duration_us(deadline["after"]))
    elif deadline:
        due_us = to_us(m.value(node.x["at"], path))
        timers["deadline"] = flow.due_after(m, path, due_us - m.now_us)
    return timers


def enter_scope(m: Machine, path: str, node: Node) -> None:
    """Open the handlers, then run the main flow."""
    m.emit(ev.NodeEntered, node=path, timers=scope_timers(m, path, node) or None)
    assert node.flow is not None
    flow.start_flow(m, node.flow, path)
    for handler in reversed(node.handlers):
        m.push(waits.open_handler, join_path(path, handler.name), handler)


def _open_runs(m: Machine, path: str, node: Node) -> list[str]:
    handlers = [join_path(path, h.name) for h in (*node.handlers, *node.updates)]
    return [r for h in handlers for r in waits.open_runs(m, h)] + [
        h for h in handlers if m.c.queues.get(h)
    ]


def _main_ended(m: Machine, path: str, node: Node) -> None:
    """Handlers close; runs begun or queued finish; then the scope completes."""
    if node.parent is not None or node.handlers:
        subs = [p for h in node.handlers if (p := join_path(path, h.name)) in m.c.subs]
        if subs:
            m.emit(ev.NodesStopped, nodes=subs)
    if _open_runs(m, path, node):
        m.emit(ev.NodeEntered, node=path, branch="finishing")
    else:
        complete_scope(m, path, node)


def complete_scope(m: Machine, path: str, node: Node) -> None:
    """The scope is done; the end of the root's is the end of the commitment."""
    if node.parent is None:
        endings.fulfil(m, None)
        return
    value = None
    if "out" in node.x:
        value = {"out": m.value(node.x["out"], f"{path}/_", owner=path)}
    flow.finish(m, path, node, value)


def _run_ended(m: Machine, container: str, ended: Flow) -> None:
    """A run of a handler is done: an interrupting one completes its scope."""
    handler = ended.handler
    assert handler is not None
    scope = handler.scope
    path = container[: container.rfind("@") - len(handler.name)].rstrip("/")
    answer = updates.answer_run(m, handler, container) if isinstance(handler, Update) else None
    m.emit(ev.NodeDone, node=container, value=answer)
    if handler.interrupt:
        complete_scope(m, path, scope)
        return
    waits.next_run(m, join_path(path, handler.name), handler)
    instance = m.c.nodes.get(path)
    finishing = instance is not None and instance.branch == "finishing"
    if finishing and not _open_runs(m, path, scope):
        complete_scope(m, path, scope)


def resume(m: Machine, path: str, node: Node) -> None:
    """Go on with an open block that an internal fault held: what failed is read again."""
    if node.kind == "repeat":
        count = m.c.nodes[path].round
        if count:
            m.push(repeats.round_ended, f"{path}#{count}", node)
        else:
            m.push(repeats.turn, path, node, None)
    elif node.kind == "scope":
        # Where its `while` erred it goes on inside; where its `out` did, nothing is open there.
        if not any(p != path and is_under(p, path) for p in m.c.nodes):
            m.push(complete_scope, path, node)
    elif node.kind == "lock":
        m.push(locks.flow_over, path, node)
    elif node.kind == "for_each":
        for_each.resume(m, path, node)
    for branch in node.branches:
        if not _rests(m, path, node, branch):
            continue
        container = container_of(branch.flow, path)
        m.push(flow.enter_flow, container, branch.flow, len(branch.flow.nodes))


def _rests(m: Machine, path: str, node: Node, branch: Branch) -> bool:
    """Whether the nodes of a branch are all done, and only its `out` is missing."""
    instance = m.c.nodes[path]
    if node.kind == "parallel":
        waited = [a for a in branch.after if a in instance.guards and a not in instance.branches]
        if branch.name not in instance.guards or branch.name in instance.branches or waited:
            return False
        return not any(is_under(p, joins.branch_target(path, branch)) for p in m.c.nodes)
    return instance.branch == branch.name
