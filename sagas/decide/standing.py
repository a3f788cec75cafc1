"""Open nodes that are looked at after every move: found once in a decide, then by its events."""

from __future__ import annotations

from collections.abc import Callable

from domain.state import Instance
from sagas.decide.machine import Machine

__all__ = ["standing"]


def standing(m: Machine, what: str, wanted: Callable[[str, Instance], bool]) -> list[str]:
    """The paths of open nodes that are `wanted`, which `what` names: it must always be the same.

    All nodes are read once in a decide. Later only those of the events since then are, for an event
    that opens a node names it: a commitment may have thousands, and make as many moves.
    """
    nodes = m.c.nodes
    read, paths = m.standing.get(what, (-1, []))
    if read < 0:
        paths = [path for path, instance in nodes.items() if wanted(path, instance)]
    else:
        named = [vars(event).get("node") for event in m.events[read:]]
        known = dict.fromkeys([*paths, *(path for path in named if path is not None)])
        paths = [path for path in known if path in nodes and wanted(path, nodes[path])]
    m.standing[what] = (len(m.events), paths)
    return paths
