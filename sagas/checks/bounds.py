"""Bounds: every loop, list and time has one, within the limits of the language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.durations import duration_us
from sagas import defaults
from sagas.checks.report import Report, Where
from sagas.checks.tree import Document, Node, objects

__all__ = ["check_bounds", "moves_of", "waits"]

Json = Any
# What makes a part rest before it goes on, whatever comes.
_WAITING = frozenset({"step", "approve", "task", "wait_for", "sleep", "child", "lock"})
_ENDING = frozenset({"fulfil", "fail"})


def check_bounds(d: Document, report: Report) -> None:
    """Add what has no bound, and what is over one."""
    for member in ("early_ttl", "debt_due", "undo_deadline"):
        if member in d.doc:
            _time(None, member, d.doc[member], defaults.TIMER_US_MAX, report)
    if "after" in objects(d.doc, "deadline"):
        _time(None, "deadline", d.doc["deadline"]["after"], defaults.TIMER_US_MAX, report)
    for member, most in (("vars", defaults.VARS_MAX), ("attributes", defaults.ATTRIBUTES_MAX)):
        _most(None, f"{member} of the saga", len(objects(d.doc, member)), most, report)
    for node in d.nodes:
        _depth(node, report)
        _times(node, report)
        match node.kind:
            case "repeat":
                _repeat(node, report)
            case "step":
                _attempts(node, node.doc, report)
                _attempts(node, objects(node.doc, "undo"), report)
            case "wait_for":
                _most(node, f"collect of {node.name}", objects(node.doc, "collect").get("max", 0),
                      defaults.COLLECT_MAX, report)  # fmt: skip
            case "parallel":
                _join(node, report)
            case "for_each":
                _items(node, report)
            case _:
                pass
    for handler in d.handlers:
        doc, name = handler.doc, handler.name
        _most(handler, f"max of {name}", doc.get("max", 0), defaults.HANDLER_RUNS_MAX, report)
        _most(handler, f"width of {name}", doc.get("width", 0), defaults.HANDLER_WIDTH_MAX, report)


def _most(at: Where | None, what: str, count: int, most: int, report: Report) -> None:
    if count > most:
        report.add("def.bound", at, f"{what}: {count:,} is over {most:,}")


def _time(at: Where | None, what: str, text: str, most_us: int, report: Report) -> None:
    if duration_us(text) > most_us:
        days = most_us // defaults.DAY_US
        report.add("def.bound", at, f"{what}: {text} is over {days:,}d")


def _times(node: Node, report: Report) -> None:
    within_max_us = defaults.WITHIN_US_MAX if node.kind == "step" else defaults.TIMER_US_MAX
    most = {"within": within_max_us, "timeout": defaults.WITHIN_US_MAX}
    for member in ("within", "timeout", "heartbeat", "valid", "for", "claim_lease", "max_hold"):
        value = node.doc.get(member)
        if isinstance(value, str):
            most_us = most.get(member, defaults.TIMER_US_MAX)
            _time(node, f"{member} of {node.name}", value, most_us, report)
    for member, inner in (
        ("deadline", "after"), ("every", "period"), ("collect", "quiet"), ("throttle", "per"),
    ):  # fmt: skip
        value = objects(node.doc, member).get(inner)
        if value is not None:
            _time(node, f"{member} of {node.name}", value, defaults.TIMER_US_MAX, report)
    for member, inner in (("every", "period"), ("throttle", "per")):
        period = objects(node.doc, member).get(inner)
        if period is not None and duration_us(period) == 0:
            report.add("def.bound", node, f"{member} of {node.name} is 0", "give a time above 0")


def _attempts(node: Node, doc: Mapping[str, Json], report: Report) -> None:
    attempts = objects(doc, "retry").get("attempts", 0)
    _most(node, f"attempts of {node.name}", attempts, defaults.ATTEMPTS_MAX, report)


def _depth(node: Node, report: Report) -> None:
    depth = 1 + sum(1 for _ in node.above())
    if depth == defaults.DEPTH_MAX + 2:  # the root's flow counts as one
        report.add("def.bound", node, f"{node.name} lies deeper than {defaults.DEPTH_MAX} blocks")


def _join(node: Node, report: Report) -> None:
    join = node.doc.get("join", "all")
    if isinstance(join, int) and join > len(node.branches):
        text = f"join of {node.name}: {join} is over its {len(node.branches)} branches"
        report.add("def.bound", node, text, "wait for as many branches as there are, or fewer")


# --- loops ---------------------------------------------------------------------------------------


def _items(node: Node, report: Report) -> None:
    most = node.doc.get("max_items")
    if most is None:
        report.add("def.bound", node, f"for_each {node.name} has no max_items", "give max_items")
        return
    join = node.doc.get("join", "all")
    if isinstance(join, int) and join > most:
        text = f"join of {node.name}: {join:,} is over its {most:,} items"
        report.add("def.bound", node, text, "wait for as many items as there may be, or fewer")
    moves = most * moves_of(node)
    if moves > defaults.MOVES_MAX and not (node.flow is not None and waits(node.flow.nodes)):
        text = (
            f"for_each {node.name} may make {moves:,} moves without waiting,"
            f" over {defaults.MOVES_MAX:,}"
        )
        report.add("def.no_wait", node, text, "lower max_items, or rest in its flow")


def _repeat(node: Node, report: Report) -> None:
    most = node.doc.get("max")
    resting = "every" in node.doc or (node.flow is not None and waits(node.flow.nodes))
    if most is None:
        if resting:
            report.add("def.bound", node, f"repeat {node.name} has no max", "give max")
        else:
            text = f"repeat {node.name} has no max and no round of it waits"
            report.add("def.no_wait", node, text, "give max, and every or a wait")
        return
    _most(node, f"max of {node.name}", most, defaults.ROUNDS_MAX, report)
    moves = most * moves_of(node)
    if not resting and moves > defaults.MOVES_MAX:
        text = (
            f"repeat {node.name} may make {moves:,} moves without waiting,"
            f" over {defaults.MOVES_MAX:,}"
        )
        report.add("def.no_wait", node, text, "lower max, or give every or a wait")


def waits(nodes: list[Node]) -> bool:
    """Whether every way through these nodes rests somewhere, or ends the loop."""
    return any("when" not in node.doc or node.kind == "wait_for" for node in nodes if _rests(node))


def _rests(node: Node) -> bool:
    match node.kind:
        case "wait_for" if node.doc.get("peek"):  # what it saw stays: the next finds it at once
            return False
        case kind if kind in _WAITING or kind in _ENDING:
            return True
        case "choose":
            flows = [branch.flow for branch in node.branches]
            other = [node.otherwise] if node.otherwise is not None else []
            return all(waits(flow.nodes) for flow in [*flows, *other])
        case "race":  # an await may hold at once
            return all(b.trigger is None or b.trigger.kind in _WAITING for b in node.branches)
        case "parallel":
            free = [b for b in node.branches if "when" not in b.doc]
            return node.doc.get("join", "all") == "all" and any(waits(b.flow.nodes) for b in free)
        case "scope" | "repeat":
            at_least_once = node.kind == "scope" or "while" not in node.doc
            return at_least_once and node.flow is not None and waits(node.flow.nodes)
        case _:
            return False


def moves_of(repeat: Node) -> int:
    """About how many moves one round makes at most: its nodes, and those of loops inside it."""
    moves = 1
    for node in repeat.inside():
        factor = 1
        for flow in node.above():
            if flow.owner is repeat:
                break
            if flow.owner.kind == "repeat":
                factor *= flow.owner.doc.get("max", 1)
            elif flow.owner.kind == "for_each":
                factor *= flow.owner.doc.get("max_items", 1)
        moves += factor
    return moves
