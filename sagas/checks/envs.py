"""What an expression may read at its place, as types: what each kind of node yields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from sagas.checks.facts import root_of
from sagas.checks.flow import Place
from sagas.checks.tree import Branch, Document, Node, objects
from sagas.checks.visibility import args_at, error_at, events_at, lists_at, rounds_at
from sagas.expressions import TIMESTAMP, CelTypes, Expr, TypeEnv
from sagas.schema import Schema, SchemaError, SchemaSet
from sagas.schema_fit import declared

__all__ = ["Envs"]

Json = Any


class Envs:
    """Makes the type environment of each place.

    The schema of an `out` is noted once its block was passed; nobody may read it before.
    """

    def __init__(self, d: Document, schemas: SchemaSet) -> None:
        self._d = d
        self._schemas = schemas
        self._outs: dict[tuple[str, str], Json] = {}
        self._items: dict[str, Json] = {}

    def note_out(self, node: Node, member: str, schema: Json) -> None:
        """Remember what the expression at `member` gives, if it is an `out` or a list's items."""
        if node.kind == "for_each" and member == "items":
            self._items[node.name] = schema
        if member == "out":
            self._outs[node.name, ""] = schema
        elif member.startswith("branches.") and member.endswith(".out"):
            self._outs[node.name, member.split(".")[1]] = schema

    def env(self, place: Place, plain: Expr, cel_types: CelTypes) -> TypeEnv:
        """The types of exactly what the expression reads: making types costs more than that."""
        results: dict[str, Json] = {}
        events: dict[str, Json] = {}
        collected: set[str] = set()
        decisions: dict[str, Json] = {}
        asked: set[str] = set()
        for root, name in plain.reads:
            node = self._d.by_name.get(name or "")
            if root in ("active", "done", "deadline"):
                asked.add(name or "")
            elif node is None or name is None:
                continue
            elif root == "results":
                results[name] = self._result(node)
            elif root == "events" and root_of(node) == root:
                events[name] = self.data(node.doc["events"])
                if "collect" in node.doc:
                    collected.add(name)
            elif root == "decisions":
                decisions[name] = node.doc.get("edit")
        types = events_at(place)
        doc = self._d.doc
        return TypeEnv(
            cel_types, input=doc["input"], results=results, events=events,
            collected=frozenset(collected), decisions=decisions,
            vars={n: v["schema"] for n, v in objects(doc, "vars").items()},
            params={n: p["schema"] for n, p in objects(doc, "params").items()},
            each={node.name: self._item(node) for node in lists_at(place.inside)},
            rounds=frozenset(rounds_at(place.inside)), nodes=frozenset(asked),
            timers=frozenset(asked), event=None if types is None else self.data(types),
            result=self._own_result(place), error=error_at(place),
            args=args_at(place), calendars=frozenset(objects(doc, "calendars")),
        )  # fmt: skip

    def _own_result(self, place: Place) -> Json:
        if place.node is None or not place.member.startswith("undo."):
            return None
        if place.node.kind == "child":
            return self._yielded(place.node)
        contract = place.node.contract
        return {} if contract is None else objects(contract.doc, "result")

    def data(self, types: list[str]) -> Json:
        """The schema of the data of an event that may be one of several types."""
        schemas = [self._d.events[t]["schema"] for t in types if t in self._d.events]
        if len(schemas) == 1 or (schemas and all(s == schemas[0] for s in schemas)):
            return schemas[0]
        return {"anyOf": [self._settled(s) for s in schemas]} if schemas else {}

    def _item(self, node: Node) -> Json:
        """The schema of one item; what `add` appends fits it too."""
        items = self._items.get(node.name)
        if not isinstance(items, dict) or items is TIMESTAMP:
            return {}
        item: Json = self._settled(items).get("items")
        return cast(Schema, item) if isinstance(item, dict) else Schema()

    def _result(self, node: Node) -> Json:
        """The schema of what a node yields (docs/format.md section 3)."""
        schema = self._yielded(node)
        if not node.continues:
            return schema
        found = self._settled(schema)
        if not declared(found):
            return {}
        expired: Schema = {"type": "boolean"}
        return {"type": "object", "properties": {**declared(found), "expired": expired}}

    def _yielded(self, node: Node) -> Schema:
        out = self._outs.get((node.name, ""))
        match node.kind:
            case "step":
                return {} if node.contract is None else objects(node.contract.doc, "result")
            case "child":
                text: Schema = {"type": "string"}
                return node.doc.get("result", {}) if node.doc.get("wait", True) else text
            case "task":
                word: Schema = {"type": "string"}
                payload = self._settled(node.doc.get("form", {}))
                said = {"by": word, "at": word, "payload": payload}
                return _object(said, None, list(said))
            case "choose" | "race":
                names = [branch.name for branch in node.branches]
                names += ["else"] if node.otherwise is not None else []
                taken: Schema = {"type": "string", "enum": list(names)}
                return _object({"branch": taken}, self._common_out(node), ["branch"])
            case "parallel":
                names_: Schema = {"type": "array", "items": {"type": "string"}}
                outs = {b.name: self._branch_out(node, b) for b in node.branches if _has_out(b)}
                return _object({"failed": names_, "skipped": names_}, _object(outs, None, []), [])
            case "for_each":
                keys: Schema = {"type": "array", "items": {"type": "string"}}
                values: Schema = {"type": "object"}
                if out is not None:
                    values["additionalProperties"] = self._settled(out)
                names = {"done": keys, "failed": keys, "skipped": keys, "out": values}
                return _object(names, None, list(names))
            case "lock":
                return _object({"fence": {"type": "integer"}}, out, ["fence"])
            case "repeat":
                return _object({"rounds": {"type": "integer"}}, out, ["rounds"])
            case _:
                return _object({}, out, [])

    def _branch_out(self, node: Node, branch: Branch) -> Json:
        found = self._outs.get((node.name, branch.name))
        return Schema() if found is None else self._settled(found)

    def _common_out(self, node: Node) -> Json:
        outs = [self._branch_out(node, b) for b in node.branches if _has_out(b)]
        if not outs:
            return None
        return outs[0] if all(out == outs[0] for out in outs) else Schema()

    def _settled(self, schema: Json) -> Json:
        """A schema that may stand inside another: its own definitions have names."""
        if schema is TIMESTAMP or list(schema) == ["$ref"]:
            return schema
        try:
            return self._schemas.resolve(schema)
        except SchemaError:  # told with the schemas
            return {}


def _has_out(branch: Branch) -> bool:
    return "out" in branch.doc


def _object(properties: Mapping[str, Json], out: Json, required: list[Json]) -> Schema:
    """An object schema; `out` is a further property when there is one."""
    members: dict[str, Json] = {**properties} if out is None else {**properties, "out": out}
    return {"type": "object", "properties": members, "required": required}
