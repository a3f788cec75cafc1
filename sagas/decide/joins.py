"""parallel: branches beside each other, what each yields or failed with, and the join."""

from __future__ import annotations

from typing import Any

from domain import events as ev
from domain.state import Instance
from sagas.decide import blocks, flow, stopping
from sagas.decide.machine import Machine, NodeFault, container_of, error_of, join_path
from sagas.definition import Branch, Node

__all__ = ["branch_closed", "branch_target", "enter_parallel"]

Json = Any


def branch_target(block: str, branch: Branch) -> str:
    """The path under which all of a branch lies."""
    if branch.named:
        return join_path(block, branch.name)
    return join_path(block, branch.flow.nodes[0].name)


def enter_parallel(m: Machine, path: str, node: Node) -> None:
    """Read the guards, and begin every branch that need not wait for another."""
    wanted = [b for b in node.branches if m.truth(b.when, path)]
    names = {b.name for b in wanted}
    m.emit(
        ev.NodeEntered, node=path, guards=[b.name for b in wanted],
        timers=blocks.within(m, path, node) or None,
    )  # fmt: skip
    ready = [b for b in wanted if not any(a in names for a in b.after)]
    if not wanted:
        _joined(m, path, node)
    for branch in reversed(ready):
        flow.start_flow(m, branch.flow, container_of(branch.flow, path))


def branch_closed(
    m: Machine, path: str, node: Node, branch: Branch, outcome: str, out: Json = None
) -> None:
    """A branch is over (done, failed, skipped, undone or stopped): dependants and the join."""
    m.emit(ev.BranchClosed, node=path, branch=branch.name, outcome=outcome, out=out)
    instance = m.c.nodes[path]
    if instance.branch == "joined":
        _after_losers(m, path, node)
        return
    for other in node.branches:
        if other.name in instance.guards and branch.name in other.after:
            _dependant(m, path, node, other)
    _check_join(m, path, node)


def _dependant(m: Machine, path: str, node: Node, branch: Branch) -> None:
    instance = m.c.nodes.get(path)
    if instance is None or instance.branch == "joined" or branch.name in instance.branches:
        return
    states = [instance.branches.get(a) for a in branch.after if a in instance.guards]
    if any(s in ("failed", "skipped") for s in states):
        branch_closed(m, path, node, branch, "skipped")
    elif all(s == "done" for s in states):
        flow.start_flow(m, branch.flow, container_of(branch.flow, path))


def _counts(instance: Instance, node: Node) -> tuple[int, int, int]:
    """How many branches count as joined, how many are still open, and how many are wanted.

    One whose guard was false counts as joined; one skipped because another failed does not.
    """
    skipped = len(node.branches) - len(instance.guards)
    good = sum(1 for s in instance.branches.values() if s == "done") + skipped
    still = len(instance.guards) - len(instance.branches)
    join = node.doc.get("join", "all")
    wanted = {"all": len(node.branches), "any": 1}.get(join) if isinstance(join, str) else join
    assert wanted is not None
    return good, still, wanted


def _check_join(m: Machine, path: str, node: Node) -> None:
    instance = m.c.nodes.get(path)
    if instance is None or instance.branch == "joined":
        return
    good, still, wanted = _counts(instance, node)
    collected = node.doc.get("on_branch") == "collect" and node.doc.get("join", "all") == "all"
    if good >= wanted or (collected and still == 0):
        _joined(m, path, node)
    elif good + still < wanted and not collected:
        m.push(_unreachable, path, f"{wanted} branches are wanted, {good + still} can be reached")


def _unreachable(_: Machine, path: str, text: str) -> None:
    raise NodeFault(path, error_of("business", "join.unreachable", text, path))


def _joined(m: Machine, path: str, node: Node) -> None:
    instance = m.c.nodes[path]
    open_ = [b for b in node.branches
             if b.name in instance.guards and b.name not in instance.branches]  # fmt: skip
    m.emit(ev.NodeEntered, node=path, branch="joined")
    for branch in open_:
        target = branch_target(path, branch)
        if target in m.c.stops or target in m.c.undoing:
            continue  # it has failed, and closes when that is undone
        cause = {"kind": "join", "block": path, "branch": branch.name,
                 "undo": node.doc.get("losers", "undo")}  # fmt: skip
        stopping.request_stop(m, target, cause)
    if not open_:
        _after_losers(m, path, node)


def _after_losers(m: Machine, path: str, node: Node) -> None:
    instance = m.c.nodes[path]
    if len(instance.branches) < len(instance.guards):
        return
    good = [b.name for b in node.branches if b.name not in instance.guards]
    value = {
        "out": dict(instance.outs),
        "failed": [n for n, s in instance.branches.items() if s == "failed"],
        "skipped": good + [n for n, s in instance.branches.items() if s == "skipped"],
    }
    flow.finish(m, path, node, value)
