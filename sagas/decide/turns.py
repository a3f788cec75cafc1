"""When a step may be dispatched: in the hours of its calendar, and when it is its turn.

Both hold for every attempt. A turn that comes outside of the hours is asked for again once they
begin.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from domain import events as ev
from domain import messages as msg
from domain.durations import duration_us
from domain.ids import effect_id
from domain.state import HOURS, TURN
from sagas import defaults
from sagas.calendars import calendar_of, next_open
from sagas.decide import effects, flow, outcomes
from sagas.decide.machine import Machine, NodeFault, error_of, from_us, to_us
from sagas.definition import Node

__all__ = ["again", "heard", "may_dispatch", "open_us", "retry_over", "start_by_us"]

Json = Any
_duration_us = lru_cache(maxsize=1_024)(duration_us)


def may_dispatch(m: Machine, path: str, node: Node) -> bool:
    """Whether the step may be dispatched now; else it waits, and `again` is called when it may."""
    if "calendar" not in node.doc and "throttle" not in node.doc:
        return True
    place = m.c.places.get(path)
    if place is not None and not place.given:
        return False  # it has asked already
    due_us = open_us(m, node, m.now_us)
    if due_us > m.now_us:
        flow.due_after(m, path, due_us - m.now_us)
        m.emit(ev.HoursAwaited, node=path, calendar=node.doc["calendar"], due_us=due_us,
               ends_us=_ends_us(m, path, node))  # fmt: skip
        return False
    if place is None and "throttle" in node.doc:
        _ask(m, path, node, node.doc["throttle"])
        return False
    return True


def _ask(m: Machine, path: str, node: Node, throttle: dict[str, Json]) -> None:
    key = m.value(node.x["throttle.key"], path) if "throttle.key" in node.x else ""
    m.emit(
        ev.TurnWanted, node=path, throttle=throttle["name"], key=key, max=throttle["max"],
        per_us=_duration_us(throttle["per"]), ends_us=_ends_us(m, path, node),
    )  # fmt: skip


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
    instance = m.c.nodes.get(path)
    waited = instance is not None and instance.branch in (HOURS, TURN)
    return (instance.since_us if instance is not None and waited else m.now_us) + node.within_us


def _ends_us(m: Machine, path: str, node: Node) -> int | None:
    """When `within` is over: that of a retry bounds what it waits, as that of a first attempt."""
    if node.within_us is None:
        return None
    instance = m.c.nodes.get(path)
    active = instance is not None and instance.kind == "step"
    return (instance.since_us if instance is not None and active else m.now_us) + node.within_us


def again(m: Machine, path: str, node: Node) -> None:
    """The hours have begun, or the turn has come: dispatch the step, or its next attempt."""
    key = effect_id(m.c.id, path, "do")
    effect = m.c.effects.get(key)
    if effect is not None and effect.state == "backoff":
        effects.retry_due(m, key)
    else:
        flow.enter(m, path, node)


def heard(m: Machine, message: msg.YourTurn | msg.NoTurn) -> None:
    """The throttle answers a request that still stands."""
    path = message.node
    place = m.c.places.get(path)
    if place is None or place.ask != message.ask or place.given:
        return
    if isinstance(message, msg.YourTurn):
        m.emit(ev.TurnGiven, node=path)
        again(m, path, m.node(path))
        return
    m.emit(ev.TurnRefused, node=path)
    text = f"too many wait in throttle {place.throttle}"
    error = error_of("internal", "bound.throttle", text, path)
    if not retry_over(m, path, error):
        raise NodeFault(path, error)


def retry_over(m: Machine, path: str, error: Json = None) -> bool:
    """A retry cannot wait any longer: it ends as the failure that caused it, or as this one."""
    key = effect_id(m.c.id, path, "do")
    effect = m.c.effects.get(key)
    if effect is None or effect.state != "backoff":
        return False
    outcomes.for_good(m, key, effect, error or effect.error)
    return True
