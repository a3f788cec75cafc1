"""The Commitment aggregate: what a stream folds to. Deciding is elsewhere (`sagas.decide`).

`evolve` looks at the event and the state only, so that a stream written by any release folds to the
same state. A commitment that is decided on is a `fork`; the one in the cache is never changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, cast
from uuid import UUID

from eventsourcing.domain import Aggregate, CanSnapshotAggregate, DomainEvent
from eventsourcing.utils import register_topic

from domain import state as s
from domain.events import Event
from domain.evolve import FOLDS
from domain.records import restore

__all__ = ["FINAL", "Commitment", "CommitmentSnapshot"]

Json = Any
FINAL = frozenset({"fulfilled", "compensated", "failed", "cancelled"})

# What the root is stopped for when it is to be undone; it also stops to be fulfilled.
_UNDOING = frozenset({"failure", "cancel"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_RECORDS: Mapping[str, Any] = {
    "nodes": s.Instance, "trail": s.Trail, "effects": s.Effect, "entries": s.Entry,
    "subs": s.Sub, "bindings": s.Binding, "stops": s.Stop, "undoing": s.Undoing, "debts": s.Debt,
    "children": s.Child, "locks": s.Hold, "places": s.Place,
}  # fmt: skip
_PLAIN = ("vars", "frames", "timers", "taken", "listened", "deciders", "runs", "queues", "errors",
          "item_after")  # fmt: skip
_COPIED = (*_RECORDS, *_PLAIN)


class Commitment(Aggregate):
    """One business promise. Attributes are described in docs/format.md and `domain.state`."""

    STORED_AS: ClassVar[str] = "commitment"

    tenant: str
    saga: str
    saga_version: int
    definition: str
    key: str
    run: int
    input: Json
    params: Json
    parent: Json
    start: Json
    started_us: int
    clock_us: int
    vars: dict[str, Json]
    nodes: dict[str, s.Instance]
    trail: dict[str, s.Trail]
    frames: dict[str, dict[str, Any]]
    effects: dict[str, s.Effect]
    children: dict[str, s.Child]
    locks: dict[str, s.Hold]
    places: dict[str, s.Place]
    entries: dict[str, s.Entry]
    timers: dict[str, int]
    subs: dict[str, s.Sub]
    taken: dict[str, tuple[int, ...]]
    listened: dict[str, int]
    bindings: dict[str, s.Binding]
    deciders: dict[str, tuple[str, ...]]
    runs: dict[str, int]
    queues: dict[str, tuple[Json, ...]]
    errors: dict[str, Json]
    item_after: dict[str, dict[str, Any]]
    stops: dict[str, s.Stop]
    undoing: dict[str, s.Undoing]
    debts: dict[str, s.Debt]
    pivots: tuple[str, ...]
    deferred: tuple[Json, ...]
    events_taken: int
    undone: int
    debt_count: int
    paused: bool
    held: Json
    cancelling: Json
    revoking: Json
    ended: Json

    def __init__(self) -> None:
        """Empty: `commitment.opened` sets every attribute. Without it the library makes one."""

    @property
    def ceiling(self) -> int | None:
        """Bytes that the state surely does not pass; None while that is not known.

        It is remembered, and no part of the state: no event and no snapshot has it.
        """
        return vars(self).get("_ceiling")

    @ceiling.setter
    def ceiling(self, size: int) -> None:
        vars(self)["_ceiling"] = size

    def evolve(self, event: Event) -> None:
        """Fold one event. An event class without a fold is a bug, found by a test."""
        self.clock_us = _micros(event)
        FOLDS[type(event)](self, event)

    def fork(self) -> Commitment:
        """An independent copy; its records are shared, for they are frozen."""
        copy = object.__new__(Commitment)
        values = dict(self.__dict__)
        for name in _COPIED:
            held = values[name]
            values[name] = held.copy() if held else {}
        values["_pending_events"] = []
        vars(copy).update(values)
        return copy

    @property
    def status(self) -> str:
        """open, waiting, paused, held, compensating, in_debt, or how it ended."""
        if self.ended is not None:
            return self.ended["status"]
        if self.held is not None:
            return "held"
        if self.paused:
            return "paused"
        if self.debts:
            return "in_debt"
        root = self.stops.get("")
        stopping = root is not None and not root.pending and root.cause["kind"] in _UNDOING
        if "" in self.undoing or stopping:
            return "compensating"
        if any(e.state in ("offered", "started", "backoff") for e in self.effects.values()):
            return "open"
        return "waiting"

    @property
    def had_ended(self) -> bool:
        """Whether it was fulfilled before, and opened again only to be undone."""
        return self.revoking is not None and self.revoking["reopened"]

    @property
    def is_over(self) -> bool:
        return self.ended is not None


def _micros(event: Event) -> int:
    since = event.timestamp - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


@dataclass(frozen=True)
class CommitmentSnapshot(CanSnapshotAggregate[UUID], DomainEvent):
    """The state of a commitment at a version, as JSON."""

    TOPIC: ClassVar[str] = "commitment.snapshot"
    STATE: ClassVar[frozenset[str]] = frozenset(Commitment.__annotations__)
    """What it holds; more is of a later release."""
    topic: str
    state: dict[str, Any]

    @classmethod
    def take(cls, aggregate: Any) -> CommitmentSnapshot:
        values = cast("dict[str, Any]", vars(aggregate))
        state = {k: v for k, v in values.items() if not k.startswith("_")}
        for name in _RECORDS:
            records = cast("dict[str, Any]", values[name])
            state[name] = {k: asdict(record) for k, record in records.items()}
        return cls(
            aggregate.id, aggregate.version, aggregate.modified_on, Commitment.STORED_AS, state
        )

    def mutate(self, _: None) -> Commitment:
        aggregate = object.__new__(Commitment)
        values: dict[str, Any] = dict(self.state)
        for name, record in _RECORDS.items():
            # A snapshot of an earlier release lacks what it did not know.
            values[name] = {k: _as(record, v) for k, v in values.get(name, {}).items()}
        values.setdefault("revoking", None)  # of before a child could be asked to undo itself
        values.setdefault("item_after", {})  # snapshots of before for_each have none
        values.setdefault("listened", {})  # of before what it had listened to was remembered
        for name in ("taken", "deciders", "queues"):
            values[name] = {k: tuple(v) for k, v in values[name].items()}
        for name in ("pivots", "deferred"):
            values[name] = tuple(values[name])
        values |= {
            "_id": self.originator_id, "_version": self.originator_version,
            "_created_on": _EPOCH + timedelta(microseconds=values["started_us"]),
            "_modified_on": self.timestamp, "_pending_events": [],
        }  # fmt: skip
        vars(aggregate).update(values)
        return aggregate


def _as(record: Any, value: Any) -> Any:
    return value if isinstance(value, record) else restore(record, value)


register_topic(Commitment.STORED_AS, Commitment)
register_topic(CommitmentSnapshot.TOPIC, CommitmentSnapshot)
