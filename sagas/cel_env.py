"""What an expression may read at its place, and the schemas of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.canonical import Json
from sagas.cel_errors import ExprError
from sagas.cel_types import TIMESTAMP, CelTypes
from sagas.schema import Schema, SchemaSet
from sagas.schema_defaults import only_choice
from sagas.schema_fit import declared
from sagas.schema_refs import closest

__all__ = ["TypeEnv", "schema_below", "without_null"]

_TEXT: Schema = {"type": "string"}
_INTEGER: Schema = {"type": "integer"}
_META: dict[str, Json] = {
    "id": _TEXT,
    "tenant": _TEXT,
    "saga": _TEXT,
    "version": _INTEGER,
    "key": _TEXT,
    "run": _INTEGER,
    "started_at": TIMESTAMP,
    "now": TIMESTAMP,
}
_ERROR: Schema = {
    "type": "object",
    "properties": {
        "class": _TEXT,
        "code": _TEXT,
        "message": _TEXT,
        "node": _TEXT,
        "details": {},
        "also": {"type": "array", "items": {}},
    },
}
_NOTHING: Mapping[str, Json] = {}


@dataclass(frozen=True, slots=True)
class TypeEnv:
    """What an expression may read at its place, with schemas. A name that is not here is unknown.

    `input`, `event` (schema of the data), `args`, `result`: None where they do not exist.
    `results`, `vars`, `params`: schema by name. `events`: schema of the data by name; `collected`
    names those that are lists of events. `decisions`: schema of the payload by name, None where
    there is no edit. `rounds`: repeats around this place. `each`: schema of an item
    by the name of its list. `nodes`, `timers`: what active() and done(), and deadline(), may name;
    `calendars`: what next_open() and add_open_days() may name.
    `error`: whether `error` exists here.
    """

    types: CelTypes
    input: Json = None
    results: Mapping[str, Json] = field(default_factory=dict[str, Json])
    events: Mapping[str, Json] = field(default_factory=dict[str, Json])
    collected: frozenset[str] = frozenset()
    decisions: Mapping[str, Json] = field(default_factory=dict[str, Json])
    vars: Mapping[str, Json] = field(default_factory=dict[str, Json])
    params: Mapping[str, Json] = field(default_factory=dict[str, Json])
    rounds: frozenset[str] = frozenset()
    each: Mapping[str, Json] = field(default_factory=dict[str, Json])
    nodes: frozenset[str] = frozenset()
    timers: frozenset[str] = frozenset()
    calendars: frozenset[str] = frozenset()
    event: Json = None
    args: Json = None
    result: Json = None
    error: bool = False

    def schema_of(self, root: str, name: str | None) -> Json:
        """Return the schema of what is read; raises ExprError (name) when it is not in reach."""
        if name is None:
            return self._whole(root)
        known = self._named(root)
        if name not in known:
            raise ExprError("name", _unknown(root, name, list(known)))
        return known[name]

    def _whole(self, root: str) -> Json:
        found: Json = None
        match root:
            case "input":
                found = self.input
            case "args":
                found = self.args
            case "result":
                found = self.result
            case "event":
                found = None if self.event is None else self._event(self.event)
            case "error":
                found = _ERROR if self.error else None
            case _:  # pragma: no cover - WHOLE has no other
                pass
        if found is None:
            raise ExprError("name", f"`{root}` does not exist here")
        return found

    def _named(self, root: str) -> Mapping[str, Json]:
        match root:
            case "results":
                return self.results
            case "vars":
                return self.vars
            case "params":
                return self.params
            case "events":
                return {name: self._taken(name) for name in self.events}
            case "decisions":
                return {name: self._decision(schema) for name, schema in self.decisions.items()}
            case "meta":
                return _META
            case "round":
                return dict.fromkeys(self.rounds, _INTEGER)
            case "each":
                return {name: self._item(schema) for name, schema in self.each.items()}
            case "active" | "done":
                return dict.fromkeys(self.nodes, Schema(type="boolean"))
            case "deadline":
                return dict.fromkeys(self.timers, TIMESTAMP)
            case "calendar":
                return dict.fromkeys(self.calendars, _TEXT)
            case _:  # pragma: no cover - neither have NAMED and ASKED
                return _NOTHING

    def _taken(self, name: str) -> Json:
        event = self._event(self.events[name])
        if name in self.collected:
            return Schema(type="array", items=event)
        # What a wait with `on_expiry: continue` yields when nothing came.
        parts: Schema = dict(declared(event), expired=Schema(type="boolean"))
        return Schema(event, properties=parts)

    def _event(self, data: Json) -> Schema:
        parts: Schema = {"id": _TEXT, "type": _TEXT, "source": _TEXT, "time": TIMESTAMP}
        return {"type": "object", "properties": {**parts, "data": self._settled(data)}}

    def _decision(self, payload: Json) -> Schema:
        parts: Schema = {"decision": _TEXT, "by": {}, "at": TIMESTAMP, "reason": {}}
        parts |= {"payload": self._settled({} if payload is None else payload)}
        return {"type": "object", "properties": {**parts, "expired": {"type": "boolean"}}}

    def _item(self, item: Json) -> Schema:
        parts: Schema = {"item": self._settled(item), "key": _TEXT, "index": _INTEGER}
        return {"type": "object", "properties": parts, "required": list(parts)}

    def _settled(self, schema: Json) -> Json:
        """Return a schema that may stand inside another: its own definitions have names."""
        if isinstance(schema, dict) and set(schema) == {"$ref"}:
            return schema
        return self.types.schemas.resolve(schema)


def schema_below(schema: Json, steps: tuple[str | int, ...], schemas: SchemaSet) -> Json:
    """Return the schema that `steps` lead to from `schema`; `{}` where nothing is declared."""
    for step in steps:
        if schema is TIMESTAMP:
            return {}
        found = without_null(schemas.resolve(schema), schemas)
        if isinstance(step, int):
            schema = found.get("items", {})
        else:
            schema = declared(found).get(step, found.get("additionalProperties", {}))
    return schema


def without_null(schema: Schema, schemas: SchemaSet) -> Schema:
    """Return what a resolved schema is besides null; `{}` where it is one of several things."""
    return only_choice(schema, schemas.resolve)


def _unknown(root: str, name: str, known: list[str]) -> str:
    if root in ("active", "done", "deadline"):
        return f"{root}('{name}'): there is no such node here{closest(name, known)}"
    if root == "calendar":
        return f"there is no calendar `{name}` here{closest(name, known)}"
    return f"`{root}.{name}` is not in reach{closest(name, known)}"
