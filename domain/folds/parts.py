"""What several folds do: closing a node, keeping what it yielded, forgetting a round."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from domain.state import (
    RUN_ON,
    UNDO_RUN,
    Effect,
    Instance,
    Trail,
    frame_of,
    in_flight,
    is_under,
    round_of,
    undo_run_of,
)

__all__ = ["arm", "close", "disarm", "forget_inside", "put"]

Json = Any


def arm(c: Any, node: str, timers: dict[str, int] | None) -> None:
    for name, due_us in (timers or {}).items():
        c.timers[f"{node}:{name}"] = due_us


def disarm(c: Any, node: str) -> None:
    if not c.timers:
        return
    prefix = node + ":"
    for name in [t for t in c.timers if t.startswith(prefix)]:
        del c.timers[name]


def close(c: Any, node: str, state: str, version: int, attempt: int = 0) -> Instance | None:
    """Close a node: its trail stays, its timers and its subscription go.

    A block that ran on was done when it joined.
    """
    instance = c.nodes.pop(node, None)
    if instance is not None and instance.branch == RUN_ON:
        return instance
    since_us = instance.since_us if instance else c.clock_us
    number = round_of(instance) if instance and state != "done" else 0
    c.trail[node] = Trail(state, version, c.clock_us, c.clock_us - since_us, attempt, number)
    disarm(c, node)
    c.subs.pop(node, None)
    c.places.pop(node, None)
    return instance


def put(c: Any, node: str, root: str, value: Json) -> None:
    """Keep what a node yielded, in the frame (round, run or commitment) that it belongs to."""
    frame = frame_of(node)
    if frame == node:  # a handler run yields nothing by itself
        return
    frames: dict[str, dict[str, Any]] = c.frames
    data = frames.get(frame, {})
    values = {**data.get(root, {}), node[node.rfind("/") + 1 :]: value}
    frames[frame] = {**data, root: values}


def forget_inside(c: Any, frame: str) -> None:
    """A finished round, item or run leaves vars, `out` and undo entries; all else of it goes.

    A round of an undo_flow goes with the flow: one that fails runs again, and passes over what is
    done.

    When a part closed is kept as long as something in it may be undone: that is the order. An
    effect that may yet turn out to have happened is remembered, so that it can be undone, and with
    it that it was undone unseen, and which blocks around it were not done: these keep nothing. All
    that is bounded as the state is (`STATE_BYTES_MAX`).
    """
    run = undo_run_of(frame)
    if run is not None and run != frame:
        return
    inside = _under(c.entries, frame)
    # An undo_flow that is under way in what ran on, or is to be retried, still reads its own.
    flows = [f"{p}{UNDO_RUN}" for p in inside if c.entries[p].flow and c.entries[p].state != "open"]

    def goes(path: str) -> bool:
        return not any(is_under(path, flow) for flow in flows)

    for data in (c.frames, c.bindings, c.deciders, c.runs, c.queues, c.errors):
        for path in filter(goes, _under(data, frame)):
            del data[path]
    for block in _under(c.item_after, frame):
        if not any(is_under(p, block) for p in inside):
            del c.item_after[block]
    there = [
        (key, f)
        for key, f in c.effects.items()
        if frame in f.node and is_under(f.node, frame) and goes(f.node)
    ]
    late = {k: f.node for k, f in there if _may_come_late(f)}
    for path in filter(goes, _under(c.trail, frame)):
        asked = c.trail[path].state != "done" and any(_is_inside(n, path) for n in late.values())
        if not asked and not any(is_under(p, path) for p in inside):
            del c.trail[path]
    kept = {*late, *(c.entries[path].effect for path in inside)} if there else set[str]()
    for key, effect in there:
        if key not in kept and effect.undoes not in kept:
            del c.effects[key]


def _is_inside(node: str, block: str) -> bool:
    return node != block and is_under(node, block)


def _may_come_late(effect: Effect) -> bool:
    doubtful = bool(effect.unanswered) or effect.doubtful
    return doubtful or in_flight(effect) or effect.state == "withdrawn"


def _under(data: Iterable[str], frame: str) -> list[str]:
    """The paths that are the frame or lie in it.

    Of a long list every item asks, and the first condition is ten times as quick as the second.
    """
    return [path for path in data if frame in path and is_under(path, frame)]
