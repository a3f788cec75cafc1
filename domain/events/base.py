"""The base of every stored event, as classes of the `eventsourcing` library."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from eventsourcing.domain import CanInitAggregate, CanMutateAggregate, DomainEvent

__all__ = ["Ctx", "Event", "Opening"]

Json = Any
Ctx = dict[str, str | None]


class Event(CanMutateAggregate[UUID], DomainEvent):
    """Base of all stored events. `ctx` says who, for which tenant, because of what (section 4)."""

    ctx: Ctx

    def apply(self, aggregate: Any) -> None:
        aggregate.evolve(self)


class Opening(CanInitAggregate[UUID], Event):
    """Base of the first event of a stream."""

    originator_topic: str
