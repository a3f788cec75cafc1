"""What is never undone any more, by a word of the definition: `keep` and `keep_rounds`."""

from __future__ import annotations

from collections.abc import Sequence

from domain import events as ev
from domain.state import RUN_ON, UNDO_RUN, is_under, paths_around, round_of, template_of
from sagas.decide import run_on
from sagas.decide.machine import Machine
from sagas.definition import Node

__all__ = [
    "block_is_over", "is_being_undone", "is_for_good", "part_has_stopped", "part_is_over",
    "round_is_over",
]  # fmt: skip


def block_is_over(m: Machine, path: str, node: Node, going: Sequence[str] = ()) -> None:
    """`keep: true`: what was done in a block that completes is never undone.

    With `keep_rounds` nor is what a round had done that has not come to its own end.
    `going`: its branches or items that run on; what they do is kept once they are over.
    """
    if node.doc.get("keep") or node.doc.get("keep_rounds"):
        _seal(m, path, going)


def part_is_over(m: Machine, path: str, node: Node) -> None:
    """The same of what ran on in a block, be it this block that keeps it or one around it."""
    if node.doc.get("keep") or is_for_good(m, path):
        _seal(m, path, ())


def round_is_over(m: Machine, path: str, round_: str) -> None:
    """`keep_rounds`: the same of a round; `path` is that of its repeat."""
    _seal(m, path, (), round_)


def _seal(m: Machine, path: str, going: Sequence[str], part: str = "") -> None:
    """Drop what is done in a block, or in a part of it. Not yet in `going`, and what runs on."""
    part = part or path
    later = {*going, *run_on.all_open(m, part)}
    dropped = [
        p for p, e in m.c.entries.items()
        if e.state == "open" and is_under(p, part) and not is_being_undone(m, p)
        and not any(is_under(p, t) for t in later)
    ]  # fmt: skip
    if dropped:
        m.emit(ev.UndoSealed, node=path, dropped=dropped)


def is_being_undone(m: Machine, path: str) -> bool:
    """Whether it lies in a part that undoes itself; an `undo` is only of what was done then."""
    return any(
        is_under(path, t) and path in part.cause.get("paths", (path,))
        for t, part in m.c.undoing.items()
    )  # fmt: skip


def is_for_good(m: Machine, path: str) -> bool:
    """Whether a node lies in a block that is done and keeps what was done in it.

    Also where an answer tells only then that it was done: what may have happened was kept, too.
    """
    return _keeper(m, path) is not None


def part_has_stopped(m: Machine, target: str) -> None:
    """What ran on in a block that keeps it is over, too, where a part stops and undoes nothing."""
    if not m.d.has_run_on:
        return
    found: dict[str, list[str]] = {}
    for path, entry in m.c.entries.items():
        if entry.state == "open" and is_under(path, target) and not is_being_undone(m, path):
            block = _keeper(m, path)
            if block is not None:
                found.setdefault(block, []).append(path)
    for block, dropped in found.items():
        m.emit(ev.UndoSealed, node=block, dropped=dropped)


def _keeper(m: Machine, path: str) -> str | None:
    """The outermost block around a node that keeps what was done there."""
    for part in paths_around(path):
        block, round_ = _block_of(part)
        if part.endswith(UNDO_RUN):
            continue
        node = m.d.by_template.get(template_of(block))
        if not isinstance(node, Node):
            continue
        if node.doc.get("keep") and _is_done(m, block, path):
            return block
        if node.doc.get("keep_rounds") and _is_past(m, block, round_):
            return block
    return None


def _block_of(part: str) -> tuple[str, str]:
    """The path of a block, and the number of the round, if `part` is one."""
    name = part.rfind("/") + 1
    mark = min((i for c in "#@[" if (i := part.find(c, name)) >= 0), default=len(part))
    return part[:mark], part[mark + 1 :] if part[mark : mark + 1] == "#" else ""


def _is_done(m: Machine, block: str, path: str) -> bool:
    there = m.c.nodes.get(block)
    if there is not None and there.branch != RUN_ON:
        return False
    if any(is_under(path, part) for part in run_on.all_open(m, block)):
        return False
    if there is not None:
        return True
    trail = m.c.trail.get(block)
    # Forgotten with the round, item or run around it, where that was done.
    return trail is None or trail.state == "done"


def _is_past(m: Machine, repeat: str, round_: str) -> bool:
    there, trail = m.c.nodes.get(repeat), m.c.trail.get(repeat)
    if there is not None:
        return str(round_of(there)) != round_
    if trail is not None and trail.round:  # what stopped was the last one: it was not over
        return str(trail.round) != round_
    return _is_done(m, repeat, repeat)
