"""The rows of the views again, folded from the events of one stream alone; and what must hold.

A rebuild writes these rows, doctor compares them with those that were written with the events.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from domain import events as ev
from domain.commitment import Commitment
from domain.events import Event
from domain.key_stream import KeyStream
from domain.ports import ViewRow
from domain.state import in_flight
from projections import current_step, parked_events
from projections.current_step import Shape

__all__ = ["faults_of", "fold", "view_rows"]

Fold = Commitment | KeyStream | Any


def fold(events: Sequence[Event]) -> Fold:
    """The aggregate that these events, all of one stream from the first, lead to."""
    state: Any = None
    for event in events:
        state = event.mutate(state)
    return state


def view_rows(
    shape_of: Callable[[str], Shape | None], state: Fold, events: Sequence[Event],
    *, lane: int, position: int,
) -> list[ViewRow]:  # fmt: skip
    """All rows that a stream has in the views.

    Args:
        shape_of: the definition of a hash.
        state: what the events lead to.
        events: of the stream, from the first to the last.
        lane: where the stream lives.
        position: of its last event there.

    Raises KeyError for a commitment whose definition is not known.
    """
    if isinstance(state, KeyStream):
        return parked_events.all_rows(state)
    if not isinstance(state, Commitment):
        return []
    shape = shape_of(state.definition)
    if shape is None:
        raise KeyError(state.definition)
    return current_step.rows(shape, None, state, events, position=position, lane=lane)


def faults_of(state: Fold, events: Sequence[Event]) -> list[str]:
    """What contradicts the promise on undoing, judged from the record of a commitment.

    Nothing is undone twice. After an end other than fulfilled nothing stands that was to be undone,
    and no effect's outcome is open after any end.
    """
    if not isinstance(state, Commitment):
        return []
    found: list[str] = []
    undone: set[str] = set()
    for event in events:
        if isinstance(event, ev.EffectDone) and event.kind == "undo":
            if event.effect in undone:
                found.append(f"{event.node} was undone twice, version {event.originator_version}")
            undone.add(event.effect)
    if not state.is_over:
        return found
    found += [f"{effect.node} is {effect.state} after the end" for effect in state.effects.values()
              if in_flight(effect)]  # fmt: skip
    if state.status != "fulfilled":
        found += [f"{path} stands after the end" for path in state.entries]
    return found
