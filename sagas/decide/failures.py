"""Failures: who catches one, and what becomes of it when nobody does (semantics section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from domain import events as ev
from domain.state import RUN_ON, UNDO_RUN, is_under, template_of
from sagas.decide import for_each, joins, locks, stopping, undo_flows, undoing
from sagas.decide.machine import Machine, hold
from sagas.definition import Clause, Flow, Node

__all__ = ["block_path", "clause_for", "fail", "fail_inside", "flow_of", "goes_on", "is_open",
           "matches"]  # fmt: skip

Json = Any
_COMMON = frozenset({"business", "transient", "timeout", "rejected", "deadline"})


@dataclass(frozen=True, slots=True)
class _Catcher:
    """Where a failure is caught: a clause of a scope, or a branch or item that is collected.

    `keeps`: what that branch has done stays, for it ran on and its failure is only recorded.
    """

    target: str
    block: str
    clause: Clause | None = None
    branch: str | None = None
    keeps: bool = False


def matches(pattern: str, error: Json) -> bool:
    """`class` or `class:code-glob`; `*` is the first five classes."""
    if pattern == "*":
        return error["class"] in _COMMON
    class_, _, glob = pattern.partition(":")
    return error["class"] == class_ and (not glob or fnmatchcase(error["code"], glob))


def clause_for(scope: Node, error: Json) -> Clause | None:
    """The first clause of a scope that catches the error."""
    for clause in scope.clauses:
        if any(matches(on, error) for on in clause.on):
            return clause
    return None


def fail(m: Machine, path: str, error: Json) -> None:
    """The node at `path` fails. It is caught by the innermost part that can, else by the root."""
    if m.c.is_over:
        return
    over = stopping.stop_over(m, path)
    if over is not None:
        stopping.also(m, over, error)
        if path in m.c.nodes:  # a stop that waits for a pivot leaves it open
            m.emit(ev.NodeFailed, node=path, error=error)
        stopping.check_stops(m)
        return
    if error["class"] == "contradicted" and any(is_under(path, t) for t in m.c.undoing):
        undoing.open_debt(m, path, "contradicted", error)
        return
    catcher = _catcher(m, path, error)
    if catcher is None and error["class"] == "internal":
        _held(m, path, error)
        return
    if path in m.c.nodes:
        m.emit(ev.NodeFailed, node=path, error=error)
        if not _has_inside(m, path):  # else it goes when its flow has stopped
            locks.let_settled_go(m, path)
    is_told = error["class"] == "contradicted"  # that is a debt of its own
    if catcher is None and not is_told and undo_flows.failed(m, path, error):
        return
    if catcher is None:
        _uncaught(m, path, error)
        return
    cause: dict[str, Any] = {"kind": "failure", "error": error, "block": catcher.block}
    if catcher.clause is not None:
        cause["clause"] = catcher.clause.index
    if catcher.branch is not None:
        cause["branch"] = catcher.branch
    if catcher.keeps:
        cause["undo"] = "keep"
    stopping.request_stop(m, catcher.target, cause)


def fail_inside(m: Machine, path: str, scope: Node, error: Json) -> None:
    """The main flow of a scope fails as a whole (its deadline): its own clauses come first."""
    clause = clause_for(scope, error)
    if clause is None:
        fail(m, path, error)
        return
    cause = {"kind": "failure", "error": error, "block": path, "clause": clause.index}
    stopping.request_stop(m, path, cause)


def _held(m: Machine, path: str, error: Json) -> None:
    """A fault of the definition. A block stays as it is, so that a retry goes on where it was."""
    instance = m.c.nodes.get(path)
    if instance is not None and instance.kind != "block":
        m.emit(ev.NodeFailed, node=path, error=error)
    hold(m, path, error)


def _uncaught(m: Machine, path: str, error: Json) -> None:
    if error["class"] == "contradicted":
        undoing.open_debt(m, path, "contradicted", error)
    elif m.c.pivots:
        _forward(m, path, error)
    else:
        stopping.request_stop(m, "", {"kind": "failure", "error": error, "block": ""})


def _forward(m: Machine, path: str, error: Json) -> None:
    """Past a pivot only forward: the node waits for a person, and a block's inside stops."""
    if not path or _has_inside(m, path):
        stopping.request_stop(m, path, {"kind": "forward", "error": error, "block": path})
    else:
        m.prune(path)  # a block that has just been entered begins nothing
        undoing.open_debt(m, path, "forward", error)


