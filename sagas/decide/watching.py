"""`while` of scopes: read after every move; false, the scope fails (semantics section 3)."""

from __future__ import annotations

from domain.state import is_under, template_of
from sagas.decide import failures
from sagas.decide.machine import Machine, error_of, join_path
from sagas.decide.standing import standing
from sagas.definition import Node

__all__ = ["look"]

_ENDING = ("clause:", "handler:")


def look(m: Machine) -> None:
    """Fail every open scope, the outermost first, whose condition does not hold any more."""
    if m.c.is_over or m.c.paused or m.c.held is not None:
        return
    for scope in m.d.watched:
        for path in _instances(m, scope):
            if _is_watched(m, path) and not m.truth(
                scope.x["while"], join_path(path, "_"), None, path
            ):
                text = f"{scope.doc['while']} does not hold"
                failures.fail_inside(m, path, scope, error_of("deadline", "while", text, path))


def _instances(m: Machine, scope: Node) -> list[str]:
    if scope.parent is None:
        return [""]
    template = scope.template
    return sorted(standing(m, template, lambda p, _: p != "" and template_of(p) == template))


def _is_watched(m: Machine, path: str) -> bool:
    """As long as its main flow and the runs beside it, and not while that stops or undoes."""
    if path in m.c.stops or not failures.is_open(m, path):
        return False
    if any(is_under(path, target) for target in m.c.undoing):
        return False
    if any(debt.node == path for debt in m.c.debts.values()):
        return False  # past a pivot: it waits for a person already
    instance = m.c.nodes.get(path)
    return not ((instance.branch if instance is not None else None) or "").startswith(_ENDING)
