"""Past a pivot: what came before it is never undone."""

from __future__ import annotations

from domain import events as ev
from domain.state import is_under, item_path, template_of
from sagas.decide import joins, kept, run_on, undoing
from sagas.decide.machine import Machine
from sagas.definition import Node

__all__ = ["seal"]


def seal(m: Machine, path: str) -> None:
    """A pivot is done: what came before it in its own and all enclosing lists is never undone."""
    dropped = [p for p, e in m.c.entries.items() if e.state == "open" and _came_before(m, p, path)]
    if dropped:
        m.emit(ev.UndoSealed, node=path, dropped=dropped)


def _came_before(m: Machine, path: str, pivot: str) -> bool:
    """Whether an entry stands before the pivot.

    Where the two part ways in a parallel or for_each, it does so only if the pivot's branch or item
    came after its own; an unfinished beside run never does, nor a branch that still runs on.
    """
    if path == pivot or kept.is_being_undone(m, path):
        return False
    if _runs_on(m, path, pivot):
        return False
    a, b = path.split("/"), pivot.split("/")
    common = 0
    while common < min(len(a), len(b)) and a[common] == b[common]:
        common += 1
    base = "/".join(a[:common])
    own = "/".join(a[: common + 1])
    if "@" in a[common] and own in m.c.nodes:
        return False
    its = "/".join(b[: common + 1])
    if "[" in a[common] and own[: own.rfind("[")] == its[: its.rfind("[")]:
        return _item_before(m, own, its)
    block = m.d.by_template.get(template_of(base)) if base else m.d.root
    if not isinstance(block, Node) or block.kind != "parallel":
        return not _follows(m, own, its)
    by_target = {joins.branch_target(base, branch): branch for branch in block.branches}
    mine, other = by_target[own], by_target[its]
    return mine.name in undoing.branches_before(block.branches, other)


def _runs_on(m: Machine, path: str, pivot: str) -> bool:
    """Whether an entry lies in a branch or item that still runs on, and the pivot does not."""
    parts = run_on.all_open(m, "")
    return any(is_under(path, part) and not is_under(pivot, part) for part in parts)


def _follows(m: Machine, own: str, its: str) -> bool:
    """Whether one part stands behind the other in a list, where a pivot in that one ran on."""
    mine, other = (m.d.by_template.get(template_of(path)) for path in (own, its))
    if not isinstance(mine, Node) or not isinstance(other, Node):
        return False
    return mine.parent is other.parent and mine.index > other.index


def _item_before(m: Machine, mine: str, its: str) -> bool:
    """Whether one item of a for_each came, directly or not, before another."""
    block = mine[: mine.rfind("[")]
    after = {item_path(block, key): [item_path(block, k) for k in before]
             for key, before in m.c.item_after.get(block, {}).items()}  # fmt: skip
    return mine in undoing.behind(after, its)
