"""When a step may be dispatched: within the hours of its calendar (semantics section 3)."""

from __future__ import annotations

from domain import events as ev
from domain.state import HOURS, TURN
from sagas import defaults
from sagas.calendars import calendar_of, next_open
from sagas.decide import flow
from sagas.decide.machine import Machine, from_us, to_us
from sagas.definition import Node

__all__ = ["may_dispatch", "open_us", "start_by_us"]


def may_dispatch(m: Machine, path: str, node: Node) -> bool:
    """Whether the step may be dispatched now; else it waits, and is entered again when it may."""
    due_us = open_us(m, node, m.now_us)
    if due_us <= m.now_us:
        return True
    flow.due_after(m, path, due_us - m.now_us)
    m.emit(ev.HoursAwaited, node=path, calendar=node.doc["calendar"], due_us=due_us,
           ends_us=_ends_us(m, path, node))  # fmt: skip
    return False


def open_us(m: Machine, node: Node, at_us: int) -> int:
    """The first time at or after `at_us` within the hours of the step's calendar."""
    name = node.doc.get("calendar")
    if name is None:
        return at_us
    return to_us(next_open(calendar_of(m.d.calendars[name]), from_us(at_us)))


def start_by_us(m: Machine, path: str, node: Node) -> int:
    """When a participant must have begun: at the end of `within`, which counts what was waited."""
    if node.within_us is None:
        return m.now_us + defaults.START_WITHIN_US
    ends_us = _ends_us(m, path, node)
    assert ends_us is not None
    return ends_us


def _ends_us(m: Machine, path: str, node: Node) -> int | None:
    if node.within_us is None:
        return None
    instance = m.c.nodes.get(path)
    waited = instance is not None and instance.branch in (HOURS, TURN)
    return (instance.since_us if instance is not None and waited else m.now_us) + node.within_us
