"""Whom a commit concerns beyond its own process."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Told"]


@dataclass(slots=True)
class Told:
    """Lanes of others that got mail, participants with new work, processes that got an answer."""

    lanes: set[int] = field(default_factory=set[int])
    participants: set[str] = field(default_factory=set[str])
    askers: set[str] = field(default_factory=set[str])

    def __bool__(self) -> bool:
        return bool(self.lanes or self.participants or self.askers)

    def add(self, other: Told) -> None:
        """Take in another one."""
        self.lanes |= other.lanes
        self.participants |= other.participants
        self.askers |= other.askers
