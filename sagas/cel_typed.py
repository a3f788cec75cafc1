"""The types that the check found, laid over the parsed tree."""

from __future__ import annotations

from domain.canonical import Json
from sagas.cel_errors import ExprError
from sagas.cel_reads import Path, path_of
from sagas.cel_syntax import Call, Comprehension, Const, ListOf, MapOf, Node, Tree, children
from sagas.cel_types import CelTypes
from sagas.schema_fit import declared
from sagas.schema_refs import closest

__all__ = ["Typed", "all_nodes", "kind_of"]


class Typed:
    """The parsed tree with the types of the checked one; the two share their offsets."""

    def __init__(
        self,
        tree: Tree,
        by_place: dict[tuple[int, str], str],
        ranges: dict[int, str],
        types: CelTypes,
        paths: dict[Path, Json],
    ) -> None:
        self._tree = tree
        self._by_place = by_place
        self._ranges = ranges
        self._types = types
        self._paths = paths

    def _type(self, node: Node) -> str:
        return self._by_place.get((self._tree.offsets.get(node.id, -1), kind_of(node)), "dyn")

    def double_sums(self) -> frozenset[int]:
        return frozenset(
            node.id
            for node in all_nodes(self._tree.root)
            if isinstance(node, Call) and node.function == "sum" and self._type(node) == "double"
        )

    def lists(self) -> frozenset[int]:
        return frozenset(
            node.id
            for node in all_nodes(self._tree.root)
            if isinstance(node, Comprehension)
            and self._ranges.get(self._tree.offsets.get(node.id, -1), "dyn").startswith("list<")
        )

    def schema_of(self, node: Node) -> Json:
        """Return the best schema known for what `node` yields; raises ExprError (type)."""
        path = path_of(node)
        if path is not None and path in self._paths:
            return self._paths[path]
        match node:
            case Const(value=str() | bool() | int() | None as value, field=kind) if kind != _UINT:
                return {"const": value}
            case MapOf() if all(isinstance(key, Const) for key, _ in node.entries):
                members = {_key(key): self.schema_of(value) for key, value in node.entries}
                required: list[Json] = list(members)
                return {
                    "type": "object",
                    "properties": members,
                    "required": required,
                    "additionalProperties": False,
                }
            case ListOf(items=(first, *rest)):
                items = self.schema_of(first)
                if all(self.schema_of(item) == items for item in rest):
                    return {"type": "array", "items": items}
                return self._types.schema_of(self._type(node))
            case _:
                return self._types.schema_of(self._json_type(self._type(node)))

    def _json_type(self, type_text: str) -> str:
        if type_text in ("duration", "bytes", "type", "uint"):
            raise ExprError("type", f"{type_text} is not JSON{_JSON_HINTS.get(type_text, '')}")
        return type_text

    def check_literals(self) -> None:
        """Check what the signatures leave open: an object put where declared objects are."""
        for node in all_nodes(self._tree.root):
            match node:
                case Call(
                    target=None, function="append" | "put" as name, args=(*_, MapOf() as new)
                ):
                    self._check_literal(name, node, new)
                case Call(target=None, function="index_by", args=(_, Const(value=str() as prop))):
                    self._check_index(node, prop)
                case _:
                    pass

    def _check_literal(self, name: str, node: Call, new: MapOf) -> None:
        whole = self._types.schema_of(self._type(node))
        inner = whole.get("items", whole.get("additionalProperties", {}))
        problem = self._types.schemas.fits(self.schema_of(new), inner)
        if problem is not None:
            raise ExprError("type", f"{name}(): {problem}")

    def _check_index(self, node: Call, prop: str) -> None:
        element = self._types.schema_of(self._type(node)).get("additionalProperties")
        known = declared(element) if isinstance(element, dict) else {}
        if known and prop not in known:
            raise ExprError("name", f"index_by(): no such field `{prop}`{closest(prop, known)}")


_UINT = 4
_JSON_HINTS = {"duration": ": use string(x)", "uint": ": write 1 for 1u, or int(x)"}


def _key(node: Node) -> str:
    value = node.value if isinstance(node, Const) else None
    if not isinstance(value, str):
        raise ExprError("type", f"a key of an object must be text, got {value!r}")
    return value


def all_nodes(root: Node) -> list[Node]:
    """Return every node of a tree."""
    found: list[Node] = []
    waiting = [root]
    while waiting:
        node = waiting.pop()
        found.append(node)
        waiting.extend(children(node))
    return found


def kind_of(node: Node) -> str:
    """Return what tells nodes at one offset apart."""
    return node.function if isinstance(node, Call) else type(node).__name__
