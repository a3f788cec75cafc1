"""Confidential data: what is marked S2 or S3 goes to no other participant without a review.

Data is followed by what expressions read: fields marked `x-sensitivity`, whole results of S2 and
S3 contracts, and what vars, outs and edited subjects took from them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from domain.canonical import canonical
from sagas.cel_reads import path_text
from sagas.checks.facts import NOTHING
from sagas.checks.flow import Place, Walk
from sagas.checks.paths import selections_of
from sagas.checks.report import Report
from sagas.checks.tree import Document, Node, objects
from sagas.checks.visibility import events_at
from sagas.expressions import Expr, Path
from sagas.schema import SchemaSet

__all__ = ["check_data"]

Json = Any
_SECRET = frozenset({"S2", "S3"})
_STEP = re.compile(r"\[\]|[^.\[]+")
# Data goes round through vars and outs; each turn adds something, or it is the last.
TURNS_MAX = 16


@dataclass(frozen=True, slots=True)
class _Secret:
    """Marked data: its class, the participant it comes from (None: from outside), where it is."""

    level: str
    origin: str | None
    text: str


def check_data(
    d: Document, found: Walk, exprs: Mapping[tuple[Node, str], Expr], schemas: SchemaSet,
    report: Report,
) -> None:  # fmt: skip
    """Add arguments that take S2 or S3 data to a participant whose contract names no review."""
    marked = b'"x-sensitivity"' in canonical(d.doc)
    if not marked and not any(c.s in _SECRET for c in d.contracts.values()):
        return
    places = [p for p in found.places if p.node is not None and (p.node, p.member) in exprs]
    known = _Secrets(d, schemas, exprs)
    known.follow(places)
    for place in places:
        step = place.node
        assert step is not None
        if step.kind == "child" and place.member == "input":
            _of_child(step, schemas, known.in_place(place), report)
        contract = step.undo if place.member.startswith("undo.") else step.contract
        if place.member.split(".")[0] not in ("args", "undo") or contract is None:
            continue
        if contract.doc.get("review") is not None:
            continue
        for secret in known.in_place(place):
            if secret.origin != contract.participant:
                text = (
                    f"{step.name}: {secret.level} {secret.text} goes to"
                    f" {contract.participant} without a policy review"
                )
                report.add("def.data_flow", step, text)


def _of_child(child: Node, schemas: SchemaSet, secrets: Iterable[_Secret], report: Report) -> None:
    """What goes to a child keeps its marks: from there the rules of its own saga follow it."""
    marks = schemas.sensitivity(child.doc.get("takes", {})).values()
    for secret in secrets:
        if not any(mark >= secret.level for mark in marks):
            text = f"{child.name}: {secret.level} {secret.text} goes to saga {child.doc['saga']}"
            do = "mark it in takes, and in the input of that saga, with x-sensitivity"
            report.add("def.data_flow", child, f"{text}, whose input does not mark it", do)


class _Secrets:
    """Which secrets each name holds."""

    def __init__(
        self, d: Document, schemas: SchemaSet, exprs: Mapping[tuple[Node, str], Expr]
    ) -> None:
        self._d = d
        self._exprs = exprs
        self._schemas = schemas
        self._held: dict[tuple[str, str], frozenset[_Secret]] = {}
        self._marks: dict[tuple[str, str], dict[str, str]] = {}

    def follow(self, places: Iterable[Place]) -> None:
        """Follow data through vars, outs and subjects until nothing is added."""
        carrying = [(place, held) for place in places if (held := _held_by(place)) is not None]
        for _ in range(TURNS_MAX):
            before = dict(self._held)
            for place, held in carrying:
                known = self._held.get(held, frozenset[_Secret]())
                self._held[held] = known | frozenset(self.in_place(place))
            if before == self._held:
                return

    def in_place(self, place: Place) -> Iterator[_Secret]:
        """The secrets that the expression of a place reads, each once."""
        told: set[tuple[str, str | None]] = set()
        assert place.node is not None
        expr = self._exprs[place.node, place.member]
        for path in (expr.path,) if expr.path is not None else selections_of(place.text).read:
            for secret in self._read(place, path):
                if (secret.level, secret.origin) not in told:
                    told.add((secret.level, secret.origin))
                    yield secret

    def _read(self, place: Place, path: Path) -> Iterator[_Secret]:
        name = path.name or ""
        if path.root == "each":
            if path.steps[:1] not in ((), ("item",)):
                return  # the key or the index
            copied = self._copied(path)
            if copied is not None:
                for secret in self._read(copied[0], copied[1]):
                    yield replace(secret, text=path_text(path))
                return
        text = path_text(path)
        node = self._d.by_name.get(name)
        if path.root == "result" and place.node is not None:
            node = place.node
        steps = path.steps
        origin: str | None = None
        if path.root in ("result", "results") and node is not None and node.kind == "step":
            contract = node.contract
            if contract is None:
                return
            origin = contract.participant
            if contract.s in _SECRET:
                yield _Secret(contract.s or "", origin, text)
        yield from self._held.get((path.root, name), ())
        for mark, level in self._marked(place, path, node).items():
            if level in _SECRET and _touches(steps, mark):
                below = "" if not mark or _touches_whole(steps, mark) else f" ({mark})"
                yield _Secret(level, origin, text + below)

    def _copied(self, path: Path) -> tuple[Place, Path] | None:
        """Where an item was copied from: `each.parties.item.name` is `input.parties[0].name`."""
        node = self._d.by_name.get(path.name or "")
        if node is None or node.doc.get("open"):
            return None
        expr = self._exprs.get((node, "items"))
        if expr is None or expr.path is None:
            return None
        source = replace(expr.path, steps=(*expr.path.steps, 0, *path.steps[1:]))
        return Place(node, None, "items", "", NOTHING, node.order, node.parent), source

    def _marked(self, place: Place, path: Path, node: Node | None) -> dict[str, str]:
        """The marks of the schema of what is read, by path from there."""
        if path.root == "event":
            key = ("event", ",".join(events_at(place) or []))
        else:
            key = (path.root, node.name if node is not None else path.name or "")
        found = self._marks.get(key)
        if found is None:
            found = self._marks[key] = dict(self._schema_marks(place, path, node))
        return found

    def _schema_marks(
        self, place: Place, path: Path, node: Node | None
    ) -> Iterator[tuple[str, str]]:
        doc, name = self._d.doc, path.name or ""
        prefix, schemas = "", list[Json]()
        match path.root:
            case "input":
                schemas = [doc["input"]]
            case "vars" | "params":
                schemas = [objects(doc, path.root)[name]["schema"]]
            case "event":
                prefix, schemas = "data", self._of_events(events_at(place) or [])
            case "events" if node is not None and node.kind == "wait_for":
                prefix, schemas = "data", self._of_events(node.doc["events"])
                prefix = "[].data" if "collect" in node.doc else prefix
            case "decisions" if node is not None and "edit" in node.doc:
                prefix, schemas = "payload", [node.doc["edit"]]
            case "results" if node is not None and "form" in node.doc:
                prefix, schemas = "payload", [node.doc["form"]]
            case "result" | "results" if node is not None and node.contract is not None:
                schemas = [node.contract.doc["result"]]
            case "result" | "results" if node is not None and node.kind == "child":
                schemas = [node.doc.get("result", {})]
            case _:
                pass
        for schema in schemas:
            for mark, level in self._schemas.sensitivity(schema).items():
                yield ".".join(part for part in (prefix, mark) if part), level

    def _of_events(self, types: Iterable[str]) -> list[Json]:
        return [self._d.events[type_]["schema"] for type_ in types if type_ in self._d.events]


def _held_by(place: Place) -> tuple[str, str] | None:
    """The name that takes the value of this expression, if one does."""
    assert place.node is not None
    head, _, rest = place.member.partition(".")
    if head == "values":
        return ("vars", rest)
    if head == "subject":
        return ("decisions", place.node.name)
    if head == "items":
        list_ = place.node.doc["to"] if place.node.kind == "add" else place.node.name
        return ("each", list_)
    if place.member == "out" or (head == "branches" and rest.endswith(".out")):
        return ("results", place.node.name)
    return None


def _touches(steps: tuple[str | int, ...], mark: str) -> bool:
    """Whether reading `steps` gives the marked part: it, something in it, or what it is in."""
    parts = _STEP.findall(mark)
    return all(
        part in ("*", step) or (part == "[]" and isinstance(step, int))
        for step, part in zip(steps, parts, strict=False)
    )


def _touches_whole(steps: tuple[str | int, ...], mark: str) -> bool:
    return len(steps) >= len(_STEP.findall(mark))
