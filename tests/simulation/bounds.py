"""Bounds that flows declare: rounds of a repeat, items beside each other, runs of a handler."""

from __future__ import annotations

from domain.commitment import Commitment
from domain.state import Instance, template_of
from sagas.definition import Definition, Handler, Node

__all__ = ["beyond"]


def beyond(definition: Definition | None, c: Commitment) -> str | None:
    """What a commitment does more of at once, or more often, than it declares."""
    assert definition is not None
    for path, instance in c.nodes.items():
        node = definition.by_template.get(template_of(path))
        if isinstance(node, Node):
            found = _of_block(c, path, node, instance)
            if found is not None:
                return f"{c.saga} {c.key}: {found}"
    for path, runs in c.runs.items():
        handler = definition.by_template.get(template_of(path))
        if not isinstance(handler, Handler):
            continue
        if runs > handler.max:
            return f"{c.saga} {c.key}: {path} ran {runs} times, not {handler.max}"
        if not handler.interrupt and (beside := _open(c, f"{path}@")) > handler.width:
            return f"{c.saga} {c.key}: {beside} runs of {path} beside each other"
    return None


def _of_block(c: Commitment, path: str, node: Node, instance: Instance) -> str | None:
    if node.kind == "repeat" and instance.round > node.doc.get("max", instance.round):
        return f"{path} is in round {instance.round} of {node.doc['max']}"
    if node.kind == "for_each" and "width" in node.doc:
        beside = _open(c, f"{path}[") - sum(
            f"{path}[{key}]" in c.nodes for key in instance.branches
        )
        if beside > node.doc["width"]:
            return f"{path} has {beside} items open, not {node.doc['width']}"
    return None


def _open(c: Commitment, start: str) -> int:
    """Runs or items that are open: paths of their own, not what lies in them."""
    return sum(path.startswith(start) and "/" not in path[len(start) :] for path in c.nodes)
