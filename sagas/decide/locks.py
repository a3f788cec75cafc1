"""Locks: a flow that runs while its commitment holds a lock of the tenant (semantics section 3).

The lock is given back when the flow is done, or stopped and settled; to undo what was done under
it, it is taken again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from domain import events as ev
from domain import messages as msg
from domain.durations import duration_us
from domain.state import Hold, is_kept, is_under, paths_around, template_of
from sagas.decide import failures, flow, stopping, undoing
from sagas.decide.machine import Machine, NodeFault, error_of, join_path
from sagas.definition import Node

__all__ = ["enter_lock", "flow_over", "give_way", "heard", "held_too_long", "let_all_go", "let_go",
           "let_settled_go", "may_undo", "release_undone"]  # fmt: skip

Json = Any


def enter_lock(m: Machine, path: str, node: Node) -> None:
    """Ask for the lock; the flow begins when it is granted. `within` bounds the wait for it."""
    assert node.within_us is not None
    due_us = flow.due_after(m, path, node.within_us)
    m.emit(ev.LockWanted, node=path, lock=node.doc["lock"], due_us=due_us, permits=_permits(node))


def _permits(node: Node) -> int | None:
    """How many may hold the lock at once; None, which is not stored, for one."""
    permits: int = node.doc.get("permits", 1)
    return permits if permits > 1 else None


def heard(m: Machine, message: msg.Granted | msg.NotGranted) -> None:
    """The lock's stream answers a request that still stands."""
    path = message.node
    hold = m.c.locks.get(path)
    if hold is None or hold.ask != message.ask or hold.fence is not None:
        return
    if isinstance(message, msg.NotGranted):
        _not_granted(m, path)
        return
    node = m.node(path)
    opens = path in m.c.nodes and stopping.stop_over(m, path) is None
    longest = node.doc.get("max_hold")
    due_us = flow.due_after(m, path, duration_us(longest)) if longest and opens else None
    m.emit(ev.LockGranted, node=path, fence=message.fence, due_us=due_us)
    if hold.undo:
        _go_on_undoing(m, path)
    elif opens:
        assert node.flow is not None
        flow.start_flow(m, node.flow, path)


def _not_granted(m: Machine, path: str) -> None:
    """Too many wait for it."""
    lock = m.c.locks[path].lock
    _release(m, path)
    text = f"too many wait for lock {lock}"
    raise NodeFault(path, error_of("internal", "bound.lock", text, path))


def flow_over(m: Machine, path: str, node: Node) -> None:
    """The flow is done: give the lock back, or keep it for an undo under it that came late."""
    value: dict[str, Any] = {"fence": m.c.locks[path].fence}
    if "out" in node.x:
        out = m.value(node.x["out"], join_path(path, "_"), owner=path)
        value["out"] = flow.bounded(path, out)
    if not _undoes_under(m, path):
        _release(m, path)
    flow.finish(m, path, node, value)


def held_too_long(m: Machine, path: str, node: Node) -> None:
    """`max_hold` is over: the flow stops, and only when it has settled the lock goes on."""
    failures.fail(m, path, error_of("timeout", node.name, "it held the lock too long", path))


def let_go(m: Machine, target: str, keep: tuple[str, ...] = (), owed: Sequence[str] = ()) -> None:
    """A part has stopped and settled: nobody in it needs a lock any more, but for a debt.

    `owed`: the parts inside whose undoing is nothing but debts.
    """
    around = [t for t in m.c.undoing if t != target and is_under(target, t)]
    for path, hold in _of_flows(m, target, keep):
        if hold.fence is None or not _undoes_under(m, path, [*owed, *around]):
            _release(m, path)


def let_settled_go(m: Machine, target: str, keep: tuple[str, ...] = ()) -> None:
    """A part stops and something in it has not settled: a lock waits for its own flow alone.

    What has not settled may be an undo, here or in a child, that waits for that very lock.
    """
    for path, _ in _of_flows(m, target, keep):
        if not m.busy(path) and not _undoes_under(m, path):
            _release(m, path)


