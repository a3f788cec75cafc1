"""The types of expressions: what each place reads and wants, and whether the two fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sagas.checks.flow import NOTHING, Place, Walk, root_of
from sagas.checks.report import Report
from sagas.checks.tree import Branch, Contract, Document, Flow, Node, objects
from sagas.checks.visibility import Sights, error_at, events_at, label_of, rounds_at
from sagas.expressions import (
    TIMESTAMP,
    CelTypes,
    Expect,
    Expr,
    ExprError,
    Path,
    TypeEnv,
    compile_expr,
)
from sagas.schema import Schema, SchemaError, SchemaSet
from sagas.schema_fit import declared
from sagas.schema_refs import closest

__all__ = ["Typing"]

Json = Any
_EXPECTED: Mapping[str, Expect] = {
    "when": "bool", "while": "bool", "until": "bool", "collect.until": "bool", "key": "key",
    "message": "string", "deadline.at": "timestamp",
}  # fmt: skip
_CHOICES = frozenset({"anyOf", "oneOf", "allOf"})
_CODES: Mapping[str, str] = {"type": "def.type", "cost": "def.bound"}


class Typing:
    """Compiles the expressions of a document in the order of the walk.

    `exprs`: what compiled, by node and member. The schema of an `out` is known once its block was
    passed, and nobody may read it before.
    """

    def __init__(self, d: Document, schemas: SchemaSet, report: Report) -> None:
        self._d = d
        self._schemas = schemas
        self._report = report
        self._sights = Sights(d)
        self._parsed: dict[str, Expr | ExprError] = {}
        # Of selections only the schemas are asked for: no type is made in it.
        self._no_types = CelTypes(schemas)
        self._outs: dict[tuple[str, str], Json] = {}
        self.exprs: dict[tuple[Node, str], Expr] = {}

    def run(self, found: Walk) -> None:
        """Check every expression of the flow, then those of the document itself."""
        for place in found.places:
            self._place(place)
        self._head()
        for step in self._d.steps:
            self._arguments(step)

    # --- one place --------------------------------------------------------------------------------

    def _place(self, place: Place) -> None:
        expect = self._expected(place)
        compiled = self._compiled(place, expect)
        if compiled is None:
            return
        expr, schema = compiled
        if place.node is not None:
            self.exprs[place.node, place.member] = expr
            self._note_out(place.node, place.member, schema)
        wanted = self._wanted(place)
        if wanted is not None:
            problem = self._schemas.fits(schema, wanted)
            if problem is not None:
                where = place.handler or place.node
                self._report.add("def.schema", where, f"{label_of(place)} {problem}")

    def _compiled(self, place: Place, expect: Expect) -> tuple[Expr, Json] | None:
        """The expression and the schema of its value, or None when something is wrong with it."""
        where = place.handler or place.node
        plain = self._parse(place.text)
        if isinstance(plain, ExprError):
            alias = _CODES.get(plain.kind, "def.expr")
            self._report.add(alias, where, f"{label_of(place)}: {plain.message}")
            return None
        if not self._sights.check(place, plain, self._report):
            return None
        if plain.path is not None and expect == "json":
            env = self._env(place, plain, self._no_types)
            schema = self._selected(env, plain.path)
            if schema is not None:
                return plain, schema
        try:
            env = self._env(place, plain, CelTypes(self._schemas))
            expr = compile_expr(place.text, env, expect=expect)
        except ExprError as error:
            alias = _CODES.get(error.kind, "def.expr")
            between = " " if error.message.startswith("is ") else ": "
            self._report.add(alias, where, f"{label_of(place)}{between}{error.message}")
            return None
        return expr, expr.type_schema

    def _selected(self, env: TypeEnv, path: Path) -> Json:
        """The schema of a plain selection; None leaves it to the checker of expressions.

        Most expressions are one, and this is a hundred times as quick.
        """
        if path.root in ("active", "done", "deadline"):
            return None
        schema = env.schema_of(path.root, path.name)
        for step in path.steps:
            found = {} if schema is TIMESTAMP else self._schemas.resolve(schema)
            if isinstance(step, int) or step not in declared(found) or _CHOICES & found.keys():
                return None
            schema = declared(found)[step]
        return schema

    def _parse(self, text: str) -> Expr | ExprError:
        found = self._parsed.get(text)
        if found is None:
            try:
                found = compile_expr(text, None)
            except ExprError as error:
                found = error
            self._parsed[text] = found
        return found

    def _expected(self, place: Place) -> Expect:
        node, member = place.node, place.member
        if node is not None and node.kind == "sleep" and member == "until":
            return "timestamp"
        if member.startswith("branches.") and member.endswith(".when"):
            return "bool"
        return _EXPECTED.get(member, "json")

    def _note_out(self, node: Node, member: str, schema: Json) -> None:
        if member == "out":
            self._outs[node.name, ""] = schema
        elif member.startswith("branches.") and member.endswith(".out"):
            self._outs[node.name, member.split(".")[1]] = schema

    def _wanted(self, place: Place) -> Json:
        """The schema that the value must fit, or None."""
        node, (head, _, rest) = place.node, place.member.partition(".")
        if node is None:
            return None
        match head:
            case "args":
                return self._parameter(node.contract, rest)
            case "undo":
                return self._parameter(node.undo, rest.partition(".")[2])
            case "values":
                return objects(objects(self._d.doc, "vars"), rest).get("schema")
            case "data" if node.doc["type"] in self._d.events:
                return self._d.events[node.doc["type"]]["schema"]
            case "result":
                return self._d.doc.get("result")
            case _:
                return None

    def _parameter(self, contract: Contract | None, name: str) -> Json:
        return None if contract is None else declared(self._command(contract)).get(name)

    def _command(self, contract: Contract) -> Schema:
        try:
            return self._schemas.resolve(objects(contract.doc, "command"))
        except SchemaError:  # told with the schemas
            return {}

    # --- what a place reads -----------------------------------------------------------------------

    def _env(self, place: Place, plain: Expr, cel_types: CelTypes) -> TypeEnv:
        """The types of exactly what the expression reads: making them costs more than using them."""
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
                events[name] = self._data(node.doc["events"])
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
            rounds=frozenset(rounds_at(place.inside)), nodes=frozenset(asked),
            timers=frozenset(asked), event=None if types is None else self._data(types),
            result=self._own_result(place), error=error_at(place),
        )  # fmt: skip

    def _own_result(self, place: Place) -> Json:
        if place.node is None or not place.member.startswith("undo."):
            return None
        contract = place.node.contract
        return {} if contract is None else objects(contract.doc, "result")

    def _data(self, types: list[str]) -> Json:
        """The schema of the data of an event that may be one of several types."""
        schemas = [self._d.events[t]["schema"] for t in types if t in self._d.events]
        if len(schemas) == 1 or (schemas and all(s == schemas[0] for s in schemas)):
            return schemas[0]
        return {"anyOf": [self._settled(s) for s in schemas]} if schemas else {}

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
            case "choose" | "race":
                names = [branch.name for branch in node.branches]
                names += ["else"] if node.otherwise is not None else []
                text: Schema = {"type": "string", "enum": list(names)}
                return _object({"branch": text}, self._common_out(node), ["branch"])
            case "parallel":
                names_: Schema = {"type": "array", "items": {"type": "string"}}
                outs = {b.name: self._branch_out(node, b) for b in node.branches if _has_out(b)}
                return _object({"failed": names_, "skipped": names_}, _object(outs, None, []), [])
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

    # --- arguments --------------------------------------------------------------------------------

    def _arguments(self, step: Node) -> None:
        """Every parameter that is wanted is given, and none that is not known."""
        if step.contract is not None:
            args = objects(step.doc, "args")
            self._bound(step, step.name, step.contract, args)
        if step.undo is not None:
            undo = objects(step.doc["undo"], "args")
            # `why` is added when the undo is run.
            self._bound(step, f"undo of {step.name}", step.undo, {**undo, "why": ""})
            self._undo_shape(step)

    def _bound(self, step: Node, label: str, contract: Contract, args: dict[str, str]) -> None:
        command = self._command(contract)
        known = declared(command)
        for name in _needed(command):
            if name not in args:
                reach = self._in_reach(step)
                text = f"{label}: argument `{name}` is bound to nothing; in reach: {reach}"
                self._report.add("def.unbound", step, text)
        open_ = not known or bool(command.get("additionalProperties"))
        for name in args:
            if name not in known and not open_ and not (name == "why" and label != step.name):
                text = f"{label}: {contract.name} has no parameter `{name}`{closest(name, known)}"
                self._report.add("def.schema", step, text, "leave it out, or correct its name")

    def _in_reach(self, step: Node) -> str:
        names = [n.name for n in self._d.nodes if n.order < step.order and n.contract is not None]
        return ", ".join(["input", *names[-5:]])

    def _undo_shape(self, step: Node) -> None:
        """An attempted step may have failed: its undo must do without the result."""
        if step.doc["undo"].get("when") != "attempted":
            return
        for name in objects(step.doc["undo"], "args"):
            expr = self.exprs.get((step, f"undo.args.{name}"))
            read = ("result", None)
            if expr is not None and read in expr.reads and read not in expr.guarded:
                text = f"undo of {step.name} wants `result`, which an attempted step may lack"
                self._report.add("def.undo_shape", step, text)

    # --- the document itself ----------------------------------------------------------------------

    def _head(self) -> None:
        """The key, the starts, and the attributes."""
        doc = self._d.doc
        only_input = TypeEnv(CelTypes(self._schemas), input=doc["input"])
        self._alone("key", doc["key"], only_input, "key")
        for number, start in enumerate(doc.get("starts_on", ()), 1):
            env = TypeEnv(CelTypes(self._schemas), event=self._data([start["event"]]))
            where = f"starts_on {number}"
            if "when" in start:
                self._alone(f"when of {where}", start["when"], env, "bool")
            expr = self._alone(f"input of {where}", start["input"], env, "json")
            problem = expr and self._schemas.fits(expr.type_schema, doc["input"])
            if problem:
                self._report.add("def.schema", None, f"input of {where} {problem}")
        for name, text in objects(doc, "attributes").items():
            self._attribute(name, text)

    def _alone(self, label: str, text: str, env: TypeEnv, expect: Expect) -> Expr | None:
        """An expression outside of the flow, which reads only what `env` has."""
        try:
            return compile_expr(text, env, expect=expect)
        except ExprError as error:
            unbound = error.kind == "name" and "does not exist here" in error.message
            unbound = unbound or (error.kind == "name" and "is not in reach" in error.message)
            alias = "def.unbound" if unbound else _CODES.get(error.kind, "def.expr")
            between = " " if error.message.startswith("is ") else ": "
            self._report.add(alias, None, f"{label}{between}{error.message}")
            return None

    def _attribute(self, name: str, text: str) -> None:
        """Read at any time, so whatever the flow yields is there only maybe."""
        facts = frozenset((root_of(n), n.name) for n in self._d.nodes)
        state = replace(NOTHING, maybe=facts)
        place = Place(None, None, f"attribute {name}", text, state, 0, self._root_flow())
        self._compiled(place, "json")

    def _root_flow(self) -> Flow | None:
        return self._d.root.flow


def _has_out(branch: Branch) -> bool:
    return "out" in branch.doc


def _object(properties: Mapping[str, Json], out: Json, required: list[Json]) -> Schema:
    """An object schema; `out` is a further property when there is one."""
    members: dict[str, Json] = {**properties} if out is None else {**properties, "out": out}
    return {"type": "object", "properties": members, "required": required}


def _needed(command: Schema) -> list[str]:
    """The parameters that must be given."""
    names = command.get("required")
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
