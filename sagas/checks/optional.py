"""Parts that a schema leaves open: declared, and not required, so they need not be there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sagas.cel_env import schema_below, without_null
from sagas.cel_reads import path_text
from sagas.checks.flow import Place
from sagas.checks.paths import promised_by, unasked_of
from sagas.checks.tree import Document, Handler, Node
from sagas.expressions import ExprError, Path, TypeEnv
from sagas.schema import SchemaError, SchemaSet
from sagas.schema_fit import declared

__all__ = ["optional_part", "promised_at"]

Json = Any
_GIVEN: Mapping[str, tuple[str, ...]] = {
    "input": (), "args": (), "result": (), "vars": (), "params": (), "event": ("data",),
    "events": ("data",), "decisions": ("payload",), "each": ("item",),
}  # fmt: skip
"""Where, below each root, the data begins that somebody gave by a schema of the document."""
_YIELDED: Mapping[str, tuple[str, ...]] = {"step": (), "child": (), "task": ("payload",)}


def promised_at(place: Place) -> frozenset[Path]:
    """What the guards around a place promise: of its node, its branches and its handlers.

    Not of vars: they may be set between a guard and what is read behind it.
    """
    guards = list[str]()
    if isinstance(place.handler, Handler) and place.member != "when":
        guards.append(place.handler.doc.get("when", ""))
    if place.node is not None:
        own = place.node.doc.get("when", "") if place.member != "when" else ""
        guards += [own, *_around(place.node)]
        if place.member.startswith("branches.") and place.member.endswith(".out"):
            _, name, _ = place.member.split(".")
            guards += [b.doc.get("when", "") for b in place.node.branches if b.name == name]
    found = (promised_by(guard) for guard in guards if guard)
    return frozenset(path for paths in found for path in paths if path.root != "vars")


def _around(node: Node) -> Iterator[str]:
    flow = node.parent
    while flow is not None:
        if flow.branch is not None:
            yield flow.branch.doc.get("when", "")
        if flow.handler is not None:
            yield flow.handler.doc.get("when", "")
        # A wait's guard is over its event, not over what stands around it.
        yield flow.owner.doc.get("when", "")
        flow = flow.owner.parent


def optional_part(
    d: Document, text: str, path: Path | None, env: TypeEnv, schemas: SchemaSet,
    given: frozenset[Path],
) -> str | None:  # fmt: skip
    """What an expression reads that need not be there, and does not ask for; as its author writes.

    `path`: the expression, where it is one selection; `given`: what guards around it promise. What
    no schema declares is not judged, nor are the variables of macros and the places of a list.
    """
    reads = ((path, frozenset[Path]()),) if path is not None else unasked_of(text)
    for read, sure in reads:
        try:
            for part in _open_parts(d, read, env, schemas):
                if part not in sure and part not in given:
                    return path_text(part)
        except (ExprError, SchemaError):  # told where names and schemas are checked
            continue
    return None


def _open_parts(d: Document, read: Path, env: TypeEnv, schemas: SchemaSet) -> Iterator[Path]:
    """The properties along a path that are not required."""
    begins = _begin(d, read)
    if begins is None or read.steps[: len(begins)] != begins:
        return
    schema = schema_below(env.schema_of(read.root, read.name), begins, schemas)
    for end in range(len(begins), len(read.steps)):
        step = read.steps[end]
        known = without_null(schemas.resolve(schema), schemas)
        if isinstance(step, str) and _may_lack(known, step, schemas):
            yield Path(read.root, read.name, read.steps[: end + 1])
        schema = schema_below(schema, (step,), schemas)


def _may_lack(schema: Mapping[str, Json], step: str, schemas: SchemaSet) -> bool:
    """Whether a property may be missing: it is neither required, nor filled in by a default."""
    if step not in declared(dict(schema)):
        return False
    part, required = declared(dict(schema))[step], schema.get("required")
    has_default = isinstance(part, dict) and "default" in schemas.resolve(part)
    return not has_default and not (isinstance(required, list) and step in required)


def _begin(d: Document, read: Path) -> tuple[str, ...] | None:
    if read.root != "results":
        node = d.by_name.get(read.name or "") if read.root == "events" else None
        collects = node is not None and "collect" in node.doc
        return None if collects else _GIVEN.get(read.root)
    node = d.by_name.get(read.name or "")
    return None if node is None or node.continues else _YIELDED.get(node.kind)
