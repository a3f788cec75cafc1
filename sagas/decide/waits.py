"""Waits and handlers: subscribing, and taking what key streams offer (semantics 3 and 6)."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from domain import events as ev
from domain import messages as msg
from domain.durations import duration_us
from domain.state import is_under, template_of
from sagas import defaults
from sagas.decide import failures, flow, given, stopping
from sagas.decide.machine import Machine, Move, NodeFault, error_of, join_path, timed_event
from sagas.definition import Handler, Node

__all__ = ["enter_wait", "expire_wait", "key_text", "next_run", "offered", "open_handler",
           "open_runs", "quiet"]  # fmt: skip

Json = Any
_KEY_CHARS_MAX = 256


def key_text(path: str, value: Json) -> str:
    """A key value as text. Raises NodeFault for what cannot be a key."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and 0 < len(value) <= _KEY_CHARS_MAX:
        return value
    text = f"a key is a text of 1 to {_KEY_CHARS_MAX} characters, got {value!r:.60}"
    raise NodeFault(path, error_of("internal", "expression", text, path))


def enter_wait(m: Machine, path: str, node: Node) -> None:
    """Subscribe to the key, as it can be read now."""
    due_us = None if node.within_us is None else flow.due_after(m, path, node.within_us)
    m.emit(
        ev.WaitOpened, node=path, key=key_text(path, m.value(node.x["key"], path)),
        types=node.doc["events"], due_us=due_us, early=node.doc.get("early"),
    )  # fmt: skip


def open_handler(m: Machine, path: str, handler: Handler) -> None:
    """Subscribe for a handler; it stays open as long as its scope's main flow."""
    scope = path.rpartition("/")[0]
    key = key_text(path, m.value(handler.key, join_path(scope, "_"), owner=path))
    m.emit(
        ev.HandlerOpened, node=path, key=key, types=list(handler.events),
        early="transient" if handler.transient else None,
    )  # fmt: skip


def offered(m: Machine, message: msg.Offer) -> None:
    """A key stream offers an event: the first taker that wants it takes it, or nobody does.

    Waits that peek are done with it, too, and leave it to the others.
    """
    if message.position in m.c.taken.get(message.key, ()):
        return
    takers = _takers(m, message.key, message.event["type"])
    if takers:
        message = given.offer(m, takers[0], message)
    event, is_taken = message.event, False
    began: list[int] = []
    for path in takers:
        peeks = _peeks(m, path)
        is_open = path in m.c.subs  # what was done with it may have ended others
        if is_open and (peeks or not is_taken) and _wants(m, path, event):
            began.append(m.pushed)
            _take(m, path, message)
            is_taken = is_taken or not peeks
    if len(began) > 1:
        _in_order(m, began)


def _in_order(m: Machine, began: list[int]) -> None:
    """What several set in motion moves in their order, though the agenda is a stack.

    `began`: the number of the first move that each of them pushed, or would have pushed.
    """

    def place(move: Move) -> int:
        taker = bisect_right(began, move[3])
        return len(began) + 1 - taker if taker else 0

    m.agenda.sort(key=place)


def _peeks(m: Machine, path: str) -> bool:
    found = m.d.by_template[template_of(path)]
    return not isinstance(found, Handler) and found.doc.get("peek", False)


def _takers(m: Machine, key: str, type_: str) -> list[str]:
    """Open takers of this type and key, in the order in which they may take.

    Innermost scope first, waits before handlers, interrupt before beside, then document order.
    """
    found = [p for p, s in m.c.subs.items() if s.key == key and type_ in s.types]
    return sorted(found, key=lambda p: _rank(m, p)) if len(found) > 1 else found


def _rank(m: Machine, path: str) -> tuple[int, int, int, int]:
    found = m.d.by_template[template_of(path)]
    depth, node = 0, found.scope if isinstance(found, Handler) else found
    while node.parent is not None:
        node = node.parent.owner
        depth += node.kind == "scope"
    if isinstance(found, Handler):
        depth += found.scope.kind == "scope" and found.scope.parent is not None
        return -depth, 1, 0 if found.interrupt else 1, found.scope.handlers.index(found)
    return -depth, 0, 0, m.d.order[found.template]


