"""The mail from a commitment to the throttles of its steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from uuid import UUID

from domain import events as ev
from domain.commitment import Commitment
from domain.events import Event
from domain.ids import throttle_id
from domain.messages import DropTurn, Message, TakeTurn

__all__ = ["turn_mail"]


def turn_mail(
    before: Commitment | None, after: Commitment, events: Sequence[Event]
) -> Iterator[tuple[UUID, Message]]:
    """Requests that stand, and the withdrawal of those that do no more and had no answer.

    A place is gone in many ways, each of which closes its node: so it is looked for in the states.
    """
    if not after.places and (before is None or not before.places):
        return
    own = str(after.id)
    if before is not None and before.places:
        answers = (ev.TurnGiven, ev.TurnRefused)
        answered = {event.node for event in events if isinstance(event, answers)}
        for node, place in before.places.items():
            now = after.places.get(node)
            if node not in answered and (now is None or now.ask != place.ask):
                stream = throttle_id(after.tenant, place.throttle, place.key)
                yield stream, DropTurn(own, node, place.ask)
    if not after.places:
        return
    for event in events:
        if not isinstance(event, ev.TurnWanted):
            continue
        place = after.places.get(event.node)
        if place is not None and place.ask == event.originator_version:
            wanted = TakeTurn(
                after.tenant, event.throttle, event.key, own, event.node,
                event.originator_version, event.max, event.per_us,
            )  # fmt: skip
            yield throttle_id(after.tenant, event.throttle, event.key), wanted