def _of_flows(m: Machine, target: str, keep: tuple[str, ...]) -> list[tuple[str, Hold]]:
    """The locks in a part that its flow took, not its undoing."""
    return [
        (path, hold) for path, hold in m.c.locks.items()
        if is_under(path, target) and not is_kept(path, keep) and not hold.undo
    ]  # fmt: skip


def let_all_go(m: Machine) -> None:
    """The commitment ends."""
    for path in list(m.c.locks):
        _release(m, path)


def _release(m: Machine, path: str) -> None:
    hold = m.c.locks[path]
    m.emit(ev.LockReleased, node=path, lock=hold.lock, ask=hold.ask)


# --- undoing ---------------------------------------------------------------------------------


def may_undo(m: Machine, path: str) -> bool:
    """Whether every lock under which the entry at `path` was made is held; else ask for it."""
    for lock in _locks_over(m, path):
        hold = m.c.locks.get(lock)
        if hold is None:
            node = m.node(lock)
            name, permits = node.doc["lock"], _permits(node)
            m.emit(ev.LockWanted, node=lock, lock=name, undo=True, permits=permits)
            return False
        if hold.fence is None:
            return False
    return True


def _locks_over(m: Machine, path: str) -> list[str]:
    """The instance paths of the locks around `path`, the outermost first."""
    if not m.d.has_locks:
        return []
    found: list[str] = []
    for outer in paths_around(path):
        node = m.d.by_template.get(template_of(outer))
        if isinstance(node, Node) and node.kind == "lock":
            found.append(outer)
    return found


def _go_on_undoing(m: Machine, lock: str) -> None:
    for target in sorted(m.c.undoing, key=len, reverse=True):
        if target in m.c.undoing and (is_under(lock, target) or is_under(target, lock)):
            undoing.advance(m, target)


def release_undone(m: Machine) -> None:
    """Give back what is held to undo alone, once nothing under it is left to undo."""
    over = [path for path, hold in m.c.locks.items() if hold.undo or not _runs(m, path)]
    for lock in over:
        if not _undoes_under(m, lock):
            _release(m, lock)


def _runs(m: Machine, lock: str) -> bool:
    """Whether the flow of a lock is on, or what stopped in it has not settled."""
    return lock in m.c.nodes or m.busy(lock)


def give_way(m: Machine, target: str, turn: Sequence[str]) -> None:
    """Give back what was taken again, while the undoing of a part waits for a lock or a person.

    That is, each lock under which it is nobody's turn and nothing is under way: who waits for one
    lock and sits on another, as two that undo in lines do, may wait crosswise for ever.
    """
    taken = [path for path, hold in m.c.locks.items() if hold.undo and is_under(path, target)]
    if not taken or (turn and not any(_waits(m, path) for path in turn)):
        return
    moving = {path for path, entry in m.c.entries.items() if entry.state != "open"}
    needed = {lock for path in moving.union(turn) for lock in _locks_over(m, path)}
    for lock in [path for path in taken if path not in needed]:
        if not _is_needed_by_another(m, lock, target):
            _release(m, lock)


def _waits(m: Machine, path: str) -> bool:
    """Whether an entry whose turn it is waits for a lock: here, or where a child undoes itself."""
    if m.c.entries[path].child is not None:
        return True
    holds = (m.c.locks.get(lock) for lock in _locks_over(m, path))
    return any(hold is None or hold.fence is None for hold in holds)


def _is_needed_by_another(m: Machine, lock: str, target: str) -> bool:
    """Whether it is the turn of something under a lock in another part that undoes itself."""
    others = [t for t in m.c.undoing if t != target and (is_under(lock, t) or is_under(t, lock))]
    return any(is_under(path, lock) for other in others for path in undoing.turn_of(m, other))


def _undoes_under(m: Machine, lock: str, among: Iterable[str] | None = None) -> bool:
    """Whether something under a lock is left to undo, in a part that undoes itself.

    `among`: the parts that are asked; without it all that undo themselves.
    """
    for target in m.c.undoing if among is None else among:
        part = m.c.undoing[target]
        only = part.cause.get("paths", m.c.entries)  # an undo that the flow asked for
        if any(is_under(p, target) and is_under(p, lock) and p in only for p in m.c.entries):
            return True
    return False
