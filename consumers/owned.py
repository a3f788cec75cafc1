"""The lanes one process owns, as it believes them to be in the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from domain.ports import LaneBelief, LaneLost, Store

__all__ = ["Owned", "next_due_us", "read_owned", "read_parked"]


@dataclass(frozen=True, slots=True)
class Owned:
    """What is believed of each lane, in order of lane. `incarnation` is the store's."""

    beliefs: Mapping[int, LaneBelief]
    incarnation: int

    @classmethod
    def of(cls, beliefs: Iterable[LaneBelief], incarnation: int = 0) -> Owned:
        """These lanes; the incarnation is theirs, or the one given where there are none."""
        found = {belief.lane: belief for belief in sorted(beliefs, key=lambda b: b.lane)}
        known = max((belief.incarnation for belief in found.values()), default=incarnation)
        return cls(found, known)

    @property
    def lanes(self) -> tuple[int, ...]:
        return tuple(self.beliefs)

    @property
    def clock_us(self) -> int:
        """The latest time of any of them: what is accepted now is not before it."""
        return max((belief.clock_us for belief in self.beliefs.values()), default=0)

    @property
    def heads(self) -> dict[int, int]:
        """The position of the last event of each lane."""
        return {lane: belief.head for lane, belief in self.beliefs.items()}


def read_owned(store: Store, lanes: Iterable[int]) -> Owned:
    """These lanes as the store holds them, without those that somebody else has by now.

    Raises StoreFailed.
    """
    beliefs: list[LaneBelief] = []
    for lane in sorted(lanes):
        try:
            beliefs.append(store.belief(lane))
        except LaneLost:
            continue
    return Owned.of(beliefs, store.incarnation)


def read_parked(store: Store, owned: Owned) -> Sequence[tuple[UUID, str]]:
    """The streams of these lanes that were set aside, with the reason.

    Raises LaneLost and StoreFailed.
    """
    if not owned.lanes:
        return ()
    tx = store.begin(*owned.beliefs.values())
    try:
        return tx.parked()
    finally:
        tx.rollback()


def next_due_us(store: Store, owned: Owned) -> int | None:
    """When something of these lanes is due next. Raises StoreFailed."""
    return store.next_due_us(*owned.lanes) if owned.lanes else None