def _has_inside(m: Machine, path: str) -> bool:
    """Whether something in a block is open, or in flight; of handlers, whether they listen."""
    inside = any(p != path and is_under(p, path) for data in (m.c.nodes, m.c.subs) for p in data)
    return m.busy(path) or inside


# --- who catches -----------------------------------------------------------------------------


def _catcher(m: Machine, path: str, error: Json) -> _Catcher | None:
    """Walk outwards from the failing node. The flow it lies in says what its owner may catch."""
    flow_, container = flow_of(m, path)
    while flow_ is not None and flow_.role != "undo":  # a failure there is a debt
        owner, block = flow_.owner, block_path(flow_, container)
        if owner.kind in ("parallel", "for_each"):
            name = _part_name(m, flow_, container)
            if name is not None and _collects(m, block, owner, name, error):
                target = joins.target_of(block, owner, name)
                keeps = not joins.collects(owner)
                return _Catcher(target, block, branch=name, keeps=keeps)
        elif owner.kind == "scope" and _may_catch(m, block, flow_):
            clause = clause_for(owner, error)
            if clause is not None:
                return _Catcher(block, block, clause=clause)
        if owner.parent is None:
            return None
        flow_, container = owner.parent, block[: -len(owner.name) - 1]
    return None


def _part_name(m: Machine, flow_: Flow, container: str) -> str | None:
    """The name of the branch, or the key of the item, that a flow of a block is.

    None for an item that is over: a late reply still fails there, but nothing of it is collected.
    """
    if flow_.branch is not None:
        return flow_.branch.name
    frame = m.c.frames.get(container)
    return None if frame is None else frame["each"][flow_.owner.name]["key"]


def _collects(m: Machine, block: str, owner: Node, name: str, error: Json) -> bool:
    instance = m.c.nodes.get(block)
    if instance is None or name in instance.branches:
        return False
    if instance.branch == RUN_ON:  # nobody waits for it any more
        return error["class"] not in ("internal", "contradicted")
    return joins.collects(owner) and error["class"] in _COMMON


def _may_catch(m: Machine, block: str, flow_: Flow) -> bool:
    """A scope catches what its main flow and its beside runs do, as long as those are going on."""
    if flow_.role == "clause" or (flow_.handler is not None and flow_.handler.interrupt):
        return False
    instance = m.c.nodes.get(block)
    if instance is None:
        return not block
    return not (instance.branch or "").startswith(("clause:", "handler:"))


def flow_of(m: Machine, path: str) -> tuple[Flow | None, str]:
    """The flow that holds the node at `path`, and the container of its children.

    The root and a handler that could not open fail as part of their scope's main flow.
    """
    found = m.d.by_template.get(template_of(path)) if path else m.d.root
    if isinstance(found, Node):
        if found.parent is None:
            return found.flow, ""
        return found.parent, path[: -len(found.name) - 1]
    assert found is not None, path
    return found.scope.flow, path.rpartition("/")[0]


def is_open(m: Machine, block: str) -> bool:
    """Whether a block is active and does not stop."""
    if m.c.is_over or stopping.stop_over(m, block) is not None:
        return False
    return not block or block in m.c.nodes


def goes_on(m: Machine, path: str, node: Node) -> bool:
    """Whether the flow that a closed node lies in has not been stopped meanwhile."""
    flow_ = node.parent
    assert flow_ is not None
    container = path[: -len(node.name) - 1]
    if flow_.role == "undo":
        return path not in m.c.nodes and container in m.c.nodes
    block = block_path(flow_, container)
    if path in m.c.nodes or not is_open(m, block):
        return False
    phase = (m.c.nodes[block].branch or "") if block in m.c.nodes else ""
    if flow_.role == "clause":
        return flow_.clause is not None and phase == f"clause:{flow_.clause.name}"
    if flow_.role == "handler":
        return container in m.c.nodes
    if flow_.owner.kind == "for_each" and container not in m.c.nodes:
        return False
    return not phase.startswith(("clause:", "handler:"))


def block_path(flow_: Flow, container: str) -> str:
    """The path of the block whose flow has this container."""
    if flow_.role == "handler":
        return container.rpartition("/")[0]
    if flow_.role == "undo":
        return container.removesuffix(UNDO_RUN)
    if flow_.owner.kind == "repeat":
        return container[: container.rfind("#")]
    if flow_.owner.kind == "for_each":
        return for_each.block_of(container)
    if flow_.branch is not None and flow_.branch.named:
        return container[: -len(flow_.branch.name) - 1]
    return container
