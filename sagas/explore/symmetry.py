"""What is interchangeable in a definition, and the one form that all its permutations are given.

Branches of a parallel that are the same but for their names, and items of a list whose definition
reads neither their place nor an order nor names one of them, are interchangeable: a permutation of
them maps every run to a run. The text of a state is a set of lines, and a permutation renames words
in them. Each branch or item is told by its own lines, in which its names are put in one form and
those of the others in another; in the order of these tellings they are renamed. Two that are told
alike keep their places, which may lose a merge and never a state: equal texts are always of states
that a permutation makes equal. So of the states that differ only in *which* branch is how far, one
is looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from domain.commitment import Commitment
from domain.state import template_of
from sagas.definition import Definition, Node
from sagas.explore.samples import ITEMS

__all__ = ["Symmetry"]

Json = Any
Group = Sequence[Sequence[str]]
WIDTH_MIN = 2 * ITEMS
"""A list that is narrower lets some of its items wait, in an order."""


class Symmetry:
    """What is interchangeable in one definition."""

    def __init__(self, d: Definition) -> None:
        self._branches: list[Group] = []
        self._blocks: set[str] = set()
        for template, group in _equal_branches(d.root):
            self._branches.append(group)
            self._blocks.add(template)
        lists = [n for n in d.by_name.values() if n.kind == "for_each" and _unordered(d, n)]
        self._lists = {node.name: node.template for node in lists}
        self._blocks |= set(self._lists.values())
        self._fixed = _fixed(d.document) if lists else frozenset[str]()
        self.is_there = bool(self._blocks)

    def is_block(self, path: str) -> bool:
        """Whether what is inside this block is interchangeable."""
        return self.is_there and template_of(path) in self._blocks

    def item(self, name: str, item: Json) -> Json:
        """What is known of an item: not its place, where nothing reads that."""
        if name not in self._lists:
            return item
        return {"item": item["item"], "key": item["key"]}

    def renamed(self, c: Commitment, lines: list[str]) -> list[str]:
        """The lines, with what is interchangeable in the order of what is told of each."""
        names: dict[str, str] = {}
        for group in (*self._branches, *self._items(c)):
            order = sorted(range(len(group)), key=lambda i: _told(group, i, lines))
            for index, member in enumerate(order):
                names |= dict(zip(group[member], group[index], strict=True))
        moved = {old: new for old, new in names.items() if old != new}
        if not moved:
            return lines
        pattern = _pattern(tuple(moved))
        return pattern.sub(lambda found: moved[found[0]], "\n".join(lines)).split("\n")

    def _items(self, c: Commitment) -> Iterator[Group]:
        """The keys of the items that are open; lists that share keys are one group."""
        groups: list[set[str]] = []
        for template in self._lists.values():
            start = f"{template}["
            inside = (*c.nodes, *c.frames, *c.entries)
            keys = {p[len(start) :].partition("]")[0] for p in inside if p.startswith(start)}
            for other in [one for one in groups if one & keys]:
                groups.remove(other)
                keys |= other
            groups.append(keys)
        for keys in groups:
            if len(keys) > 1 and not keys & self._fixed:
                yield [[key] for key in sorted(keys)]


def _told(group: Group, index: int, lines: Sequence[str]) -> list[str]:
    """The lines of one branch or item: its names and those of the others each in one form."""
    own, places = _forms(tuple(tuple(names) for names in group))[index]
    every = _pattern(tuple(places))
    return sorted(
        every.sub(lambda found: places[found[0]], line)
        for line in lines
        if any(name in line for name in group[index]) and own.search(line)
    )


@lru_cache(maxsize=4_096)
def _forms(
    group: tuple[tuple[str, ...], ...]
) -> list[tuple[re.Pattern[str], dict[str, str]]]:  # fmt: skip
    found: list[tuple[re.Pattern[str], dict[str, str]]] = []
    for member in group:
        places = {name: f"?{i}" for names in group for i, name in enumerate(names)}
        places |= {name: f"!{i}" for i, name in enumerate(member)}
        found.append((_pattern(member), places))
    return found


@lru_cache(maxsize=4_096)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, words))})\b")


# --- what is interchangeable -----------------------------------------------------------------


def _equal_branches(block: Node) -> Iterator[tuple[str, Group]]:
    """Groups of branches that are the same but for names: each with its names in order.

    What another expression reads by name is not interchangeable, nor are branches in an order.
    """
    for flow in block.flows():
        for node in flow.nodes:
            if node.kind == "parallel" and "undo_order" not in node.doc:
                yield from ((node.template, group) for group in _groups_of(node))
            yield from _equal_branches(node)


def _groups_of(node: Node) -> Iterator[Group]:
    shapes: dict[str, list[list[str]]] = {}
    outside = json.dumps({k: v for k, v in node.doc.items() if k != "branches"})
    for branch, doc in zip(node.branches, node.doc["branches"], strict=True):
        if "after" in doc or any(branch.name in b.after for b in node.branches):
            continue
        names = [branch.name, *(n.name for n in _inside(branch.flow.nodes))]
        unique = list(dict.fromkeys(names))
        numbers = {name: f"name{index}" for index, name in enumerate(unique)}
        shape = _pattern(tuple(numbers)).sub(
            lambda found, to=numbers: to[found[0]], json.dumps(doc, sort_keys=True)
        )
        shapes.setdefault(shape, []).append(unique)
    for group in shapes.values():
        read = {name for names in group for name in names}
        if len(group) > 1 and not any(re.search(rf"\b{re.escape(n)}\b", outside) for n in read):
            yield group


def _inside(nodes: Sequence[Node]) -> Iterator[Node]:
    for node in nodes:
        yield node
        for flow in node.flows():
            yield from _inside(flow.nodes)


def _unordered(d: Definition, node: Node) -> bool:
    """Whether no item knows its place: no index is read, none waits for another, all begin."""
    text = json.dumps(d.document["flow"])
    reads = f"each.{node.name}.index" in text or f"results.{node.name}.done[" in text
    limited = node.doc.get("width", WIDTH_MIN) < WIDTH_MIN or "after" in node.doc
    return not reads and not limited


def _fixed(document: Json) -> frozenset[str]:
    """Words of a definition, but for those that list items: such an item is not like others."""
    found: set[str] = set()

    def walk(value: Json) -> None:
        if isinstance(value, str):
            found.update(re.findall(r"\w+", value))
        elif isinstance(value, list):
            for one in cast(list[Json], value):
                walk(one)
        elif isinstance(value, dict):
            for name, one in cast(Mapping[str, Json], value).items():
                if name not in ("items", "schemas", "contracts", "source"):
                    walk(one)

    walk(document)
    return frozenset(found)
