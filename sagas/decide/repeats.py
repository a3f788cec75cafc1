"""Repeat: rounds of one flow, at once or each at its time (semantics section 3)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from domain import events as ev
from domain.durations import duration_us
from domain.state import RESTING
from sagas import defaults
from sagas.calendars import calendar_of
from sagas.decide import blocks, flow, kept
from sagas.decide.machine import Machine, NodeFault, error_of, from_us, to_us
from sagas.definition import Node
from sagas.periods import Rhythm, first_start, next_start

__all__ = ["enter_repeat", "enter_round", "round_ended", "turn"]

Json = Any


def enter_repeat(m: Machine, path: str, node: Node) -> None:
    """Enter the block; the first round follows at once."""
    m.emit(ev.NodeEntered, node=path, timers=blocks.within(m, path, node) or None)
    m.push(turn, path, node, None)


def turn(m: Machine, path: str, node: Node, out: Json) -> None:
    """Begin the next round, or complete."""
    try:
        _turn(m, path, node, out)
    except NodeFault as fault:
        # The last round is over as any, though its repeat fails.
        if fault.path == path and m.c.nodes[path].round and node.doc.get("keep_rounds"):
            m.emit(ev.NodeEntered, node=path, branch=RESTING)
        raise


def _turn(m: Machine, path: str, node: Node, out: Json) -> None:
    instance = m.c.nodes[path]
    inner = f"{path}#{instance.round}/_" if instance.round else path
    over = ("while" in node.x and not m.truth(node.x["while"], path)) or (
        "until" in node.x and instance.round > 0 and m.truth(node.x["until"], inner, owner=path)
    )
    if over:
        _complete_repeat(m, path, node, out)
        return
    if instance.round >= node.doc.get("max", defaults.ROUNDS_MAX):
        if node.doc.get("on_max", "fail") == "fail" and ("until" in node.x or "while" in node.x):
            text = f"{instance.round} rounds are done"
            raise NodeFault(path, error_of("business", "repeat.max", text, path))
        _complete_repeat(m, path, node, out)
        return
    _begin_round(m, path, node)


def _complete_repeat(m: Machine, path: str, node: Node, out: Json) -> None:
    value: dict[str, Any] = {"rounds": m.c.nodes[path].round}
    if out is not None:
        value["out"] = out
    flow.finish(m, path, node, value)


def _begin_round(m: Machine, path: str, node: Node) -> None:
    """Begin the round that is due, or rest until it is."""
    every = node.doc.get("every")
    if every is None:
        enter_round(m, path, node)
        return
    rhythm = _rhythm(m, every)
    instance = m.c.nodes[path]
    anchor = from_us(instance.anchor_us)
    if instance.round:
        # A stream of an earlier release numbers no slots: there, each round had its own.
        last = max(instance.slot, instance.round - 1)
        slot, start = next_start(rhythm, anchor, last, from_us(m.now_us))
    else:
        slot, start = 0, first_start(rhythm, anchor)
    due_us = to_us(start)
    if due_us > m.now_us:
        flow.due_after(m, path, due_us - m.now_us)
        m.emit(ev.NodeEntered, node=path, branch=RESTING, slot=slot, timers={"round": due_us})
    else:
        enter_round(m, path, node, slot)


def _rhythm(m: Machine, every: Json) -> Rhythm:
    period, calendar = every.get("period"), every.get("calendar")
    return Rhythm(
        None if period is None else timedelta(microseconds=duration_us(period)),
        every.get("months"),
        None if calendar is None else calendar_of(m.d.calendars[calendar]),
        every.get("catch_up", "skip") == "skip",
    )


def enter_round(m: Machine, path: str, node: Node, slot: int | None = None) -> None:
    """Begin the next round; what the one before yielded is forgotten.

    `slot` is that of its start, unless it was recorded while the repeat rested.
    """
    count = m.c.nodes[path].round + 1
    m.emit(ev.NodeEntered, node=path, round=count, slot=slot)
    assert node.flow is not None
    flow.start_flow(m, node.flow, f"{path}#{count}")


def round_ended(m: Machine, container: str, node: Node) -> None:
    """A round is done: keep what it leaves, and turn."""
    path = container[: container.rfind("#")]
    out = None
    if "out" in node.x:
        out = flow.bounded(path, m.value(node.x["out"], f"{container}/_", owner=path))
    if node.doc.get("keep_rounds"):
        kept.round_is_over(m, path, container)
    m.push(turn, path, node, out)
