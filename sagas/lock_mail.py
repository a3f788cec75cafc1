"""The mail from a commitment to the locks it wants, derived from the events of a decide."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from domain import events as ev
from domain.commitment import Commitment
from domain.events import Event
from domain.ids import lock_id
from domain.messages import Acquire, Message, Release

__all__ = ["TO_LOCKS", "lock_mail"]

TO_LOCKS = frozenset({ev.LockWanted, ev.LockReleased})
"""The events that say something to a lock."""


def lock_mail(c: Commitment, event: Event) -> Iterator[tuple[UUID, Message]]:
    """What an event says to the stream of a lock."""
    match event:
        case ev.LockWanted():
            wanted = Acquire(
                c.tenant, event.lock, str(c.id), event.node, event.originator_version, event.undo,
                event.permits,
            )  # fmt: skip
            yield lock_id(c.tenant, event.lock), wanted
        case ev.LockReleased():
            yield lock_id(c.tenant, event.lock), Release(str(c.id), event.node, event.ask)
        case _:
            pass
