"""The order of locks in all sagas together: none takes them the other way round than another.

Locks belong to the tenant, and to undo they are asked for without a time limit: two sagas that take
them in two orders wait for each other for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sagas.checks.children import is_revoked
from sagas.checks.locks import Pair, locks_around, orders, way_of
from sagas.checks.report import Fault, Report
from sagas.checks.tree import Document, Node

__all__ = ["Find", "Locks", "crossings", "locks_of"]

Json = Any


@dataclass(frozen=True, slots=True)
class Started:
    """A child that its saga waits for, there or to undo it; `around` are the locks held then."""

    saga: str
    version: int | None
    node: str
    around: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Locks:
    """What a definition says of locks: each that it takes, and where one is taken inside another.

    `inside` has the path of the node at which that is; `children` may take some of their own.
    """

    saga: str
    version: int
    taken: frozenset[str]
    inside: Mapping[Pair, str]
    children: tuple[Started, ...]


Find = Callable[[str, int | None], Locks | None]
"""What a saga says of locks, in a version or in its newest; None for one that is not known."""


@dataclass(frozen=True, slots=True)
class _Edge:
    """A lock inside another at a node; `by` is the saga of the child that takes the inner one."""

    outer: str
    inner: str
    node: str
    saga: str
    version: int
    by: str

    def at(self, saga: str) -> str:
        """Its node, as the author of a saga is told of it."""
        return self.node if self.saga == saga else f"{self.node} of {self._named}"

    @property
    def what(self) -> str:
        return f"{self.inner} of child saga {self.by}" if self.by else self.inner

    @property
    def _named(self) -> str:
        return f"{self.saga} version {self.version}"


def locks_of(document: dict[str, Json]) -> Locks:
    """What a document that passed the other checks says of locks."""
    d = Document(document)
    return Locks(
        document["saga"], document["version"],
        frozenset(node.doc["lock"] for node in d.nodes if node.kind == "lock"),
        {pair: node.template for pair, node in orders(d).items()}, tuple(_children(d)),
    )  # fmt: skip


def _children(d: Document) -> Iterator[Started]:
    for node in d.nodes:
        if node.kind == "child" and (node.doc.get("wait", True) or is_revoked(node.doc)):
            yield _started(node, node.template, locks_around(node))
        target = d.by_name.get(node.doc["of"]) if node.kind == "undo" else None
        for inner in (target, *target.inside()) if target is not None else ():
            if inner.kind == "child" and is_revoked(inner.doc):
                yield _started(inner, node.template, locks_around(node))


def _started(child: Node, node: str, around: list[str]) -> Started:
    return Started(child.doc["saga"], child.doc.get("version"), node, tuple(around))


def crossings(document: dict[str, Json], others: Iterable[Locks], find: Find) -> list[Fault]:
    """Faults (def.locks) of a document whose locks lie in a circle with those of other sagas.

    `others` are those in their newest versions. A circle that is there without this document is
    none of its faults.
    """
    new = locks_of(document)
    if not new.taken and not new.children:
        return []

    def found(saga: str, version: int | None) -> Locks | None:
        is_new = saga == new.saga and version in (None, new.version)
        return new if is_new else find(saga, version)

    def found_before(saga: str, version: int | None) -> Locks | None:
        return None if saga == new.saga else find(saga, version)

    others = [one for one in others if one.saga != new.saga]
    own = list(_edges(new, found))
    theirs = [edge for one in others for edge in _edges(one, found)]
    before = {edge for one in others for edge in _edges(one, found_before)}
    all_: dict[Pair, _Edge] = {}
    for edge in (*theirs, *own):
        if edge.outer != edge.inner:
            all_.setdefault((edge.outer, edge.inner), edge)
    circles: list[list[_Edge]] = []
    for edge in (*own, *(edge for edge in theirs if edge not in before)):
        way = [all_[pair] for pair in way_of(all_, edge.inner, edge.outer)]
        if way or edge.outer == edge.inner:
            circles.append([edge, *way])
    return _faults(document, circles)


def _edges(locks: Locks, find: Find) -> Iterator[_Edge]:
    for (outer, inner), node in locks.inside.items():
        yield _Edge(outer, inner, node, locks.saga, locks.version, "")
    for child in locks.children:
        for lock, saga in _taken_by(child, find).items() if child.around else ():
            for outer in child.around:
                yield _Edge(outer, lock, child.node, locks.saga, locks.version, saga)


def _taken_by(child: Started, find: Find) -> dict[str, str]:
    """The locks that a child and its children may take, with the saga that does."""
    taken: dict[str, str] = {}
    todo, seen = [child], {(child.saga, child.version)}
    while todo:
        started = todo.pop()
        found = find(started.saga, started.version)
        if found is None:
            continue
        for lock in sorted(found.taken):
            taken.setdefault(lock, found.saga)
        for inner in found.children:
            if (inner.saga, inner.version) not in seen:
                seen.add((inner.saga, inner.version))
                todo.append(inner)
    return taken


def _faults(document: dict[str, Json], circles: list[list[_Edge]]) -> list[Fault]:
    """A circle is told once: at the node that closes it against the others alone, if one does."""
    saga: str = document["saga"]
    alone = [c for c in circles if all(edge.saga != saga for edge in c[1:])]
    report = Report(document)
    for order, (edge, *way) in enumerate(alone or circles[:1]):
        is_here = edge.saga == saga
        where = "here" if is_here else f"at {edge.at(saga)}"
        node = edge.node if is_here else ""
        if not way:
            text = f"{edge.what} inside itself {where}: the child would wait for its parent"
            do = "take it in the parent or in the child, not in both"
        else:
            ways = ", ".join(f"{e.what} inside {e.outer} at {e.at(saga)}" for e in way)
            text = f"{edge.what} inside {edge.outer} {where}, {ways}"
            names = sorted({n for e in (edge, *way) for n in (e.saga, e.by)} - {saga, ""})
            do = f"take them in the order of {' and '.join(names)}, or first give it up there"
        report.add_at("def.locks", node, order, text, do)
    return report.faults()
