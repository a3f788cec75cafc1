"""What is never undone any more, by a word of the definition: `keep` and `keep_rounds`."""

from __future__ import annotations

from domain.state import RUN_ON, UNDO_RUN, is_under, template_of
from sagas.decide import run_on
from sagas.decide.machine import Machine
from sagas.definition import Node

__all__ = ["is_for_good"]


def is_for_good(m: Machine, path: str) -> bool:
    """Whether a node lies in a block that is done and keeps what was done in it.

    Also where an answer tells only then that it was done: what may have happened was kept, too.
    """
    parts = path.split("/")
    for count in range(1, len(parts)):
        part = "/".join(parts[:count])
        block, round_ = _block_of(part)
        if part.endswith(UNDO_RUN):
            continue
        node = m.d.by_template.get(template_of(block))
        if not isinstance(node, Node):
            continue
        if node.doc.get("keep") and _is_done(m, block, path):
            return True
        if node.doc.get("keep_rounds") and _is_past(m, block, round_):
            return True
    return False


def _block_of(part: str) -> tuple[str, str]:
    """The path of a block, and the number of the round, if `part` is one."""
    name = part.rfind("/") + 1
    mark = min((i for c in "#@[" if (i := part.find(c, name)) >= 0), default=len(part))
    return part[:mark], part[mark + 1 :] if part[mark : mark + 1] == "#" else ""


def _is_done(m: Machine, block: str, path: str) -> bool:
    there = m.c.nodes.get(block)
    if there is not None:
        on = run_on.still_open(m, block) if there.branch == RUN_ON else [block]
        return not any(is_under(path, part) for part in on)
    trail = m.c.trail.get(block)
    # Forgotten with the round, item or run around it: one that was stopped has undone its entries.
    return trail is None or trail.state == "done"


def _is_past(m: Machine, repeat: str, round_: str) -> bool:
    there = m.c.nodes.get(repeat)
    if there is not None:
        return str(there.round) != round_
    return _is_done(m, repeat, repeat)
