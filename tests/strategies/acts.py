"""Acts in random definitions: cancel, finish, undo and move of other parts, and updates.

An act may stand anywhere and name anything; the rules of registration say which of them are sound,
and only those stay. So whatever passes the rules about targets is tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

from sagas.checks.locks import check_undo_under_locks
from sagas.checks.report import Report
from sagas.checks.targets import check_targets
from sagas.checks.tree import Document

__all__ = ["UPDATES", "add_acts", "add_updates"]

Json = Any
Draw = Callable[[st.SearchStrategy[Any]], Any]
ACTS_MAX = 3
TRIES_MAX = 4
UPDATES = ("told", "asked")
"""The names of updates; each takes anything."""
_SOON = ("meta.now", "meta.now + duration('1h')", "meta.started_at")


def add_acts(draw: Draw, document: Json, item: str = "'i1'") -> None:
    """Put a few acts into the flows of a definition; `item` is the key of one in every list."""
    for number in range(draw(st.integers(0, ACTS_MAX))):
        for _ in range(TRIES_MAX):
            if _add(draw, document, f"y{number + 1}", item):
                break


def _add(draw: Draw, document: Json, name: str, item: str) -> bool:
    """One act at some place, of one of the nodes that it may name there."""
    flow = draw(st.sampled_from(list(_flows(document))))
    ends = bool(flow) and flow[-1]["node"] in ("fulfil", "fail")  # nothing runs behind those
    place = draw(st.integers(0, len(flow) - ends))
    kind = draw(st.sampled_from(["cancel", "finish", "undo", "move"]))
    of = item if kind in ("cancel", "finish") and draw(st.booleans()) else None
    names = sorted(node["name"] for node in _nodes(document))
    flow.insert(place, {})
    sound: list[str] = []
    for target in names:
        flow[place] = _act(kind, name, target, of)
        if _is_sound(document):
            sound.append(target)
    if not sound:
        del flow[place]
        return False
    flow[place] = _act(kind, name, draw(st.sampled_from(sound)), of)
    if kind == "move":
        flow[place]["to"] = draw(st.sampled_from(_SOON))
    return True


def _act(kind: str, name: str, target: str, item: str | None) -> Json:
    act: Json = {"node": kind, "name": name}
    match kind:
        case "undo":
            act["of"] = target
        case "move":
            act |= {"timer": target, "to": "meta.now"}
        case "finish":
            act |= {"target": target, "evidence": "'enough'"}
        case _:
            act["target"] = target
    return act if item is None else act | {"item": item}


def add_updates(draw: Draw, document: Json, given: list[Json]) -> None:
    """Give the root these updates, which may move a time or add to a list beside what they do."""
    updates: list[Json] = []
    timed = [n["name"] for n in _nodes(document) if "within" in n or n["node"] == "sleep"]
    lists = [n["name"] for n in _nodes(document) if n.get("open")]
    for update in given:
        if timed and draw(st.booleans()):
            update["move"] = [{"timer": draw(st.sampled_from(timed)), "to": "meta.now"}]
        if lists and draw(st.booleans()):
            update["add"] = {"to": draw(st.sampled_from(lists)), "items": f"['{update['name']}']"}
        document["updates"] = [*updates, update]
        if _is_sound(document):
            updates.append(update)
        document["updates"] = updates


def _is_sound(document: Json) -> bool:
    d = Document(document)
    report = Report(d.doc)
    check_targets(d, report)
    check_undo_under_locks(d, report)
    return not report.faults()


def _nodes(holder: Json) -> Iterator[Json]:
    for flow in _flows(holder):
        yield from flow


def _flows(holder: Json) -> Iterator[list[Json]]:
    """Every flow below a part, in document order; triggers of races are none."""
    for member in ("flow", "else"):
        if member in holder:
            yield holder[member]
            for node in holder[member]:
                yield from _flows(node)
    for member in ("branches", "on_failure", "handlers", "updates"):
        for part in holder.get(member, ()):
            yield from _flows(part)
