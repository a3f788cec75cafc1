"""The lanes one process owns, as it believes them to be in the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from domain.ports import LaneBelief

__all__ = ["Owned"]


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

    def head(self, lane: int) -> int | None:
        """The head of a lane; None where somebody else owns it."""
        belief = self.beliefs.get(lane)
        return None if belief is None else belief.head
