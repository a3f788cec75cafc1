"""Who owns which lane of a store that several processes share: the port and what it tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from domain.ports import LaneBelief

__all__ = ["Cluster", "LaneState", "View"]


@dataclass(frozen=True, slots=True)
class LaneState:
    """A lane as everybody sees it. `owner` is "" when it was released.

    `is_overdue`: its owner has not been heard of for longer than it may be silent.
    """

    lane: int
    owner: str
    epoch: int
    head: int
    is_overdue: bool


@dataclass(frozen=True, slots=True)
class View:
    """What a process sees when it says that it lives: every lane, and who works on lanes now."""

    lanes: Sequence[LaneState]
    workers: Sequence[str]


class Cluster(Protocol):
    """Who owns which lane, by the database's clock: several processes share one store."""

    def beat(self) -> View:
        """Say that this process lives, and see the others. Called once a second."""
        ...

    def claim(self, lane: int) -> LaneBelief | None:
        """Take a lane that is released or overdue: epoch + 1, committed. None: somebody has it.

        Where a silent owner still holds the row, its connection is ended first.
        """
        ...

    def release(self, *lanes: int) -> None:
        """Give lanes away, between two batches."""
        ...

    def leave(self) -> None:
        """Release every lane and say that this process is gone."""
        ...
