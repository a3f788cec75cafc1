"""Values that stand for all values of a schema: where an expression may tell two apart, both.

What no deciding expression names does not change the way of a commitment, so one value will do. A
field whose name such an expression has is given one value for each side of what it is compared
with: both truth values, every member of an enum, each constant of the definition and one below and
above it, lists of none, one and two. Fields are varied one at a time, not all combinations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from sagas.definition import Definition, Handler, Node

__all__ = ["VALUES_MAX", "Samples"]

Json = Any
Schema = Mapping[str, Any]
VALUES_MAX = 8
"""Values tried of one schema; a further one is said to be left out."""
DEPTH_MAX = 8
"""Levels of a schema that a sample goes into; deeper ones stay empty."""
ITEMS = 2
"""Items of a list in a sample, unless its schema wants more."""
WORDS = ("x", "y", "z")
_DECIDING = frozenset({
    "when", "until", "while", "items", "key", "after", "if", "join", "close_when", "close", "to",
    "item",
})  # fmt: skip
_MAKING = frozenset({"choose", "race", "parallel", "for_each", "repeat", "scope", "lock"})
_TEXT = re.compile(r"""'([^'\\]*)'|"([^"\\]*)\"""")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])")
_NAME = re.compile(r"[A-Za-z_]\w*")
_FORMATS = {
    "date-time": "2026-01-07T10:00:00Z", "date": "2026-01-07", "email": "a@b.example",
    "uri": "https://a.example/b", "uuid": "00000000-0000-4000-8000-000000000000",
    "time": "10:00:00Z",
}  # fmt: skip