def _wants(m: Machine, path: str, event: Json) -> bool:
    found = m.d.by_template[template_of(path)]
    local = {("event", None): timed_event(event)}
    if isinstance(found, Handler):
        if found.interrupt and not _may_interrupt(m, path, found):
            return False
        runs, queue = m.c.runs.get(path, 0), m.c.queues.get(path, ())
        if runs + len(queue) >= found.max or len(queue) >= defaults.HANDLER_QUEUE_MAX:
            return False
        return m.truth(found.when, path, local)
    return m.truth(found.x.get("guard"), path, local)


def _may_interrupt(m: Machine, path: str, handler: Handler) -> bool:
    """Not past a pivot in its scope, and not while another stop of the scope waits for one."""
    scope = path.rpartition("/")[0]
    if scope in m.c.stops:
        return False
    return handler.after_pivot or not any(is_under(p, scope) for p in m.c.pivots)


def _take(m: Machine, path: str, message: msg.Offer) -> None:
    found = m.d.by_template[template_of(path)]
    if isinstance(found, Handler):
        _handle(m, path, found, message)
        return
    common = {"key": message.key, "position": message.position, "event": message.event}
    if "collect" not in found.doc:
        m.emit(ev.EventTaken, node=path, peek=found.doc.get("peek") or None, **common)
        flow.done(m, path, found)
        return
    _collect(m, path, found, common)


def _collect(m: Machine, path: str, node: Node, common: dict[str, Any]) -> None:
    """One more for the list; it is over with the predicate, the maximum or a quiet time."""
    collect = node.doc["collect"]
    events = [*m.c.nodes[path].events, common["event"]]
    over = len(events) >= collect.get("max", defaults.COLLECT_MAX)
    if not over and "until" in node.x:
        local = {("events", node.name): [timed_event(e) for e in events]}
        over = m.truth(node.x["until"], path, local)
    m.emit(ev.EventTaken, node=path, done=over, collect=True, **common)
    if over:
        flow.done(m, path, node)
    elif "quiet" in collect:
        m.emit(ev.QuietSet, node=path, quiet_us=m.now_us + duration_us(collect["quiet"]))


def quiet(m: Machine, path: str, node: Node) -> None:
    """Nothing came for the quiet time: the list is complete."""
    m.emit(ev.NodeDone, node=path, value=list(m.c.nodes[path].events))
    flow.done(m, path, node)


def expire_wait(m: Machine, path: str, node: Node) -> None:
    """`within` is over."""
    if node.on_expiry == "continue":
        m.emit(ev.NodeDone, node=path, value={"expired": True})
        flow.done(m, path, node)
    else:
        text = f"{', '.join(node.doc['events'])} did not come in time"
        failures.fail(m, path, error_of("timeout", node.name, text, path))


# --- handlers --------------------------------------------------------------------------------


def open_runs(m: Machine, path: str) -> list[str]:
    """The runs of a handler that are going on."""
    start = f"{path}@"
    return [p for p in m.c.nodes if p.startswith(start) and "/" not in p[len(start) :]]


def _handle(m: Machine, path: str, handler: Handler, message: msg.Offer) -> None:
    common = {"key": message.key, "position": message.position, "event": message.event}
    if not handler.interrupt and len(open_runs(m, path)) >= handler.width:
        m.emit(ev.EventTaken, node=path, done=False, **common)
        return
    run = f"{path}@{m.c.runs.get(path, 0) + 1}"
    m.emit(ev.EventTaken, node=path, run=run, done=False, **common)
    if not handler.interrupt:
        flow.start_flow(m, handler.flow, run)
        return
    block = path.rpartition("/")[0]
    cause = {"kind": "interrupt", "handler": handler.name, "run": run, "block": block,
             "undo": handler.undo}  # fmt: skip
    stopping.request_stop(m, block, cause, keep=(run,))


def next_run(m: Machine, path: str, handler: Handler) -> None:
    """A run is over: the oldest queued event begins its own."""
    if m.c.queues.get(path) and len(open_runs(m, path)) < handler.width:
        run = f"{path}@{m.c.runs.get(path, 0) + 1}"
        m.emit(ev.NodeEntered, node=run, branch="queued")
        flow.start_flow(m, handler.flow, run)
