"""A definition in a few lines, a node each: what somebody reads who looks into a walk."""

from __future__ import annotations

from typing import Any

__all__ = ["outline"]

Json = Any
_FLOWS = ("flow", "else", "undo_flow")
_PARTS = ("branches", "on_failure", "handlers", "updates")
_UNSAID = frozenset({
    "node", "name", "contract", "contracts", "retry", "args", "key", "events", "calendars", "input",
    "troth", "saga", "version", "schemas", "starts_on", "on", *_FLOWS, *_PARTS,
})  # fmt: skip


def outline(document: Json) -> str:
    """Its nodes, each with what its kind leaves open; what lies in one is set in."""
    return "\n".join(_part("saga", document, 0))


def _part(word: str, part: Json, depth: int) -> list[str]:
    said = [f"{name}={_short(name, v)}" for name, v in part.items() if name not in _UNSAID]
    lines = ["  " * depth + " ".join(filter(None, [word, part.get("name", ""), *said]))]
    if isinstance(part.get("on"), dict):
        lines += _part(part["on"]["node"], part["on"], depth + 1)
    for member in _FLOWS:
        if member != "flow" and part.get(member):
            lines.append("  " * (depth + 1) + member)
        for node in part.get(member, ()):
            lines += _part(node["node"], node, depth + 1 + (member != "flow"))
    for member in _PARTS:
        for below in part.get(member, ()):
            lines += _part(member, below, depth + 1)
    return lines


def _short(name: str, value: Json) -> Json:
    if name == "undo" and isinstance(value, dict):
        return value.get("when", "yes")
    return value