@dataclass
class Samples:
    """Values for the schemas of one definition; `cut` names what has more than VALUES_MAX."""

    d: Definition
    items: int = ITEMS
    values: int = VALUES_MAX
    cut: set[str] = field(default_factory=set[str])
    none: set[str] = field(default_factory=set[str])
    is_shortened: bool = False
    """Whether a list may have more items than are tried."""
    _made: dict[str, list[Json]] = field(default_factory=dict[str, list[Json]])

    def __post_init__(self) -> None:
        self._exprs = list(_expressions(self.d.document))
        self._reads = {n for expr in self._exprs for n in re.findall(r"\binput\.(\w+)", expr.text)}
        self._about("input", set())

    def _about(self, what: str, nodes: set[str]) -> None:
        """Read what decides on a value: names, and the constants that they are compared with.

        A value goes on into the vars, outs and lists that are made of it: what reads those counts.
        """
        roots = {rf"\b(?:results|events|decisions|each)\.{n}\b" for n in nodes}
        roots.add(rf"\b{what}\b")
        about: list[_Expr] = []
        for _ in range(DEPTH_MAX):
            pattern = re.compile("|".join(sorted(roots)))
            about = [e for e in self._exprs if pattern.search(e.text) or e.owner in nodes]
            made = {rf"\b{e.makes}\b" for e in about if e.makes}
            if made <= roots:
                break
            roots |= made
        # What a string says is no name: 'size' == size.
        deciding = [e.text for e in about if e.decides]
        self.names = {n for text in deciding for n in _NAME.findall(_TEXT.sub("", text))}
        self.strings = sorted({a or b for text in deciding for a, b in _TEXT.findall(text)})
        self.numbers = sorted({float(n) for text in deciding for n in _NUMBER.findall(text)})

    def of_node(self, schema: Json, what: str, name: str) -> list[Json]:
        """The values that a node of this name may yield."""
        if what not in self._made:
            self._about("nothing", {name})
        return self.of(schema, what)

    def of_event(self, schema: Json, type_: str) -> list[Json]:
        """The data that an event of this type may have."""
        what = f"event {type_}"
        if what not in self._made:
            found = self.d.by_template.values()
            takers = {f.name for f in found if _takes(f, type_)}
            self._about("nothing", takers)
        return self.of(schema, what)

    def of(self, schema: Json, what: str) -> list[Json]:
        """The values of a schema, at most VALUES_MAX; `what` names it where some are left out."""
        if what in self._made:
            return self._made[what]
        validator = self.d.validator_of(schema)
        found: list[Json] = []
        for value in self._values(schema, schema, 0, vary=bool(self.names)):
            if value in found or not validator.is_valid(value):
                continue
            if len(found) == self.values:
                self.cut.add(what)
                break
            found.append(value)
        if not found:
            self.none.add(what)
        self._made[what] = found
        return found

    def inputs(self) -> list[Json]:
        """The inputs that a start is tried with."""
        schema = self.d.document["input"]
        self._about("input", set())
        found = self.of(schema, "input")
        read: dict[str, Any] = dict.fromkeys(sorted(self._reads), WORDS[0])
        fits = found == [{}] and self.d.validator_of(schema).is_valid(read)
        return [read] if fits else found

    # --- making values -----------------------------------------------------------------------

    def _values(self, schema: Json, root: Json, depth: int, *, vary: bool) -> Iterator[Json]:
        """The plain value first, then those that differ from it in one place."""
        found, root = self._resolved(schema, root)
        if depth > DEPTH_MAX:
            yield None
            return
        for several in ("oneOf", "anyOf"):
            if several in found:
                options = sorted(found[several], key=lambda one: one.get("type") == "null")
                for option in options if vary else options[:1]:
                    yield from self._values(option, root, depth + 1, vary=vary)
                return
        if "const" in found or "enum" in found:
            members = [found["const"]] if "const" in found else list(found["enum"])
            yield from members if vary else members[:1]
            return
        kind = found.get("type", "object" if "properties" in found else None)
        kinds = cast(list[str], kind if isinstance(kind, list) else [kind or "object"])
        for one in kinds if vary else kinds[:1]:
            yield from self._of_kind(one, found, root, depth, vary)

    def _of_kind(
        self, kind: str, schema: Schema, root: Json, depth: int, vary: bool
    ) -> Iterator[Json]:
        match kind:
            case "object":
                yield from self._objects(schema, root, depth, vary)
            case "array":
                yield from self._lists(schema, root, depth, vary)
            case "string":
                yield from self._texts(schema, vary)
            case "boolean":
                yield from (True, False) if vary else (True,)
            case "null":
                yield None
            case _:
                yield from self._numbers(kind, schema, vary)

    def _objects(self, schema: Schema, root: Json, depth: int, vary: bool) -> Iterator[Json]:
        members: Mapping[str, Json] = schema.get("properties", {})
        required = schema.get("required", ())
        plain: dict[str, Json] = {}
        if depth == DEPTH_MAX:
            members = {name: of for name, of in members.items() if name in required}
        for name, of in members.items():
            plain[name] = next(self._values(of, root, depth + 1, vary=False))
        yield plain
        if not vary:
            return
        for name, of in members.items():
            inner = self._values(of, root, depth + 1, vary=name in self.names)
            for value in list(inner)[1:] if name in self.names else self._nested(of, root, depth):
                yield {**plain, name: value}
            if name in self.names and name not in required:
                yield {n: v for n, v in plain.items() if n != name}

    def _nested(self, schema: Json, root: Json, depth: int) -> list[Json]:
        """Of a member that nothing names, what differs deeper inside."""
        found, inner = self._resolved(schema, root)
        if found.get("type") != "object" and "properties" not in found:
            return []
        return list(self._values(found, inner, depth + 1, vary=True))[1:]

    def _lists(self, schema: Schema, root: Json, depth: int, vary: bool) -> Iterator[Json]:
        if depth == DEPTH_MAX:
            yield []
            return
        self.is_shortened |= schema.get("maxItems", self.items + 1) > self.items
        of = schema.get("items", {})
        item = next(self._values(of, root, depth + 1, vary=False))
        several = [
            _apart(item, index) for index in range(max(self.items, schema.get("minItems", 0)))
        ]
        yield several
        if vary:
            yield from ([], several[:1])

    def _texts(self, schema: Schema, vary: bool) -> Iterator[Json]:
        plain = _FORMATS.get(schema.get("format", ""), WORDS[0])
        yield plain.ljust(schema.get("minLength", 0), "x")
        if vary and "format" not in schema:
            yield from (text for text in self.strings if text)

    def _numbers(self, kind: str, schema: Schema, vary: bool) -> Iterator[Json]:
        high = min(1, schema.get("maximum", 1), schema.get("exclusiveMaximum", 2) - 1)
        low = max(schema.get("minimum", high), schema.get("exclusiveMinimum", high - 1) + 1)
        yield _number(kind, max(high, low))
        if vary:
            for constant in self.numbers:
                yield from (_number(kind, constant + step) for step in (-1, 0, 1))

    def _resolved(self, schema: Json, root: Json) -> tuple[Schema, Json]:
        """The schema without references, and the one that `#` means in it."""
        for _ in range(DEPTH_MAX):
            if not isinstance(schema, dict) or "$ref" not in schema:
                break
            ref: str = cast(dict[str, Any], schema)["$ref"]
            if ref.startswith("#/$defs/"):
                schema = root.get("$defs", {}).get(ref.rpartition("/")[2], {})
            else:
                schema = root = self.d.document.get("schemas", {}).get(ref, {})
        return (cast(Schema, schema) if isinstance(schema, dict) else {}), root


