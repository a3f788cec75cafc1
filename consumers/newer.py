"""Streams that were set aside because an older release could not read them.

No person is needed for them: the first process that can read one lets it go on.
"""

from __future__ import annotations

from uuid import UUID

from consumers.collected import Parts
from consumers.owned import Owned, read_parked
from domain.newer import NEWER
from domain.ports import LaneWrite, Store

__all__ = ["go_on"]

RELEASED_MAX = 500
"""Streams in one transaction."""


def go_on(store: Store, owned: Owned, parts: Parts) -> tuple[Owned, dict[UUID, int]]:
    """Release what this release can read: the lanes after that, and what is still set aside.

    Raises LaneLost and StoreFailed.
    """
    parked = read_parked(store, owned)
    later = [stream for stream, reason in parked if reason == NEWER]
    for first in range(0, len(later), RELEASED_MAX):
        tx = store.begin(*owned.beliefs.values())
        try:
            some = later[first : first + RELEASED_MAX]
            found = [s for s in some if parts.core.can_go_on(parts.streams.peek(tx, s))]
            if not found:
                tx.rollback()
                continue
            after = tx.write(LaneWrite(released_streams=found), clock_us=owned.clock_us)
            tx.commit()
        except BaseException:
            tx.rollback()
            raise
        owned = Owned.of(after, owned.incarnation)
        gone = set(found)
        parked = [one for one in parked if one[0] not in gone]
    parts.later = {stream for stream, reason in parked if reason == NEWER}
    return owned, dict.fromkeys((stream for stream, _ in parked), 0)
