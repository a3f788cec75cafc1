"""Every run of a definition, tried on the real `decide`: what holds for all, or one that breaks.

A run is a start and then any of the things that may happen, in any order: each outcome of each
step (done with every value that decides something, failed with each declared code, failed for now,
unknown, no reply, never started), each decision, each event or none, each time that may pass, and a
cancel at each point. States with the same future are looked at once (`alike`); what may be left out
without losing a run that matters is said in `search`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any, cast

from sagas.explore.moves import Bounds
from sagas.explore.samples import Samples
from sagas.explore.search import Result, search
from sagas.explore.story import as_lines, as_mermaid
from sagas.loading import load

__all__ = [
    "LEFT",
    "NARROW",
    "WIDE",
    "WIDENED",
    "Bounds",
    "Result",
    "Samples",
    "as_lines",
    "as_mermaid",
    "bounded",
    "explore",
]

Json = Any
NARROW = Bounds(attempts=1, rounds=1, beside=1, items=1, collected=1, retried_debts=0, values=3)
"""Explored first: each thing once."""
WIDE = Bounds()
"""Explored last: what may happen twice, twice."""
WIDENED = ("attempts", "rounds", "beside", "values", "collected", "retried_debts", "items")
"""In between each of these alone, where a run came to it: one kind of thing twice."""

LEFT = "and more were left"
"""The end of what is said of bounds that were not looked at to the end."""


def explore(
    document: Mapping[str, Json], bounds: Bounds | None = None,
    *, over: Callable[[], bool] = lambda: False, is_reduced: bool = True,
) -> Result:  # fmt: skip
    """Explore a definition document that passed the checks.

    Without `bounds` within narrow ones: what of this is not looked at is `cut`. Then, as far as
    `over` lets it, with each of them widened alone and with all of them widened; `reached` says how
    far that came. Not `is_reduced`, each state counts for itself, which takes long; nothing else
    may be found by it, as tests show.
    """
    if bounds is not None:
        return _within(document, bounds, over, is_reduced=is_reduced)
    found = narrow = _within(document, NARROW, over)
    if narrow.broken is not None or not narrow.is_complete:
        return narrow
    several = [name for name in WIDENED if any(_is_about(t, name) for t in narrow.reached)]
    for name in several:
        wider = replace(NARROW, **{name: getattr(WIDE, name)})
        found = _with(found, _within(document, wider, over), name)
        if found.broken is not None:
            return found
    if len(several) < 2:
        return found
    wide = _within(document, WIDE, over)
    if wide.broken is not None or wide.is_complete:
        return replace(wide, states=found.states + wide.states, moves=found.moves + wide.moves)
    names = ", ".join(several)
    text = f"one of {names} is widened, not several: {wide.states:,} states, {LEFT}"
    return _sum(found, wide, [*found.reached, text])


def _with(found: Result, wider: Result, name: str) -> Result:
    """What is known when one bound was widened alone."""
    if wider.broken is not None:
        return replace(wider, states=found.states + wider.states, moves=found.moves + wider.moves)
    if not wider.is_complete:
        text = f"{name}={getattr(WIDE, name)}, all else narrow: {wider.states:,} states, {LEFT}"
        return _sum(found, wider, [*found.reached, text])
    kept = [text for text in found.reached if not _is_about(text, name)]
    return _sum(found, wider, [*(t for t in wider.reached if _is_about(t, name)), *kept])


def _sum(found: Result, more: Result, reached: list[str]) -> Result:
    return replace(
        found, states=found.states + more.states, moves=found.moves + more.moves,
        ends={**more.ends, **found.ends}, waits=found.waits | more.waits, reached=reached,
    )  # fmt: skip


def _is_about(text: str, name: str) -> bool:
    return text.endswith(f"({name})")


def _within(
    document: Mapping[str, Json], bounds: Bounds, over: Callable[[], bool], *,
    is_reduced: bool = True,
) -> Result:  # fmt: skip
    limited, reached = bounded(document, bounds)
    d = load(limited, "0" * 64)
    samples = Samples(d, bounds.items, bounds.values)
    result = search(d, samples, bounds, over=over, is_reduced=is_reduced)
    result.reached = [*reached, *sorted(result.reached)]
    if samples.is_shortened:
        result.reached.append(f"items of a list in the data: {bounds.items} (items)")
    result.reached += [f"{what}: {bounds.values} (values)" for what in sorted(samples.cut)]
    result.cut += [f"{what}: no value was found for it" for what in sorted(samples.none)]
    return result


def bounded(document: Mapping[str, Json], bounds: Bounds) -> tuple[dict[str, Json], list[str]]:
    """The document with as many attempts and rounds as are explored, and what that leaves out."""
    made = deepcopy(dict(document))
    reached: list[str] = []

    def walk(value: Json) -> None:
        if isinstance(value, list):
            for one in cast(list[Json], value):
                walk(one)
        elif isinstance(value, dict):
            node = cast(dict[str, Json], value)
            _limit(node, bounds, reached)
            for name, one in node.items():
                if name not in ("schemas", "contracts", "events", "source"):
                    walk(one)

    walk(made)
    return made, list(dict.fromkeys(reached))


def _limit(node: dict[str, Json], bounds: Bounds, reached: list[str]) -> None:
    kind = node.get("node")
    if kind == "step":
        node["retry"] = _attempts(node, bounds, reached)
    if kind in ("step", "child") and node.get("undo"):
        node["undo"] = {**node["undo"], "retry": _attempts(node["undo"], bounds, reached)}
    if kind == "repeat" and node.get("max", 0) > bounds.rounds:
        reached.append(f"rounds of {node['name']}: {bounds.rounds} of {node['max']:,} (rounds)")
        node["max"] = bounds.rounds


def _attempts(given: Mapping[str, Json], bounds: Bounds, reached: list[str]) -> Json:
    retry = dict(given.get("retry") or {})
    if retry.get("attempts", bounds.attempts + 1) > bounds.attempts:
        reached.append(f"attempts of each step and undo: {bounds.attempts} (attempts)")
        retry["attempts"] = bounds.attempts
    return retry
