"""How far a partition is done: what may be committed while commands end in any order. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

__all__ = ["Offsets", "Slot"]


class Offsets:
    """The open commands of one partition, since it was assigned."""

    __slots__ = ("_done", "_open", "_told", "next")

    def __init__(self) -> None:
        self._open: deque[int] = deque()
        self._done: set[int] = set()
        self._told: int | None = None
        self.next: int | None = None
        """The offset to commit: everything below it is done. None before anything is."""

    def take(self, offset: int) -> Slot:
        """A command was read. Offsets rise; gaps are none of ours."""
        self._open.append(offset)
        return Slot(self, offset)

    def settle(self, offset: int) -> None:
        """It needs no second look: answered and acknowledged, or nothing to answer."""
        self._done.add(offset)
        while self._open and self._open[0] in self._done:
            first = self._open.popleft()
            self._done.discard(first)
            self.next = first + 1

    @property
    def dirty(self) -> bool:
        """There is something new to commit."""
        return self.next != self._told

    def committed(self, offset: int) -> None:
        """This was committed."""
        self._told = offset

    @property
    def open(self) -> int:
        """Commands that were read and are not done, or stand behind such."""
        return len(self._open)


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of one command in its partition."""

    offsets: Offsets
    offset: int

    def settle(self) -> None:
        """See Offsets.settle."""
        self.offsets.settle(self.offset)
