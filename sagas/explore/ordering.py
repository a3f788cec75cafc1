"""What a document says of the order of undoing: its parallels, and what is undone in one line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Any

__all__ = ["Parallel", "by_time", "closure", "lines", "parallels", "parting", "parts_of"]

Json = Any


@dataclass
class Parallel:
    """The branches of a parallel, by the name that their paths begin with, and what they follow."""

    after: dict[str, set[str]] = field(default_factory=dict[str, set[str]])


def parallels(document: Mapping[str, Json]) -> dict[str, Parallel]:
    """Every parallel of a definition by its path without instance marks."""
    found: dict[str, Parallel] = {}
    _walk(document["flow"], "", found)
    for handler in (*document.get("handlers", ()), *document.get("updates", ())):
        _walk(handler.get("flow", ()), handler["name"], found)
    for clause in document.get("on_failure", ()):
        _walk(clause.get("flow", ()), "", found)
    return found


def _walk(flow: Json, base: str, found: dict[str, Parallel]) -> None:
    for node in flow:
        path = f"{base}/{node['name']}" if base else node["name"]
        branches = node.get("branches", ())
        if node["node"] == "parallel":
            direct = {_name(b): set[str](b.get("after", ())) for b in branches}
            found[path] = Parallel({n: closure(n, direct) for n in direct})
        for branch in branches:
            _walk(branch["flow"], f"{path}/{branch['name']}" if "name" in branch else path, found)
        for inner in (node.get("flow", ()), node.get("else", ())):
            _walk(inner, path, found)
        for clause in node.get("on_failure", ()):
            _walk(clause["flow"], path, found)
        for handler in (*node.get("handlers", ()), *node.get("updates", ())):
            _walk(handler.get("flow", ()), f"{path}/{handler['name']}", found)


def lines(document: Mapping[str, Json]) -> frozenset[str]:
    """Every part that says `undo_order: reverse`, by its path without marks; '' is the root."""
    found: set[str] = set()

    def look(holder: Json, path: str) -> None:
        if "undo_order" in holder:
            found.add(path)
        for node in (*holder.get("flow", ()), *holder.get("else", ())):
            look(node, f"{path}/{node['name']}" if path else node["name"])
        inner = (holder.get(name, ()) for name in ("branches", "handlers", "updates"))
        for part in chain.from_iterable(inner):
            look(part, f"{path}/{part['name']}".lstrip("/") if "name" in part else path)
        for clause in holder.get("on_failure", ()):
            look({"flow": clause["flow"]}, path)

    look(document, "")
    return frozenset(found)


def _name(branch: Json) -> str:
    """A branch without a name is called by its node's."""
    return branch["name"] if "name" in branch else branch["flow"][0]["name"]


def closure(name: str, direct: dict[str, set[str]]) -> set[str]:
    """What a branch or item follows, directly or not."""
    found: set[str] = set()
    for before in direct[name]:
        found |= {before} | closure(before, direct)
    return found


def by_time(parts: Mapping[str, tuple[int, int]]) -> Sequence[Sequence[str]]:
    """The parts in their order, and those of one time together."""
    times: dict[tuple[int, int], list[str]] = {}
    for part, when in parts.items():
        times.setdefault(when, []).append(part)
    return [sorted(times[when]) for when in sorted(times)]


def parting(a: str, b: str) -> tuple[str, str, str]:
    """Where two paths part: the common part, and the next part of each."""
    left, right = parts_of(a), parts_of(b)
    common = 0
    while left[common] == right[common]:
        common += 1
    return (left[common - 1] if common else ""), left[common], right[common]


@lru_cache(maxsize=4_096)
def parts_of(path: str) -> Sequence[str]:
    """All prefixes of a path that are parts: nodes, branches, rounds, and runs as a whole."""
    return tuple(path[: match.start()] for match in re.finditer(r"(?=[/#\[])|$", path))
