"""Parts of a definition while it is traced, and their final form as JSON with paths and lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, cast

from ._schema import Json, JsonObject

__all__ = ["Part", "PartKind", "document_of", "lines_of"]

PartKind = Literal["node", "branch", "clause", "handler", "root"]


@dataclass(eq=False, slots=True)
class Part:
    """A node, a branch, a clause of on_failure, a handler, or the root scope.

    Members are JSON, or parts, or lists of parts (flows, branches, clauses, handlers).
    """

    kind: PartKind
    name: str | None
    line: int
    members: dict[str, Any] = field(default_factory=dict[str, Any])

    def give(self, **members: Any) -> Part:
        """Add the members that are not None, and return the part."""
        self.members |= {name: value for name, value in members.items() if value is not None}
        return self

    def flow(self, member: str = "flow") -> list[Part]:
        """The list of parts under a member; it is made when first asked for."""
        return cast(list[Part], self.members.setdefault(member, []))


_ALWAYS = frozenset({"flow", "branches", "else"})


def document_of(part: Part) -> JsonObject:
    """The part as JSON; empty lists of clauses and handlers are left out."""
    shown: JsonObject = {}
    for name, value in part.members.items():
        if isinstance(value, Part):
            shown[name] = document_of(value)
        elif _is_parts(value):
            shown[name] = [document_of(inner) for inner in cast(list[Part], value)]
        elif value != [] or name in _ALWAYS:
            shown[name] = cast(Json, value)
    return shown


def lines_of(part: Part, base: str = "") -> dict[str, int]:
    """The line of every node and handler by its path, in document order."""
    path = base
    lines: dict[str, int] = {}
    # Clauses of on_failure lie directly in their scope, whatever they are called.
    if part.name is not None and part.kind not in ("clause", "root"):
        path = f"{base}/{part.name}" if base else part.name
        lines[path] = part.line
    for value in part.members.values():
        if isinstance(value, Part):
            lines |= lines_of(value, path)
        elif _is_parts(value):
            for inner in cast(list[Part], value):
                lines |= lines_of(inner, path)
    return lines


def _is_parts(value: object) -> bool:
    items = cast(list[object], value) if isinstance(value, list) else []
    return bool(items) and isinstance(items[0], Part)
