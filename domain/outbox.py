"""What the relay reads, and where it publishes: ports of the database and of the broker."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

__all__ = [
    "Letter", "Message", "Offer", "Outbox", "Placed", "Relayed", "Row", "Sink", "SinkDown",
]  # fmt: skip

Json = Any


class SinkDown(Exception):
    """The broker did not acknowledge."""


@dataclass(frozen=True, slots=True)
class Message:
    """A record to publish. `spare` is published instead where it is too large for the topic."""

    topic: str
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]] = ()
    spare: Message | None = None


Placed = tuple[Message, int, int]
"""A message with the lane and the position that it tells of."""


@dataclass(frozen=True, slots=True)
class Row:
    """A stored event; `state` None where its stream is of no commitment."""

    lane: int
    position: int
    stream: UUID
    version: int
    topic: str
    state: bytes | None


@dataclass(frozen=True, slots=True)
class Offer:
    """An attempt that waits for a participant. `body` is its claim (docs/format.md section 7)."""

    lane: int
    position: int
    effect: str
    stream: UUID
    participant: str
    contract: str
    needs_start: bool
    body: Json


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter of the store."""

    id: int
    at_us: int
    tenant: str
    source: str
    event_id: str
    code: str
    detail: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Relayed:
    """Which pushed attempts are due again: of these lanes, by now, with this backoff."""

    lanes: Sequence[int]
    now_us: int
    first_s: float
    cap_s: float


class Outbox(Protocol):
    """The database as the relay reads it. Every method raises StoreFailed, StoreConflict."""

    async def positions(self, lanes: Sequence[int]) -> Mapping[int, int]:
        """How far each lane was published."""
        ...

    async def read(self, after: Mapping[int, int], limit: int) -> Sequence[Row]:
        """The next events of each lane, in order, at most `limit` of each."""
        ...

    async def offers(self, effects: Sequence[str]) -> Sequence[Offer]:
        """The attempts of these effects that are offered now."""
        ...

    async def pushed(self, effects: Sequence[str], now_us: int) -> Collection[str]:
        """Say of offered attempts that they are published for somebody to act on.

        Gives those of which it can be said: nobody had reserved them.
        """
        ...

    async def passed(self, positions: Mapping[int, int]) -> None:
        """Everything up to here was acknowledged."""
        ...

    async def unanswered(self, due: Relayed, limit: int) -> Sequence[Offer]:
        """Pushed attempts with neither a start nor a reply, whose backoff is over."""
        ...

    async def letters(self, after: int, but: Sequence[int], limit: int) -> Sequence[Letter]:
        """The next dead letters by id, without some."""
        ...

    async def letters_position(self) -> int: ...
    async def letters_passed(self, id: int) -> None: ...
    async def close(self) -> None: ...


class Sink(Protocol):
    """Publishes records."""

    async def send(self, messages: Sequence[Message]) -> Sequence[str | None]:
        """Publish in order. For each: None once every replica has it, or why not."""
        ...

    async def discard(self) -> None:
        """Give the connection up; the next `send` makes a new one."""
        ...
