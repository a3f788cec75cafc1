"""The syntax tree of an expression, read from and written to the library's serialised form.

The library parses and checks but shows no tree; it does hand out `cel.expr.ParsedExpr` and
`cel.expr.CheckedExpr` (field numbers: cel-spec, proto/cel/expr/syntax.proto and checked.proto).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from sagas import cel_wire as wire

__all__ = [
    "Call",
    "Comprehension",
    "Const",
    "Ident",
    "ListOf",
    "MapOf",
    "Node",
    "Select",
    "Tree",
    "children",
    "read_checked",
    "read_parsed",
    "write_parsed",
]

Scalar: TypeAlias = None | bool | int | float | str | bytes


@dataclass(frozen=True, slots=True)
class Const:
    """A literal; `field` is its member of cel.expr.Constant (an int64 is not a uint64)."""

    id: int
    field: int
    value: Scalar


@dataclass(frozen=True, slots=True)
class Ident:
    """A name."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Select:
    """`operand.field`, or `has(operand.field)` when `test` is set."""

    id: int
    operand: Node
    field: str
    test: bool


@dataclass(frozen=True, slots=True)
class Call:
    """A function, method (`target` is set) or operator (`_+_`, `_[_]`, `_?_:_`)."""

    id: int
    target: Node | None
    function: str
    args: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list literal."""

    id: int
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class MapOf:
    """An object literal; `type_name` is set for a message literal, which troth refuses."""

    id: int
    type_name: str
    entries: tuple[tuple[Node, Node], ...]


@dataclass(frozen=True, slots=True)
class Comprehension:
    """What the macros all, exists, exists_one, map and filter become."""

    id: int
    iter_var: str
    iter_range: Node
    accu_var: str
    accu_init: Node
    condition: Node
    step: Node
    result: Node


Node: TypeAlias = Const | Ident | Select | Call | ListOf | MapOf | Comprehension


@dataclass(frozen=True, slots=True)
class Tree:
    """A parsed expression: root, offset of every node in the text, and types when checked."""

    root: Node
    offsets: dict[int, int]
    types: dict[int, str]


def children(node: Node) -> tuple[Node, ...]:
    """Return the nodes directly inside `node`, in the order of the text."""
    match node:
        case Const() | Ident():
            return ()
        case Select():
            return (node.operand,)
        case Call():
            return node.args if node.target is None else (node.target, *node.args)
        case ListOf():
            return node.items
        case MapOf():
            return tuple(part for entry in node.entries for part in entry)
        case Comprehension():
            return (node.iter_range, node.accu_init, node.condition, node.step, node.result)
        case _:
            assert_never(node)


# --- Reading ------------------------------------------------------------------------------------

_PARSED_URL = b"type.googleapis.com/cel.expr.ParsedExpr"
_NULL, _BOOL, _INT, _UINT, _DOUBLE, _STRING, _BYTES = range(1, 8)
_PRIMITIVES = {1: "bool", 2: "int", 3: "uint", 4: "double", 5: "string", 6: "bytes"}
_WELL_KNOWN = {1: "dyn", 2: "timestamp", 3: "duration"}


def read_parsed(serialized: bytes) -> Tree:
    """Read what `compile(text, disable_check=True).serialize()` gives."""
    root, info = b"", b""
    for number, _, data in wire.fields(_any_value(serialized)):
        if number == 2:
            root = data
        elif number == 3:  # pragma: no branch - the library writes nothing else
            info = data
    return Tree(_node(root), _offsets(info), {})


def read_checked(serialized: bytes) -> Tree:
    """Read what `compile(text).serialize()` gives, with the type of every node as text."""
    root, info = b"", b""
    types: dict[int, str] = {}
    for number, _, data in wire.fields(_any_value(serialized)):
        if number == 3:
            key, value = _entry(data)
            types[key] = _type_text(value)
        elif number == 4:
            root = data
        elif number == 5:
            info = data
    return Tree(_node(root), _offsets(info), types)


def _any_value(serialized: bytes) -> bytes:
    return next(data for number, _, data in wire.fields(serialized) if number == 2)


def _entry(data: bytes) -> tuple[int, bytes]:
    key, value = 0, b""
    for number, plain, inner in wire.fields(data):
        if number == 1:
            key = plain
        else:
            value = inner
    return key, value


def _offsets(info: bytes) -> dict[int, int]:
    offsets: dict[int, int] = {}
    for number, _, data in wire.fields(info):
        if number == 4:
            pair = {field: plain for field, plain, _ in wire.fields(data)}
            offsets[pair.get(1, 0)] = pair.get(2, 0)
    return offsets


def _node(data: bytes) -> Node:
    node_id, kind, body = 0, 0, b""
    for number, plain, inner in wire.fields(data):
        if number == 2:
            node_id = plain
        else:
            kind, body = number, inner
    match kind:
        case 3:
            return _const(node_id, body)
        case 4:
            return Ident(node_id, next(wire.fields(body))[2].decode())
        case 5:
            parts = {number: (plain, inner) for number, plain, inner in wire.fields(body)}
            return Select(node_id, _node(parts[1][1]), parts[2][1].decode(), 3 in parts)
        case 6:
            return _call(node_id, body)
        case 7:
            return ListOf(node_id, tuple(_node(d) for n, _, d in wire.fields(body) if n == 1))
        case 8:
            return _map(node_id, body)
        case 9:
            return _comprehension(node_id, body)
        case _:  # pragma: no cover - the parser's own form, which has no other kind
            raise AssertionError(f"expression of kind {kind} is not in the grammar")


def _const(node_id: int, body: bytes) -> Const:
    field, plain, inner = next(wire.fields(body))
    match field:
        case 1:
            return Const(node_id, field, None)
        case 2:
            return Const(node_id, field, bool(plain))
        case 3:
            return Const(node_id, field, wire.signed(plain))
        case 4:
            return Const(node_id, field, plain)
        case 5:
            return Const(node_id, field, float(struct.unpack("<d", inner)[0]))
        case 6:
            return Const(node_id, field, inner.decode())
        case _:
            return Const(node_id, field, inner)


def _call(node_id: int, body: bytes) -> Call:
    target: Node | None = None
    function, args = "", list[Node]()
    for number, _, inner in wire.fields(body):
        if number == 1:
            target = _node(inner)
        elif number == 2:
            function = inner.decode()
        else:
            args.append(_node(inner))
    return Call(node_id, target, function, tuple(args))


def _map(node_id: int, body: bytes) -> MapOf:
    type_name, entries = "", list[tuple[Node, Node]]()
    for number, _, inner in wire.fields(body):
        if number == 1:
            type_name = inner.decode()
            continue
        parts = {field: data for field, _, data in wire.fields(inner)}
        # A message literal has a field name in place of a key; it is refused by its type name.
        key = _node(parts[3]) if 3 in parts else Const(0, _STRING, parts[2].decode())
        entries.append((key, _node(parts[4])))
    return MapOf(node_id, type_name, tuple(entries))


def _comprehension(node_id: int, body: bytes) -> Comprehension:
    parts = {number: inner for number, _, inner in wire.fields(body)}
    return Comprehension(
        node_id,
        parts[1].decode(),
        _node(parts[2]),
        parts[3].decode(),
        _node(parts[4]),
        _node(parts[5]),
        _node(parts[6]),
        _node(parts[7]),
    )


def _type_text(data: bytes) -> str:
    """Return a type as text: `int`, `list<string>`, `map<string,dyn>`, a message name, `int?`."""
    field, plain, inner = next(wire.fields(data), (1, 0, b""))
    match field:
        case 2:
            return "null"
        case 3:
            return _PRIMITIVES.get(plain, "dyn")
        case 4:
            return _PRIMITIVES.get(plain, "dyn") + "?"
        case 5:
            return _WELL_KNOWN.get(plain, "dyn")
        case 6:
            return f"list<{_type_text(next(wire.fields(inner), (1, 0, b''))[2])}>"
        case 7:
            parts = {number: data for number, _, data in wire.fields(inner)}
            return f"map<{_type_text(parts.get(1, b''))},{_type_text(parts.get(2, b''))}>"
        case 9:
            return inner.decode()
        case 11:
            return "type"
        case _:
            return "dyn"


# --- Writing ------------------------------------------------------------------------------------


def write_parsed(root: Node) -> bytes:
    """Return the serialised form that `Env.deserialize` takes."""
    return wire.block(1, _PARSED_URL) + wire.block(2, wire.block(2, _written(root)))


def _written(node: Node) -> bytes:
    head = wire.number(2, node.id)
    match node:
        case Const():
            return head + wire.block(3, _written_const(node))
        case Ident():
            return head + wire.block(4, wire.block(1, node.name.encode()))
        case Select():
            body = wire.block(1, _written(node.operand)) + wire.block(2, node.field.encode())
            return head + wire.block(5, body + (wire.number(3, 1) if node.test else b""))
        case Call():
            body = b"" if node.target is None else wire.block(1, _written(node.target))
            body += wire.block(2, node.function.encode())
            return head + wire.block(
                6, body + b"".join(wire.block(3, _written(a)) for a in node.args)
            )
        case ListOf():
            return head + wire.block(
                7, b"".join(wire.block(1, _written(item)) for item in node.items)
            )
        case MapOf():
            return head + wire.block(8, _written_entries(node))
        case Comprehension():
            body = wire.block(1, node.iter_var.encode()) + wire.block(2, _written(node.iter_range))
            body += wire.block(3, node.accu_var.encode()) + wire.block(4, _written(node.accu_init))
            body += wire.block(5, _written(node.condition)) + wire.block(6, _written(node.step))
            return head + wire.block(9, body + wire.block(7, _written(node.result)))
        case _:
            assert_never(node)


def _written_const(node: Const) -> bytes:
    match node.value:
        case None:
            return wire.number(_NULL, 0)
        case bool() | int():
            return wire.number(node.field, int(node.value))
        case float():
            return wire.tag(_DOUBLE, 1) + struct.pack("<d", node.value)
        case str():
            return wire.block(_STRING, node.value.encode())
        case bytes():
            return wire.block(_BYTES, node.value)
        case _:
            assert_never(node.value)


def _written_entries(node: MapOf) -> bytes:
    return b"".join(
        wire.block(
            2,
            wire.number(1, value.id)
            + wire.block(3, _written(key))
            + wire.block(4, _written(value)),
        )
        for key, value in node.entries
    )
