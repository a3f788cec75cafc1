"""Parts that a schema leaves open: declared, and not required, so they need not be there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sagas.cel_env import schema_below, without_null
from sagas.cel_reads import path_text
from sagas.checks.paths import unasked_of
from sagas.checks.tree import Document
from sagas.expressions import ExprError, Path, TypeEnv
from sagas.schema import SchemaError, SchemaSet
from sagas.schema_fit import declared

__all__ = ["optional_part"]

Json = Any
_GIVEN: Mapping[str, tuple[str, ...]] = {
    "input": (), "args": (), "result": (), "vars": (), "params": (), "event": ("data",),
    "events": ("data",), "decisions": ("payload",), "each": ("item",),
}  # fmt: skip
"""Where, below each root, the data begins that somebody gave by a schema of the document."""
_YIELDED: Mapping[str, tuple[str, ...]] = {"step": (), "child": (), "task": ("payload",)}


def optional_part(
    d: Document, text: str, path: Path | None, env: TypeEnv, schemas: SchemaSet
) -> str | None:
    """What an expression reads that need not be there, and does not ask for; as its author writes.

    `path`: the expression, where it is one selection. What no schema declares is not judged, nor
    are the variables of macros and the places of a list.
    """
    reads = ((path, frozenset[Path]()),) if path is not None else unasked_of(text)
    for read, sure in reads:
        try:
            for part in _open_parts(d, read, env, schemas):
                if part not in sure:
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
