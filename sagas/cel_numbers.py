"""Numbers in the kind their schema says: JSON writes 2 for 2.0, and expressions tell them apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, cast

from domain.canonical import Json
from sagas.schema import Schema, SchemaSet
from sagas.schema_fit import declared, kinds_of

__all__ = ["Coercer", "coercer_of"]

Coercer: TypeAlias = Callable[[object], object]


def coercer_of(schema: Json, schemas: SchemaSet) -> Coercer | None:
    """Return what turns the numbers of a fitting value into float or int as `schema` says.

    None when the schema has no number at all. Where it leaves the kind open, numbers stay.
    """
    return _Builder(schemas).build(schema)


class _Builder:
    """Builds one coercer; a schema that contains itself leads to the same coercer again."""

    def __init__(self, schemas: SchemaSet) -> None:
        self._schemas = schemas
        self._by_ref: dict[str, Coercer | None] = {}

    def build(self, schema: Json) -> Coercer | None:
        ref = schema.get("$ref") if isinstance(schema, dict) else None
        if not isinstance(ref, str):
            return self._of_resolved(self._schemas.resolve(schema))
        if ref in self._by_ref:
            return lambda value: self._again(ref, value)
        self._by_ref[ref] = None
        built = self._by_ref[ref] = self._of_resolved(self._schemas.resolve(schema))
        return built

    def _again(self, ref: str, value: object) -> object:
        coerce = self._by_ref[ref]
        return value if coerce is None else coerce(value)

    def _of_resolved(self, schema: Schema) -> Coercer | None:
        for keyword in ("anyOf", "oneOf", "allOf"):
            choices = schema.get(keyword)
            if isinstance(choices, list):
                rest = [item for item in choices if not self._is_null(item)]
                return _nullable(self.build(rest[0])) if len(rest) == 1 else None
        kinds = kinds_of(schema, self._schemas.resolve) - {"null"}
        if kinds == frozenset({"number"}):
            return _to_float
        if kinds == frozenset({"integer"}):
            return _to_int
        if kinds == frozenset({"array"}):
            return _of_list(self.build(schema.get("items", True)))
        if kinds == frozenset({"object"}):
            return self._of_object(schema)
        return None

    def _of_object(self, schema: Schema) -> Coercer | None:
        if not declared(schema):
            return _of_map(self.build(schema.get("additionalProperties", True)))
        members = {name: self.build(inner) for name, inner in declared(schema).items()}
        needed = {name: coerce for name, coerce in members.items() if coerce is not None}
        if not needed:
            return None

        def coerce_object(value: object) -> object:
            if type(value) is not dict:
                return value
            copy = cast(dict[str, object], value).copy()
            for name, coerce in needed.items():
                if name in copy:
                    copy[name] = coerce(copy[name])
            return copy

        return coerce_object

    def _is_null(self, schema: Json) -> bool:
        return kinds_of(self._schemas.resolve(schema), self._schemas.resolve) == frozenset({"null"})


def _to_float(value: object) -> object:
    return float(value) if type(value) is int else value


def _to_int(value: object) -> object:
    return int(value) if type(value) is float and value.is_integer() else value


def _nullable(inner: Coercer | None) -> Coercer | None:
    if inner is None:
        return None
    return lambda value: None if value is None else inner(value)


def _of_list(inner: Coercer | None) -> Coercer | None:
    if inner is None:
        return None

    def coerce_list(value: object) -> object:
        return list(map(inner, cast(list[object], value))) if type(value) is list else value

    return coerce_list


def _of_map(inner: Coercer | None) -> Coercer | None:
    if inner is None:
        return None

    def coerce_map(value: object) -> object:
        if type(value) is not dict:
            return value
        return {key: inner(item) for key, item in cast(dict[str, object], value).items()}

    return coerce_map
