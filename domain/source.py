"""A log outside, as the intake reads it: partitions of topics, each in the order of its offsets.

The port of Kafka as input; `adapters.kafka.source` fills it, tests have one in memory.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from domain.ports import Cursor

__all__ = ["Arrival", "Ends", "Lost", "Part", "Source", "SourceDown"]


class SourceDown(Exception):
    """The broker cannot be reached or refuses: try again later."""


class Part(NamedTuple):
    """A partition of a topic."""

    topic: str
    number: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """A record as it was read. `cursor` is where reading goes on behind it.

    `at_us` is the time the broker gave it. Headers are in their order, names may repeat. `fault`
    says why it cannot be read, if it cannot.
    """

    part: Part
    cursor: Cursor
    at_us: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    fault: str | None = None

    @property
    def size(self) -> int:
        return len(self.key or b"") + len(self.value or b"")


@dataclass(frozen=True, slots=True)
class Lost:
    """Records that were gone before they were read: from `offset` up to before `earliest`."""

    part: Part
    topic_id: str
    offset: int
    earliest: int


@dataclass(frozen=True, slots=True)
class Ends:
    """Where the partitions ended, observed after `at_us`."""

    at_us: int
    offsets: Mapping[Part, int]


class Source(Protocol):
    """Reads the partitions it was given. Every method but `parts_of` may raise SourceDown."""

    def parts_of(self, lanes: Collection[int]) -> Sequence[Part]:
        """The partitions of every input that belong to these lanes."""
        ...

    async def open(self) -> None:
        """Connect. Reading goes on where it was when the connection was lost."""
        ...

    async def own(self, parts: Mapping[Part, Cursor | None]) -> None:
        """Read these partitions and no others.

        A new one begins at its cursor (None: at the earliest record); one that is read already
        goes on where it is.
        """
        ...

    async def poll(self, timeout_s: float) -> Sequence[Arrival]:
        """What came, in order for each partition; empty after the time."""
        ...

    def pause(self, parts: Collection[Part]) -> None:
        """Read exactly these no further for now."""
        ...

    async def ends(self) -> Ends: ...

    async def reached(self, part: Part) -> int:
        """The offset up to which everything of a partition was handed out by `poll`."""
        ...

    @property
    def lost(self) -> Mapping[Part, Lost]:
        """Partitions that are not read, because records were gone."""
        ...

    async def note(self, cursors: Collection[Cursor]) -> None:
        """Tell monitoring tools how far it was read; nothing else depends on it."""
        ...

    async def close(self) -> None: ...
