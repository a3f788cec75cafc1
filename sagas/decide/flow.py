"""Running flows: entering nodes one after the other, and what the end of a flow means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from domain import events as ev
from domain.durations import duration_us
from domain.ids import fact_id
from sagas import defaults
from sagas.decide import blocks, endings, exclusive, given, kept, kinds, undo_flows
from sagas.decide.machine import Machine, NodeFault, error_of, from_us, join_path, to_us
from sagas.definition import Flow, Node

__all__ = [
    "SIMPLE", "bounded", "done", "due_after", "enter", "enter_flow", "finish", "over_bound",
    "rfc3339", "start_flow", "too_large",
]  # fmt: skip

Json = Any


def start_flow(m: Machine, flow: Flow, container: str) -> None:
    """Begin a flow whose children hang on `container`."""
    m.push(enter_flow, container, flow, 0)


def enter_flow(m: Machine, container: str, flow: Flow, index: int) -> None:
    """Enter the node at `index`; at the end of the list the flow's owner goes on."""
    if index >= len(flow.nodes):
        blocks.flow_ended(m, container, flow)
        return
    node = flow.nodes[index]
    path = join_path(container, node.name)
    if undo_flows.was_done(m, path):
        m.push(enter_flow, container, flow, index + 1)
        return
    if "when" in node.x and not m.truth(node.x["when"], path):
        m.emit(ev.NodeSkipped, node=path)
        m.push(enter_flow, container, flow, index + 1)
        return
    if not exclusive.must_wait(m, path, node):
        enter(m, path, node)


def enter(m: Machine, path: str, node: Node) -> None:
    """Make a node active."""
    kinds.ENTER[node.kind](m, path, node)


def done(m: Machine, path: str, node: Node) -> None:
    """A node has closed well: go on behind it, or, for a race's trigger, with its branch."""
    flow = node.parent
    assert flow is not None, path
    if flow.role == "trigger":
        blocks.trigger_won(m, path, node)
        return
    container = path[: -len(node.name) - 1]
    m.push(enter_flow, container, flow, node.index + 1)


def finish(m: Machine, path: str, node: Node, value: Json = None) -> None:
    """Close a node with what it yields, and go on."""
    value = bounded(path, value)
    kept.block_is_over(m, path, node)
    undo_flows.replace(m, path, node)
    m.emit(ev.NodeDone, node=path, value=value)
    done(m, path, node)


def bounded(path: str, value: Json) -> Json:
    """The value, if it is within 256 KiB. Raises NodeFault bound.payload."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str) and len(value) < defaults.VALUE_BYTES_MAX // 4:
        return value
    problem = too_large(value)
    if problem is not None:
        raise NodeFault(path, error_of("internal", "bound.payload", problem, path))
    return value


def too_large(value: Json) -> str | None:
    """Why a value cannot be kept: its size, or that it is no JSON."""
    try:
        return over_bound(len(orjson.dumps(value)))
    except TypeError as bad:
        return str(bad)


def over_bound(size: int) -> str | None:
    """What to say of a value of so many bytes, if it is over 256 KiB."""
    if size <= defaults.VALUE_BYTES_MAX:
        return None
    return f"{size:,} bytes are over {defaults.VALUE_BYTES_MAX:,}"


def due_after(m: Machine, path: str, after_us: int) -> int:
    """A due time from now. Raises NodeFault beyond ten years."""
    if after_us > defaults.TIMER_US_MAX:
        raise NodeFault(path, error_of("internal", "bound.timer", "over ten years", path))
    return m.now_us + after_us


def rfc3339(us: int) -> str:
    """A time in microseconds as text, in UTC."""
    return from_us(us).isoformat(timespec="microseconds").replace("+00:00", "Z")


# --- simple nodes ----------------------------------------------------------------------------


def _set(m: Machine, path: str, node: Node) -> None:
    values = {name: bounded(path, m.value(expr, path)) for name, expr in node.args}
    for name, value in values.items():
        problems = m.d.validator_of(m.d.document["vars"][name]["schema"]).check(value, name)
        if problems:
            raise NodeFault(path, error_of("internal", "schema", problems[0], path))
        if name in m.d.var_fillers:
            values[name] = given.complete(path, m.d.var_fillers[name], value)
    m.emit(ev.VarsSet, node=path, values=values)
    done(m, path, node)


def _sleep(m: Machine, path: str, node: Node) -> None:
    if "for" in node.doc:
        due_us = due_after(m, path, duration_us(node.doc["for"]))
    else:
        due_us = to_us(m.value(node.x["until"], path))
        due_after(m, path, due_us - m.now_us)
    m.emit(ev.SleepStarted, node=path, due_us=due_us)


def _emit(m: Machine, path: str, node: Node) -> None:
    key = m.value(node.x["key"], path) if "key" in node.x else m.c.key
    data = bounded(path, m.value(node.x["data"], path)) if "data" in node.x else None
    fact = {
        "specversion": "1.0", "id": fact_id(m.c.id, path), "type": node.doc["type"],
        "source": f"urn:troth:{m.c.saga}", "subject": str(key), "time": rfc3339(m.now_us),
        "datacontenttype": "application/json", "data": data,
    }  # fmt: skip
    m.emit(ev.FactEmitted, node=path, fact=fact)
    done(m, path, node)


def _fail(m: Machine, path: str, node: Node) -> None:
    message = m.value(node.x["message"], path) if "message" in node.x else node.doc["code"]
    raise NodeFault(path, error_of("business", node.doc["code"], str(message), path))


def _fulfil(m: Machine, path: str, node: Node) -> None:
    result = bounded(path, m.value(node.x["result"], path)) if "result" in node.x else None
    m.emit(ev.NodeDone, node=path)
    endings.fulfil(m, result)


SIMPLE: dict[str, Callable[[Machine, str, Node], None]] = {
    "set": _set, "sleep": _sleep, "emit": _emit, "fail": _fail, "fulfil": _fulfil,
}  # fmt: skip
