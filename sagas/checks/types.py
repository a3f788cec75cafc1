"""The types of expressions: what each place reads and wants, and whether the two fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sagas.checks.arguments import command_of
from sagas.checks.envs import Envs
from sagas.checks.facts import NOTHING, root_of
from sagas.checks.flow import Place, Walk
from sagas.checks.optional import optional_part, promised_at
from sagas.checks.paths import promised_by
from sagas.checks.report import Report, Where
from sagas.checks.tree import Contract, Document, Node, Update, objects
from sagas.checks.visibility import Sights, label_of
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
from sagas.schema import SchemaSet
from sagas.schema_fit import declared

__all__ = ["Typing"]

Json = Any
_EXPECTED: Mapping[str, Expect] = {
    "when": "bool", "while": "bool", "until": "bool", "collect.until": "bool", "join.until": "bool",
    "key": "key", "throttle.key": "key", "message": "string", "deadline.at": "timestamp",
    "items": "list", "after": "list", "close_when": "bool", "close": "bool",
}  # fmt: skip
_OF_UPDATES: Mapping[str, Expect] = {
    "when": "bool", "if": "bool", "close": "bool", "to": "timestamp",
}  # fmt: skip
_CHOICES = frozenset({"anyOf", "oneOf", "allOf"})
_CODES: Mapping[str, str] = {"type": "def.type", "cost": "def.bound"}


class Typing:
    """Compiles the expressions of a document in the order of the walk.

    `exprs`: what compiled in the flow, by node and member. `typed`: what was checked in full, by
    path and member, also of handlers and of the document itself (whose path is empty).
    """

    def __init__(self, d: Document, schemas: SchemaSet, report: Report) -> None:
        self._d = d
        self._schemas = schemas
        self._report = report
        self._envs = Envs(d, schemas)
        self._sights = Sights(d)
        self._parsed: dict[str, Expr | ExprError] = {}
        # Of selections only the schemas are asked for: no type is made in it.
        self._no_types = CelTypes(schemas)
        self.exprs: dict[tuple[Node, str], Expr] = {}
        self.typed: dict[tuple[str, str], Expr] = {}

    def run(self, found: Walk) -> None:
        """Check every expression of the flow, then those of the document itself."""
        for place in found.places:
            self._place(place)
        self._head(found)

    # --- one place --------------------------------------------------------------------------------

    def _place(self, place: Place) -> None:
        expect = self._expected(place)
        compiled = self._compiled(place, expect)
        if compiled is None:
            return
        expr, schema = compiled
        if place.node is not None:
            self.exprs[place.node, place.member] = expr
            self._envs.note_out(place.node, place.member, schema)
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
            env = self._envs.env(place, plain, self._no_types)
            schema = self._selected(env, plain.path)
            if schema is not None:
                is_given = self._is_given(label_of(place), where, plain, env, promised_at(place))
                return (plain, schema) if is_given else None
        try:
            env = self._envs.env(place, plain, CelTypes(self._schemas))
            expr = compile_expr(place.text, env, expect=expect)
        except ExprError as error:
            alias = _CODES.get(error.kind, "def.expr")
            between = " " if error.message.startswith("is ") else ": "
            self._report.add(alias, where, f"{label_of(place)}{between}{error.message}")
            return None
        if not self._is_given(label_of(place), where, expr, env, promised_at(place)):
            return None
        self.typed[place.template, place.member] = expr
        return expr, expr.type_schema

    def _is_given(
        self, label: str, where: Where | None, expr: Expr, env: TypeEnv, given: frozenset[Path]
    ) -> bool:
        """Whether a schema promises all that is read, or has() asks for it; else it is told."""
        part = optional_part(self._d, expr.text, expr.path, env, self._schemas, given)
        if part is not None:
            text = f"{label}: `{part}` need not be there: its schema does not require it"
            self._report.add("def.maybe_unset", where, text, f"ask has({part}) before")
        return part is None

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
        if node is not None and (node.kind, member) in (("sleep", "until"), ("move", "to")):
            return "timestamp"
        if member == "item":
            return "key"
        if isinstance(place.handler, Update):
            head, _, last = member.rpartition(".")
            return _OF_UPDATES.get(last, "json") if head[:3] != "set" else "json"
        if member.startswith("branches.") and member.endswith(".when"):
            return "bool"
        return _EXPECTED.get(member, "json")

    def _wanted(self, place: Place) -> Json:
        """The schema that the value must fit, or None."""
        node, (head, _, rest) = place.node, place.member.partition(".")
        if isinstance(place.handler, Update) and head == "set":
            return objects(objects(self._d.doc, "vars"), rest).get("schema")
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
            case "input":
                return node.doc.get("takes")
            case "result":
                return self._d.doc.get("result")
            case _:
                return None

    def _parameter(self, contract: Contract | None, name: str) -> Json:
        return None if contract is None else declared(command_of(contract, self._schemas)).get(name)

    # --- the document itself ----------------------------------------------------------------------

    def _head(self, found: Walk) -> None:
        """The key, the starts, the attributes, and an end without a result."""
        doc = self._d.doc
        ends = found.end is not None and self._schemas.fits({"type": "null"}, doc.get("result", {}))
        if ends:
            text = f"the flow may end without a fulfil, and the result {ends}"
            self._report.add("def.schema", None, text, "end it with fulfil, or allow null")
        only_input = TypeEnv(CelTypes(self._schemas), input=doc["input"])
        self._alone("key", "key", doc["key"], only_input, "key")
        for index, start in enumerate(doc.get("starts_on", ())):
            env = TypeEnv(CelTypes(self._schemas), event=self._envs.data([start["event"]]))
            where, member = f"starts_on {index + 1}", f"starts_on.{index}"
            if "when" in start:
                self._alone(f"{member}.when", f"when of {where}", start["when"], env, "bool")
            text, given = start["input"], promised_by(start.get("when", "true"))
            expr = self._alone(f"{member}.input", f"input of {where}", text, env, "json", given)
            problem = expr and self._schemas.fits(expr.type_schema, doc["input"])
            if problem:
                self._report.add("def.schema", None, f"input of {where} {problem}")
        for name, text in objects(doc, "attributes").items():
            self._attribute(name, text)

    def _alone(
        self, member: str, label: str, text: str, env: TypeEnv, expect: Expect,
        given: frozenset[Path] = frozenset(),
    ) -> Expr | None:  # fmt: skip
        """An expression outside of the flow, which reads only what `env` has."""
        try:
            expr = self.typed["", member] = compile_expr(text, env, expect=expect)
        except ExprError as error:
            unbound = error.kind == "name" and "does not exist here" in error.message
            unbound = unbound or (error.kind == "name" and "is not in reach" in error.message)
            alias = "def.unbound" if unbound else _CODES.get(error.kind, "def.expr")
            between = " " if error.message.startswith("is ") else ": "
            self._report.add(alias, None, f"{label}{between}{error.message}")
            return None
        return expr if self._is_given(label, None, expr, env, given) else None

    def _attribute(self, name: str, text: str) -> None:
        """Read at any time, so whatever the flow yields is there only maybe."""
        facts = frozenset((root_of(n), n.name) for n in self._d.nodes)
        state = replace(NOTHING, maybe=facts)
        place = Place(None, None, f"attributes.{name}", text, state, 0, self._d.root.flow)
        self._compiled(place, "json")
