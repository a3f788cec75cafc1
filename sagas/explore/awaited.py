"""What a commitment waits for, and which answers may still come though nobody waits for them."""

from __future__ import annotations

from collections.abc import Iterator

from domain.commitment import Commitment
from domain.ids import effect_id
from domain.state import Effect, in_flight, template_of

__all__ = ["awaited", "may_be_late"]


def may_be_late(c: Commitment, effect: Effect) -> bool:
    """Whether an attempt without an answer may still say done, and that changes anything."""
    is_open = effect.unanswered or effect.doubtful
    if not is_open or effect.state in ("started", "done"):
        return False
    if effect.kind == "undo" or in_flight(effect):
        return True
    undo = c.effects.get(effect_id(c.id, effect.node, "undo"))
    return undo is None or undo.state != "done"


def awaited(c: Commitment) -> Iterator[tuple[str, str]]:
    """The names of all that a commitment at rest waits for: what it is, and its name."""
    for effect in c.effects.values():
        if effect.state == "unknown" and effect.next == "ask":
            yield "outcome", template_of(effect.node)
        elif in_flight(effect):
            yield "participant", effect.participant
    for path, instance in c.nodes.items():
        if instance.asked is not None and not instance.branch:
            yield "decision", template_of(path)
        elif instance.task is not None:
            yield "task", template_of(path)
    yield from (("event", type_) for sub in c.subs.values() for type_ in sub.types)
    yield from (("time", template_of(t.rpartition(":")[0]) or "of the saga") for t in c.timers)
    yield from (("child", child.saga) for child in c.children.values())
    yield from (("lock", hold.lock) for hold in c.locks.values() if hold.fence is None)
    yield from (("throttle", place.throttle) for place in c.places.values())
    yield from (("debt", template_of(debt.node) or "of the saga") for debt in c.debts.values())
