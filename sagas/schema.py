"""The JSON Schemas of one definition document: references, validation, sensitivity, fitting."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import jsonschema_rs

from domain.canonical import Json
from sagas.schema_defaults import Filler, defaults_in, filler_of
from sagas.schema_fit import Fit
from sagas.schema_problems import PROBLEMS_MAX, problem_text
from sagas.schema_refs import (
    Schema,
    SchemaError,
    absolute,
    closest,
    inline_name,
    local_definitions,
    refs_in,
    with_refs,
)

__all__ = ["PROBLEMS_MAX", "Schema", "SchemaError", "SchemaSet", "Validator"]


class Validator:
    """One schema, compiled. Made by SchemaSet.validator."""

    __slots__ = ("_compiled",)

    def __init__(self, bundled: Schema) -> None:
        # The linear-time engine: a pattern of a definition cannot stall a lane.
        self._compiled = jsonschema_rs.Draft202012Validator(
            bundled, pattern_options=jsonschema_rs.RegexOptions(), offline=True
        )

    def is_valid(self, value: Json) -> bool:
        """Say whether `value` fits, without reasons."""
        return self._compiled.is_valid(value)

    def check(self, value: Json, root: str = "data") -> list[str]:
        """Return what is wrong with `value`, at most PROBLEMS_MAX lines; empty when it fits.

        Each line has the path (from `root`), what is wanted and what came.
        """
        if self._compiled.is_valid(value):
            return []
        problems: list[str] = []
        for error in self._compiled.iter_errors(value):
            problems.extend(problem_text(error, root))
            if len(problems) >= PROBLEMS_MAX:
                break
        return problems[:PROBLEMS_MAX]


class SchemaSet:
    """Named JSON Schemas (draft 2020-12) that may refer to each other by name.

    `{"$ref": "application.v1"}` means the schema of that name; `#/$defs/X` the definitions of the
    schema it stands in. Schemas written in place may be given to every method.
    """

    __slots__ = ("_by_name", "_fillers", "_validators")

    def __init__(self, schemas: Mapping[str, Json]) -> None:
        """Take the member `schemas` of a document; raises SchemaError."""
        self._by_name: dict[str, Schema] = {}
        self._validators: dict[str, Validator] = {}
        self._fillers: dict[str, Filler | None] = {}
        raw: dict[str, Mapping[str, Json]] = {}
        for name, schema in schemas.items():
            checked = _checked(schema, name)
            raw[name] = checked
            for inner, definition in local_definitions(checked, name).items():
                raw[inner] = _as_object(definition, inner)
        for name, schema in raw.items():
            base = name.partition("#")[0]
            self._by_name[name] = absolute(schema, base, raw.__contains__)
        self._refuse_circles(raw)

    def resolve(self, schema: Json) -> Schema:
        """Return `schema` as an object whose references are absolute, following a `$ref` in it.

        Keywords beside a `$ref` are laid over its target. Raises SchemaError when the name is
        unknown or only leads to itself.
        """
        found = dict(self._prepare(schema))
        seen: set[str] = set()
        while isinstance(ref := found.get("$ref"), str):
            if ref in seen:
                raise SchemaError(f"schema {ref} refers only to itself")
            seen.add(ref)
            target = self.named(ref)
            found = {**target, **found, "$ref": target.get("$ref")}
        found.pop("$ref", None)
        return found

    def named(self, name: str) -> Schema:
        """Return the schema called `name`; raises SchemaError."""
        try:
            return self._by_name[name]
        except KeyError:
            known = [known for known in self._by_name if ":" not in known]
            raise SchemaError(f"there is no schema {name}{closest(name, known)}") from None

    def validator(self, schema: Json) -> Validator:
        """Return the compiled form of `schema`, made once; raises SchemaError."""
        prepared = self._prepare(schema)
        key = _key_of(prepared)
        found = self._validators.get(key)
        if found is None:
            found = self._validators[key] = _compiled(self._bundle(prepared), key)
        return found

    def filler(self, schema: Json) -> Filler | None:
        """Return what fills in the defaults of `schema`, made once; None where it has none.

        Raises SchemaError for defaults without end and for those that are too large.
        """
        prepared = self._prepare(schema)
        key = _key_of(prepared)
        if key not in self._fillers:
            self._fillers[key] = filler_of(prepared, self.resolve)
        return self._fillers[key]

    def wrong_defaults(self, schema: Json, label: str) -> list[str]:
        """Return what is wrong with the defaults written in `schema`; raises SchemaError."""
        problems: list[str] = []
        for path, part in defaults_in(self._text(schema), label):
            problems += self.validator(part).check(part["default"], path)
        self.filler(schema)
        return problems

    def sensitivity(self, schema: Json) -> dict[str, str]:
        """Return the `x-sensitivity` marks inside `schema` by path (`address.street`, `tags[]`).

        The path of a mark on the schema itself is the empty string.
        """
        marks: dict[str, str] = {}
        self._collect_marks(schema, "", marks, frozenset())
        return marks

    def fits(self, giver: Json, wanted: Json) -> str | None:
        """Return why `giver` does not fit `wanted`, or None when it may or cannot be told.

        Reports what is sure: kinds without overlap, a wanted property that the giver does not
        declare, closed sets of values without overlap. An integer fits a number.
        """
        return Fit(self.resolve).misfit(giver, wanted)

    def _prepare(self, schema: Json) -> Schema:
        if schema is True:
            return {}
        if schema is False:
            return {"not": {}}
        given = _as_object(schema, "written in place")
        refs = list(refs_in(given))
        if all(ref in self._by_name for ref in refs):
            return given
        if not any(ref.startswith("#") for ref in refs):
            unknown = next(ref for ref in refs if ref not in self._by_name)
            self.named(unknown)
        return self._keep_inline(given)

    def _text(self, schema: Json) -> Schema:
        """Return what is written of a schema, with absolute references; they are not followed."""
        prepared = self._prepare(schema)
        return self.named(str(prepared["$ref"])) if set(prepared) == {"$ref"} else prepared

    def _keep_inline(self, given: Schema) -> Schema:
        name = inline_name(given)
        if name not in self._by_name:
            checked = _checked(given, name)
            inner = local_definitions(checked, name)
            names = {name, *inner, *self._by_name}
            kept = {key: _as_object(value, key) for key, value in inner.items()}
            kept[name] = checked
            for key, value in kept.items():
                self._by_name[key] = absolute(value, name, names.__contains__)
            self._refuse_circles(kept)
        return self._by_name[name]

    def _refuse_circles(self, names: Iterable[str]) -> None:
        """Raise SchemaError for a name that leads to nothing but itself: it describes no value."""
        for name in names:
            self.resolve(self._by_name[name])

    def _bundle(self, prepared: Schema) -> Schema:
        """Return one self-contained schema: everything reachable moves into its `$defs`."""
        keys: dict[str, str] = {}
        waiting = list(refs_in(prepared))
        while waiting:
            ref = waiting.pop()
            if ref not in keys:
                keys[ref] = f"d{len(keys)}"
                waiting.extend(refs_in(self.named(ref)))

        def local(ref: str) -> str:
            return f"#/$defs/{keys[ref]}"

        def moved(schema: Schema) -> Schema:
            bare = {key: value for key, value in schema.items() if key != "$defs"}
            return _as_object(with_refs(bare, local), "bundle")

        # A definition may be referred to although its own `$defs` are dropped: all are in `keys`.
        return {**moved(prepared), "$defs": {keys[ref]: moved(self.named(ref)) for ref in keys}}

    def _collect_marks(
        self, schema: Json, path: str, marks: dict[str, str], above: frozenset[str]
    ) -> None:
        prepared = self._prepare(schema)
        ref = prepared.get("$ref")
        if isinstance(ref, str):
            if ref in above:
                return
            above |= {ref}
        found = self.resolve(prepared)
        mark = found.get("x-sensitivity")
        if isinstance(mark, str):
            marks.setdefault(path, mark)
        for step, inner in _children(found):
            dotted = f".{step}" if path and step not in ("", "[]") else step
            self._collect_marks(inner, path + dotted, marks, above)


def _children(schema: Schema) -> list[tuple[str, Json]]:
    children: list[tuple[str, Json]] = []
    properties = schema.get("properties")
    if isinstance(properties, dict):
        children.extend(properties.items())
    for keyword, step in (("items", "[]"), ("additionalProperties", "*")):
        inner = schema.get(keyword)
        if isinstance(inner, dict):
            children.append((step, inner))
    for keyword in ("anyOf", "oneOf", "allOf"):
        choices = schema.get(keyword)
        if isinstance(choices, list):
            children.extend(("", choice) for choice in choices)
    return children


def _key_of(prepared: Schema) -> str:
    return str(prepared["$ref"]) if set(prepared) == {"$ref"} else inline_name(prepared)


def _as_object(schema: Json, name: str) -> Schema:
    if isinstance(schema, bool):
        return {} if schema else {"not": {}}
    if not isinstance(schema, dict):
        raise SchemaError(f"schema {name} must be an object, got {schema!r}")
    return schema


def _checked(schema: Json, name: str) -> Schema:
    found = _as_object(schema, name)
    try:
        jsonschema_rs.meta.validate(
            {"$schema": "https://json-schema.org/draft/2020-12/schema"} | found
        )
    except (jsonschema_rs.ValidationError, ValueError) as error:
        raise SchemaError(f"schema {name} is not a JSON Schema: {_first_line(error)}") from error
    return found


def _compiled(bundled: Schema, name: str) -> Validator:
    try:
        return Validator(bundled)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        raise SchemaError(f"schema {name} does not compile: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
