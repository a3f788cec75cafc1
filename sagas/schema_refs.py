"""References between the JSON Schemas of one definition document.

Inside, every reference is absolute: the name of a schema of the document, or `name#/$defs/X`.
A schema written in place that has definitions of its own gets a name made from its content.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias, cast

from domain.canonical import CanonicalError, Json, digest

__all__ = [
    "SCHEMA_DEPTH_MAX",
    "Schema",
    "SchemaError",
    "absolute",
    "closest",
    "inline_name",
    "local_definitions",
    "members_of",
    "refs_in",
    "with_refs",
]

Schema: TypeAlias = dict[str, Json]

SCHEMA_DEPTH_MAX = 64
"""Schemas inside each other in one text; deeper ones are refused."""

_SUBSCHEMA = frozenset(
    [
        "additionalProperties",
        "items",
        "not",
        "if",
        "then",
        "else",
        "contains",
        "propertyNames",
        "unevaluatedItems",
        "unevaluatedProperties",
        "contentSchema",
    ]
)
_SUBSCHEMA_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_SUBSCHEMA_MAPS = frozenset({"properties", "patternProperties", "$defs", "dependentSchemas"})
_REFUSED = frozenset({"$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef"})
_LOCAL_REF = re.compile(r"#(/\$defs/[^/]+)?")


class SchemaError(ValueError):
    """A schema of the document is not usable; the message names it and says why."""


def with_refs(schema: Json, change: Callable[[str], str], depth: int = 0) -> Json:
    """Return a copy of `schema` in which `change` was applied to every reference.

    Values of `const`, `enum`, `default` and the like are data and stay as they are.
    """
    if not isinstance(schema, dict):
        return schema
    if depth > SCHEMA_DEPTH_MAX:
        raise SchemaError(f"schemas are nested deeper than {SCHEMA_DEPTH_MAX} levels")
    copy: Schema = {}
    for keyword, value in schema.items():
        if keyword == "$ref":
            copy[keyword] = change(_text(value))
        elif keyword in _SUBSCHEMA:
            copy[keyword] = with_refs(value, change, depth + 1)
        elif keyword in _SUBSCHEMA_LISTS and isinstance(value, list):
            copy[keyword] = [with_refs(item, change, depth + 1) for item in value]
        elif keyword in _SUBSCHEMA_MAPS and isinstance(value, dict):
            copy[keyword] = {
                name: with_refs(item, change, depth + 1) for name, item in value.items()
            }
        elif keyword in _REFUSED:
            raise SchemaError(f"{keyword} is not supported: refer to a schema by its name")
        else:
            copy[keyword] = value
    return copy


def members_of(schema: Schema) -> Iterator[tuple[str, Json]]:
    """Yield the schemas right inside `schema`, each with the name of its part of the data.

    The name is `[]` for items, and empty where it describes the very same data.
    """
    for keyword, value in schema.items():
        if keyword in _SUBSCHEMA:
            yield "[]" if keyword in ("items", "contains") else "", value
        elif keyword in _SUBSCHEMA_LISTS and isinstance(value, list):
            yield from (("[]" if keyword == "prefixItems" else "", item) for item in value)
        elif keyword in _SUBSCHEMA_MAPS and isinstance(value, dict):
            yield from (("" if keyword == "dependentSchemas" else n, v) for n, v in value.items())


def refs_in(schema: Json) -> Iterator[str]:
    """Yield every reference that stands in `schema`."""
    found: list[str] = []

    def note(ref: str) -> str:
        found.append(ref)
        return ref

    with_refs(schema, note)
    yield from found


def absolute(schema: Mapping[str, Json], name: str, known: Callable[[str], bool]) -> Schema:
    """Return `schema`, which is called `name`, with absolute references.

    Raises SchemaError for a reference to nothing: `known` says which names there are.
    """

    def change(ref: str) -> str:
        target = ref
        if ref.startswith("#"):
            if not _LOCAL_REF.fullmatch(ref):
                raise SchemaError(f"schema {name}: {ref} is not supported, only # and #/$defs/X")
            target = name if ref == "#" else name + ref
        if not known(target):
            raise SchemaError(f"schema {name}: there is no schema {ref}")
        return target

    return cast(Schema, with_refs(dict(schema), change))


def local_definitions(schema: Mapping[str, Json], name: str) -> dict[str, Json]:
    """Return the definitions inside `schema` by their absolute names."""
    definitions = schema.get("$defs")
    if not isinstance(definitions, dict):
        return {}
    return {f"{name}#/$defs/{key}": value for key, value in definitions.items()}


def inline_name(schema: Mapping[str, Json]) -> str:
    """Return the name by which a schema written in place is kept."""
    try:
        return f"inline:{digest('troth.schema.v1', dict(schema))[:16]}"
    except CanonicalError as error:
        raise SchemaError(f"a schema is not JSON: {error}") from error


def closest(name: str, names: Mapping[str, object] | list[str]) -> str:
    """Return `; other?` with the name most like `name`, or nothing."""
    found = difflib.get_close_matches(name, list(names), n=1)
    return f"; {found[0]}?" if found else ""


def _text(ref: Json) -> str:
    if not isinstance(ref, str):
        raise SchemaError(f"$ref must be a string, got {ref!r}")
    return ref