def _number(kind: str, value: float) -> Json:
    return int(value) if kind == "integer" else float(value)


def _word(index: int) -> str:
    return WORDS[index] if index < len(WORDS) else f"{WORDS[0]}{index}"


def _apart(item: Json, index: int) -> Json:
    """An item unlike the others: its texts end with other letters."""
    if isinstance(item, str):
        return _word(index) if item == WORDS[0] else item
    if isinstance(item, dict):
        members = cast(dict[str, Any], item)
        return {name: _apart(value, index) for name, value in members.items()}
    return index + 1 if isinstance(item, int) and not isinstance(item, bool) else item


@dataclass(frozen=True, slots=True)
class _Expr:
    """An expression: whether it decides the way, what it makes, and whose it is."""

    text: str
    decides: bool
    makes: str
    owner: str


def _takes(found: Node | Handler, type_: str) -> bool:
    if isinstance(found, Handler):
        return type_ in found.events
    return found.kind == "wait_for" and type_ in found.doc["events"]


def _expressions(document: Mapping[str, Json]) -> Iterator[_Expr]:
    for part in ("flow", "handlers", "updates", "on_failure", "key", "while"):
        yield from _inside(document.get(part, ()), part, "", "")


def _inside(value: Json, member: str, makes: str, owner: str) -> Iterator[_Expr]:
    """All texts below a part of the document; `owner` is the handler or wait around them."""
    if isinstance(value, str):
        decides = member in _DECIDING or makes.startswith("vars")
        yield _Expr(value, decides, makes, owner)
    elif isinstance(value, list):
        for one in cast(list[Json], value):
            yield from _inside(one, member, makes, owner)
    elif isinstance(value, dict):
        part = cast(dict[str, Json], value)
        name = part.get("name")
        if "events" in part and isinstance(name, str):
            owner = name
        if isinstance(name, str) and part.get("node") in _MAKING:
            makes = f"(?:results|each)\\.{name}"
        for inner, one in part.items():
            if inner in ("name", "node", "events", "schema", "form", "edit", "takes", "result"):
                continue
            made = f"vars\\.{inner}" if member in ("set", "values") else makes
            is_out = inner in ("out", "items", "flow", "branches", "else", "item")
            kept = made if made.startswith("vars") or is_out else ""
            inherited = member if member in ("join", "values", "set") else inner
            yield from _inside(one, inherited, kept, owner)
