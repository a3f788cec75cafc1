"""What runs beside: the branches of a parallel, and the join, which for_each shares with it."""

from __future__ import annotations

from typing import Any

from domain import events as ev
from domain.state import RUN_ON, Instance, item_path
from sagas.decide import blocks, exclusive, flow, for_each, run_on, stopping
from sagas.decide.machine import Machine, NodeFault, container_of, error_of, join_path
from sagas.definition import Branch, Node

__all__ = ["CUT", "JOINED", "branch_target", "check_join", "closed", "collects", "enter_parallel",
           "target_of"]  # fmt: skip

Json = Any
JOINED = "joined"
CUT = "cut"
"""How an item closes that was cancelled: it counts as joined, and what comes after it goes on."""
_ON = {"parallel": "on_branch", "for_each": "on_item"}


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
    if node.doc.get("exclusive") == exclusive.BRANCH:
        m.push(exclusive.begin_next, path, node)
        return
    for branch in reversed(ready):
        flow.start_flow(m, branch.flow, container_of(branch.flow, path))


def closed(m: Machine, path: str, node: Node, name: str, outcome: str, out: Json = None) -> None:
    """A branch or item is over (done, failed, skipped, undone or stopped): what follows from it."""
    if path not in m.c.nodes:  # it has failed, and stops when a pivot in it is settled
        return
    is_list = node.kind == "for_each"
    if is_list:
        m.emit(ev.ItemClosed, node=path, item=name, outcome=outcome, out=out)
    else:
        m.emit(ev.BranchClosed, node=path, branch=name, outcome=outcome, out=out)
    if m.c.nodes[path].branch == JOINED:
        _after_losers(m, path, node)
    elif is_list:
        if outcome not in ("done", CUT):
            for_each.skip_behind(m, path, name)
        m.push(for_each.look, path, node)
    else:
        guards = m.c.nodes[path].guards
        for other in node.branches:  # skipping one may end the block
            if other.name in guards and name in other.after:
                _dependant(m, path, node, other)
        joined = check_join(m, path, node)
        if not joined and node.doc.get("exclusive") == exclusive.BRANCH:
            m.push(exclusive.begin_next, path, node)


def _dependant(m: Machine, path: str, node: Node, branch: Branch) -> None:
    instance = m.c.nodes.get(path)
    if instance is None or instance.branch == JOINED or branch.name in instance.branches:
        return
    one_by_one = node.doc.get("exclusive") == exclusive.BRANCH
    states = [instance.branches.get(a) for a in branch.after if a in instance.guards]
    if any(s in ("failed", "skipped") for s in states):
        closed(m, path, node, branch.name, "skipped")
    elif all(s == "done" for s in states) and not one_by_one:
        flow.start_flow(m, branch.flow, container_of(branch.flow, path))


def _counts(instance: Instance, node: Node) -> tuple[int, int, int]:
    """How many count as joined, how many are still open, and how many are wanted.

    One whose guard was false counts as joined; one skipped because another failed does not.
    """
    total = len(instance.guards) if node.kind == "for_each" else len(node.branches)
    states = [*instance.branches.values()]
    good = states.count("done") + states.count(CUT)
    good += total - len(instance.guards)
    still = len(instance.guards) - len(instance.branches)
    join = node.doc.get("join", "all")
    wanted = {"all": total, "any": 1}.get(join) if isinstance(join, str) else join
    assert wanted is not None
    return good, still, wanted


def collects(node: Node) -> bool:
    """Whether a failure of a branch or item is its own alone."""
    return node.doc.get(_ON[node.kind]) == "collect"


def check_join(m: Machine, path: str, node: Node) -> bool:
    """Join if that is met, fail if it cannot be; whether it was one of the two."""
    instance = m.c.nodes.get(path)
    if instance is not None and instance.branch == RUN_ON:
        return run_on.is_over(m, path, node)
    if instance is None or instance.branch is not None:
        return False  # joined, or a list that is still open
    if "join.until" in node.x:
        return _check_until(m, path, node, instance)
    good, still, wanted = _counts(instance, node)
    collected = collects(node) and node.doc.get("join", "all") == "all"
    if good >= wanted or (collected and still == 0):
        _joined(m, path, node)
    elif good + still < wanted and not collected:
        word = "items" if node.kind == "for_each" else "branches"
        m.push(_unreachable, path, f"{wanted} {word} are wanted, {good + still} can be reached")
    else:
        return False
    return True


def _check_until(m: Machine, path: str, node: Node, instance: Instance) -> bool:
    """`join: {until}` is read whenever a branch or item is over, as if it were joined then."""
    still = len(instance.guards) - len(instance.branches)
    if still and not instance.branches:
        return False
    local = {("results", node.name): _value(instance, node)}
    if m.truth(node.x["join.until"], path, local):
        _joined(m, path, node)
    elif still == 0:
        m.push(_unreachable, path, f"all is over, and not: {node.x['join.until'].text}")
    else:
        return False
    return True


def _unreachable(m: Machine, path: str, text: str) -> None:
    if path not in m.c.nodes:  # several that were skipped at once said so
        return
    raise NodeFault(path, error_of("business", "join.unreachable", text, path))


def target_of(path: str, node: Node, name: str) -> str:
    """The path under which all of a branch or item lies."""
    if node.kind == "for_each":
        return item_path(path, name)
    return branch_target(path, next(b for b in node.branches if b.name == name))


def _begun(m: Machine, path: str, node: Node) -> list[str]:
    """Branches that are not over; of items only those that have begun."""
    instance = m.c.nodes[path]
    names = [n for n in instance.guards if n not in instance.branches]
    if node.kind == "for_each":
        return [n for n in names if item_path(path, n) in m.c.nodes]
    return names


def _joined(m: Machine, path: str, node: Node) -> None:
    if node.doc.get("losers") == RUN_ON and run_on.still_open(m, path):
        run_on.begin(m, path, node, _value(m.c.nodes[path], node))
        return
    open_ = _begun(m, path, node)
    m.emit(ev.NodeEntered, node=path, branch=JOINED)
    for name in open_:
        target = target_of(path, node, name)
        if target in m.c.stops or target in m.c.undoing:
            continue  # it has failed, and closes when that is undone
        cause = {"kind": "join", "block": path, "branch": name,
                 "undo": node.doc.get("losers", "undo")}  # fmt: skip
        stopping.request_stop(m, target, cause)
    if not open_:
        _after_losers(m, path, node)


def _after_losers(m: Machine, path: str, node: Node) -> None:
    if _begun(m, path, node):
        return
    flow.finish(m, path, node, _value(m.c.nodes[path], node))


def _value(instance: Instance, node: Node) -> Json:
    """What the block yields, joined now."""
    by_state: dict[str, list[str]] = {}
    for name, state in instance.branches.items():
        by_state.setdefault(state, []).append(name)
    value = {"out": dict(instance.outs), "failed": by_state.get("failed", [])}
    if node.kind == "for_each":
        done = [n for n in instance.guards if instance.branches.get(n) == "done"]
        not_done: tuple[str | None, ...] = ("skipped", CUT)
        if node.doc.get("losers") != RUN_ON:
            not_done += (None,)
        never = [n for n in instance.guards if instance.branches.get(n) in not_done]
        value |= {"done": done, "skipped": never}
    else:
        unguarded = [b.name for b in node.branches if b.name not in instance.guards]
        value["skipped"] = unguarded + by_state.get("skipped", [])
    return value
