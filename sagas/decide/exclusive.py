"""exclusive of a parallel: its branches one at a time, or one leaf node at a time (section 3).

`branch`: the next branch begins when the one before it is over, in document order. `step`: of the
leaf nodes inside, in however many branches, one is active; the others wait, first come first
served. An approve with a flow is a leaf while it asks, a race while it waits for its triggers.
"""

from __future__ import annotations

from domain import events as ev
from domain.state import ITS_TURN, Instance, is_under, template_of
from sagas.decide import flow, joins, stopping
from sagas.decide.machine import Machine, container_of
from sagas.decide.standing import standing
from sagas.definition import Node

__all__ = ["BRANCH", "STEP", "begin_next", "look", "must_wait"]

BRANCH, STEP = "branch", "step"
_BLOCKS = frozenset({"choose", "race", "parallel", "repeat", "for_each", "scope", "lock"})


# --- one branch at a time --------------------------------------------------------------------


def begin_next(m: Machine, path: str, node: Node) -> None:
    """Begin the first branch that may begin, if none is under way."""
    instance = m.c.nodes.get(path)
    if instance is None or instance.branch == joins.JOINED:
        return
    waiting = [b for b in node.branches if b.name in instance.guards]
    waiting = [b for b in waiting if b.name not in instance.branches]
    if any(_under_way(m, joins.branch_target(path, b)) for b in waiting):
        return
    for branch in waiting:
        before = [a for a in branch.after if a in instance.guards]
        if all(instance.branches.get(a) == "done" for a in before):
            flow.start_flow(m, branch.flow, container_of(branch.flow, path))
            return


def _under_way(m: Machine, target: str) -> bool:
    parts = (*m.c.nodes, *m.c.stops, *m.c.undoing)
    return any(is_under(path, target) for path in parts if path)


# --- one leaf at a time ----------------------------------------------------------------------


def must_wait(m: Machine, path: str, node: Node) -> bool:
    """Whether a leaf waits until another one is over; it is entered when its turn has come."""
    if not m.d.has_exclusive or (node.kind in _BLOCKS and node.kind != "race"):
        return False
    block = _block_of(path, node)
    if block is None or not any(_counts(m, p, i) for p, i in m.c.nodes.items() if p != path and
                                is_under(p, block)):  # fmt: skip
        return False
    m.emit(ev.NodeEntered, node=path, branch=ITS_TURN, slot=m.c.version + 1)
    return True


def look(m: Machine) -> None:
    """Enter the leaf that has waited longest in a block where none is active; after every move."""
    if m.c.is_over or m.c.paused or m.c.held is not None:
        return
    paths = standing(m, "its turn", lambda _, instance: instance.branch == ITS_TURN)
    for _, path in sorted((m.c.nodes[p].slot, p) for p in paths):
        node = m.node(path)
        block = _block_of(path, node)
        assert block is not None
        active = any(
            instance.branch != ITS_TURN and _counts(m, other, instance)
            for other, instance in m.c.nodes.items()
            if is_under(other, block)
        )
        if not active and stopping.stop_over(m, path) is None:
            m.push(flow.enter, path, node)
            return


def _block_of(path: str, node: Node) -> str | None:
    """The path of the outermost parallel around a node in which one leaf is active at a time."""
    outermost: Node | None = None
    around = node.parent
    while around is not None:
        owner = around.owner
        if owner.kind == "parallel" and owner.doc.get("exclusive") == STEP:
            outermost = owner
        around = owner.parent
    if outermost is None:
        return None
    parts = path.split("/")
    return "/".join(parts[: outermost.template.count("/") + 1])


def _counts(m: Machine, path: str, instance: Instance) -> bool:
    """Whether an open instance is a leaf that is active or waits for its turn."""
    node = m.d.by_template.get(template_of(path))
    if instance.branch == ITS_TURN:
        return True
    if not isinstance(node, Node) or node.kind in _BLOCKS:
        return False
    return node.kind != "approve" or node.flow is None or instance.branch is None
