"""Whether values of one JSON Schema can fit another, as far as it is sure from the text."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from domain.canonical import Json, canonical
from sagas.schema_refs import Schema, closest

__all__ = ["KINDS", "Fit", "declared", "kinds_of"]

KINDS = frozenset({"string", "integer", "number", "boolean", "object", "array", "null"})

CHOICE_DEPTH_MAX = 8
"""Choices inside choices that are followed; what lies deeper counts as undecided."""
_NULL, _OBJECT, _ARRAY = frozenset({"null"}), frozenset({"object"}), frozenset({"array"})


class Fit:
    """Compares two schemas; holds the pairs under comparison so that recursion ends."""

    def __init__(self, resolve: Callable[[Json], Schema]) -> None:
        self._resolve = resolve
        self._open: set[tuple[bytes, bytes]] = set()

    def misfit(self, giver: Json, wanted: Json, path: str = "") -> str | None:
        """Return why the type `giver` does not fit `wanted`; None when it may or is open."""
        pair = (canonical(giver), canonical(wanted))
        if pair in self._open or pair[0] == pair[1]:
            return None
        self._open.add(pair)
        try:
            return self._compare(self._resolve(giver), self._resolve(wanted), path)
        finally:
            self._open.discard(pair)

    def _compare(self, giver: Schema, wanted: Schema, path: str) -> str | None:
        gives, wants = self._kinds(giver), self._kinds(wanted)
        if not _overlap(gives, wants):
            return f"{_at(path)}wants {_words(wants)}, gets {_words(gives)}"
        problem = _values_misfit(giver, wanted, path)
        if problem:
            return problem
        giver_one, wanted_one = self._only(giver), self._only(wanted)
        if giver_one is None or wanted_one is None:
            return None
        if gives - _NULL == _OBJECT and "object" in wants:
            return self._compare_objects(giver_one, wanted_one, path)
        if gives - _NULL == _ARRAY and "array" in wants:
            return self._compare_inner(giver_one, wanted_one, "items", f"{path}[]")
        return None

    def _compare_objects(self, giver: Schema, wanted: Schema, path: str) -> str | None:
        given, needed = declared(giver), declared(wanted)
        told = bool(given) or giver.get("additionalProperties") is False
        for name in _names(wanted.get("required")):
            if told and name not in given and not _is_open(giver):
                return f"{_at(path)}wants `{name}`, which is not given{closest(name, given)}"
        if wanted.get("additionalProperties") is False and "patternProperties" not in wanted:
            for name in _names(giver.get("required")):
                if name not in needed:
                    return f"{_at(path)}does not know `{name}`{closest(name, needed)}"
        for name in given:
            if name in needed:
                inner = f"{path}.{name}" if path else name
                if problem := self.misfit(given[name], needed[name], inner):
                    return problem
        return self._compare_inner(giver, wanted, "additionalProperties", f"{path}.*")

    def _compare_inner(self, giver: Schema, wanted: Schema, keyword: str, path: str) -> str | None:
        given, needed = giver.get(keyword), wanted.get(keyword)
        if isinstance(given, dict) and isinstance(needed, dict):
            return self.misfit(given, needed, path)
        return None

    def _kinds(self, schema: Schema) -> frozenset[str]:
        return kinds_of(schema, self._resolve)

    def _only(self, schema: Schema) -> Schema | None:
        """Return the one schema that is not null among the choices, or None if there are more."""
        for keyword in ("anyOf", "oneOf"):
            choices = schema.get(keyword)
            if isinstance(choices, list):
                found = [self._resolve(choice) for choice in choices]
                rest = [choice for choice in found if self._kinds(choice) != _NULL]
                return self._only(rest[0]) if len(rest) == 1 else None
        return schema


def kinds_of(schema: Schema, resolve: Callable[[Json], Schema], depth: int = 0) -> frozenset[str]:
    """Return the JSON kinds that `schema` allows; all of them when it does not say."""
    kinds = KINDS
    match schema.get("type"):
        case str(kind):
            kinds = frozenset({kind})
        case list(several):
            kinds = frozenset(kind for kind in several if isinstance(kind, str))
        case _:
            pass
    for values in (schema.get("enum"), [schema["const"]] if "const" in schema else None):
        if isinstance(values, list):
            kinds = _meet(kinds, frozenset(_kind_of_value(value) for value in values))
    for keyword in ("anyOf", "oneOf"):
        choices = schema.get(keyword)
        if isinstance(choices, list) and depth < CHOICE_DEPTH_MAX:
            inner = [kinds_of(resolve(choice), resolve, depth + 1) for choice in choices]
            kinds = _meet(kinds, frozenset[str]().union(*inner))
    return kinds


def declared(schema: Schema) -> Schema:
    """Return the declared properties of an object schema."""
    properties = schema.get("properties")
    return properties if isinstance(properties, dict) else {}


def _kind_of_value(value: Json) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "integer" if value.is_integer() else "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:  # JSON has no other kind
            return "object"


def _overlap(gives: frozenset[str], wants: frozenset[str]) -> bool:
    return bool(gives & wants) or ("integer" in gives and "number" in wants)


def _meet(one: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    """Return the kinds in both, where an integer is also a number."""
    both = one & other
    if ("integer" in one and "number" in other) or ("number" in one and "integer" in other):
        both |= {"integer"}
    return both


def _values_misfit(giver: Schema, wanted: Schema, path: str) -> str | None:
    gives, wants = _values(giver), _values(wanted)
    if gives is None or wants is None or gives.keys() & wants.keys():
        return None
    return f"{_at(path)}wants {_list(wants.values())}, gets {_list(gives.values())}"


def _values(schema: Schema) -> dict[bytes, str] | None:
    values = schema.get("enum")
    if "const" in schema:
        values = [schema["const"]]
    if not isinstance(values, list):
        return None
    texts = [canonical(value) for value in values]
    return {text: text.decode() for text in texts}


def _is_open(schema: Schema) -> bool:
    """Say whether the schema declares on purpose that further fields may come."""
    return bool(schema.get("additionalProperties")) or "patternProperties" in schema


def _names(value: Json) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def _at(path: str) -> str:
    return f"{path} " if path else ""


def _words(kinds: frozenset[str]) -> str:
    if "number" in kinds:
        kinds -= {"integer"}
    return " or ".join(sorted(kinds)) or "nothing"


def _list(texts: Iterable[str]) -> str:
    return " or ".join(sorted(texts))
