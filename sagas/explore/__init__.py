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
from typing import Any, cast

from sagas.definition import Handler
from sagas.explore.moves import Bounds
from sagas.explore.samples import Samples
from sagas.explore.search import Result, search
from sagas.explore.story import as_lines, as_mermaid
from sagas.loading import load

__all__ = [
    "NARROW",
    "WIDE",
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
"""Explored then: what may happen twice, twice."""


def explore(
    document: Mapping[str, Json], bounds: Bounds | None = None,
    *, over: Callable[[], bool] = lambda: False, is_reduced: bool = True,
) -> Result:  # fmt: skip
    """Explore a definition document that passed the checks.

    Without `bounds` first within narrow ones, which is quick, then within wider ones as far as
    `over` lets it: the result says the widest that were explored to the end. Not `is_reduced`, each
    state counts for itself, which takes long; nothing else may be found by it, as tests show.
    """
    if bounds is not None:
        return _within(document, bounds, over, is_reduced=is_reduced)
    narrow = _within(document, NARROW, over)
    if narrow.broken is not None or not narrow.is_complete:
        return narrow
    wide = _within(document, WIDE, over)
    wide.states, wide.moves = wide.states + narrow.states, wide.moves + narrow.moves
    if wide.broken is not None or wide.is_complete:
        return wide
    narrow.states, narrow.moves = wide.states, wide.moves
    narrow.cut += [f"beyond the bounds below {text}" for text in wide.cut]
    return narrow


def _within(
    document: Mapping[str, Json], bounds: Bounds, over: Callable[[], bool], *,
    is_reduced: bool = True,
) -> Result:  # fmt: skip
    limited, reached = bounded(document, bounds)
    d = load(limited, "0" * 64)
    beside = sum(isinstance(one, Handler) and not one.interrupt for one in d.by_template.values())
    if beside > bounds.beside:
        reached.append(f"handlers and updates: {bounds.beside} runs of all {beside}")
    samples = Samples(d, bounds.items, bounds.values)
    result = search(d, samples, bounds, over=over, is_reduced=is_reduced)
    result.reached += reached
    result.reached += [
        f"{what}: only some of its values were tried" for what in sorted(samples.cut)
    ]
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
        reached.append(f"rounds of {node['name']}: {bounds.rounds} of {node['max']:,}")
        node["max"] = bounds.rounds


def _attempts(given: Mapping[str, Json], bounds: Bounds, reached: list[str]) -> Json:
    retry = dict(given.get("retry") or {})
    if retry.get("attempts", bounds.attempts + 1) > bounds.attempts:
        reached.append(f"attempts: {bounds.attempts} of each step and undo")
        retry["attempts"] = bounds.attempts
    return retry
