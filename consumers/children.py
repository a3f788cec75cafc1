"""What registering knows of children beyond one document: which sagas there are."""

from __future__ import annotations

from typing import Any

from consumers.registry import Registry
from domain.errors import code_of
from sagas.definition import Definition, Node

__all__ = ["child_faults"]

Json = Any
SAGAS_MAX = 1_000
"""Sagas that are looked through for one that starts the first one again."""


def child_faults(registry: Registry, definition: Definition) -> list[dict[str, Json]]:
    """Faults of children that one document does not show.

    def.child: nobody registered it; def.revoke: it has a pivot, or would have one from this version
    on; def.recursion: a circle of starts.
    """
    faults: list[dict[str, Json]] = []
    for node in definition.by_name.values():
        if node.kind == "child" and node.doc["saga"] != definition.saga:
            faults += _unknown(registry, node) or _unrevoked(registry, node)
    faults += _no_more_revoked(registry, definition)
    circle = _circle(registry, definition)
    if circle:
        way = " starts ".join([*circle, definition.saga])
        faults.append(_fault("def.recursion", None, f"{way}, always: give one of them a when"))
    return faults


def _unknown(registry: Registry, node: Node) -> list[dict[str, Json]]:
    saga, version = node.doc["saga"], node.doc.get("version")
    if registry.of_saga(saga, version) is not None:
        return []
    which = f"{saga} version {version}" if version is not None else saga
    return [_fault("def.child", node, f"child {node.name} starts {which}: it is not registered")]


def _unrevoked(registry: Registry, node: Node) -> list[dict[str, Json]]:
    """A child that undoes itself has no pivot, in the version that is the latest now."""
    from sagas.checks.children import cannot_be_revoked, pivot_in
    from sagas.checks.tree import Document

    found = registry.of_saga(node.doc["saga"], node.doc.get("version"))
    pivot = pivot_in(Document(found.document)) if node.is_revoked and found else None
    if pivot is None:
        return []
    return [_fault("def.revoke", node, cannot_be_revoked(node.name, pivot))]


def _no_more_revoked(registry: Registry, child: Definition) -> list[dict[str, Json]]:
    """A saga gains a pivot, and another one, as it is now, starts its latest version to revoke it.

    Runs of older versions of that one start it too; they hear of the pivot when they ask.
    """
    from sagas.checks.children import pivot_in
    from sagas.checks.tree import Document

    before = registry.of_saga(child.saga)
    if before is None or before.version > child.version:
        return []
    parents = [
        (parent, node)
        for parent in registry.latest() if parent.saga != child.saga
        for node in parent.by_name.values()
        if node.kind == "child" and node.doc["saga"] == child.saga
        and "version" not in node.doc and node.is_revoked
    ]  # fmt: skip
    pivot = pivot_in(Document(child.document)) if parents else None
    return [] if pivot is None else [
        _fault("def.revoke", None, f"{parent.saga} version {parent.version} revokes its child "
               f"{node.name}, and step {pivot} of {child.saga} is a pivot: give that child another "
               "on_undo first, or a version")
        for parent, node in parents
    ]  # fmt: skip


def _circle(registry: Registry, definition: Definition) -> list[str]:
    """The sagas on a way of starts without a guard that leads back, from the first one on."""
    # The checks load the type checker of expressions: only where a definition comes in.
    from sagas.checks.children import always_started
    from sagas.checks.tree import Document

    ways: list[list[str]] = [[definition.saga]]
    seen: set[str] = set()
    while ways and len(seen) < SAGAS_MAX:
        way = ways.pop()
        found = definition if len(way) == 1 else registry.of_saga(way[-1])
        for saga in always_started(Document(found.document)) if found is not None else ():
            if saga == definition.saga and len(way) > 1:
                return way
            if saga not in seen:
                seen.add(saga)
                ways.append([*way, saga])
    return []


def _fault(alias: str, node: Node | None, message: str) -> dict[str, Json]:
    fault = {"code": code_of(alias).number, "alias": alias, "message": message}
    return fault if node is None else {**fault, "node": node.template}
