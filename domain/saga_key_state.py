"""The state of a saga-key stream: the runs of one saga and key, and the starts that wait."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar
from uuid import UUID

from eventsourcing.domain import BaseAggregate, CanSnapshotAggregate, DomainEvent
from eventsourcing.utils import register_topic

from domain.events import (
    Event,
    RunEnded,
    RunOpened,
    SagaKeyOpened,
    StartHeld,
    StartQueued,
    StartRecalled,
    StartRefused,
)
from domain.messages import Recall

__all__ = ["DoubleStart", "Run", "SagaKey", "SagaKeySnapshot", "is_of"]

Json = Any


@dataclass(frozen=True, slots=True)
class DoubleStart:
    """The policy of a definition for a start that meets another one of its key.

    `running` is refuse, return, replace, deliver or queue; `finished` is refuse,
    after_failure or allow.
    """

    running: str = "refuse"
    finished: str = "refuse"


@dataclass(frozen=True, slots=True)
class Run:
    """The latest run. `status` is None while it is running."""

    run: int
    commitment: str
    input_digest: str
    status: str | None = None


class SagaKey(BaseAggregate[UUID]):
    """The runs of one saga and key: the latest one, and the starts that wait for its end.

    `held` replaces the running one, which is being cancelled; `queue` waits in order behind it.
    """

    TOPIC: ClassVar[str] = "sagakey"

    def __init__(self, tenant: str, saga: str, key: str) -> None:
        self.tenant = tenant
        self.saga = saga
        self.key = key
        self.latest: Run | None = None
        self.held: Json = None
        self.queue: tuple[Json, ...] = ()

    def fork(self) -> SagaKey:
        """An independent copy; its records are shared, for they are frozen."""
        copy = object.__new__(SagaKey)
        vars(copy).update(vars(self))
        copy._pending_events = []
        return copy

    @property
    def running(self) -> Run | None:
        return self.latest if self.latest is not None and self.latest.status is None else None

    @property
    def runs(self) -> int:
        return self.latest.run if self.latest is not None else 0

    @property
    def waiting(self) -> tuple[Json, ...]:
        """The starts that wait, the one that begins first before the others."""
        held = () if self.held is None else (self.held,)
        return (*held, *(queued["start"] for queued in self.queue))

    def evolve(self, event: Event) -> None:
        """Fold one event of this stream."""
        match event:
            case RunOpened():
                self.latest = Run(event.run, event.commitment, event.input_digest)
                if self.held is not None:
                    self.held = None
                else:
                    self.queue = self.queue[1:]
            case RunEnded():
                if self.latest is not None and self.latest.run == event.run:
                    self.latest = replace(self.latest, status=event.status)
            case StartHeld():
                self.held = event.start
            case StartQueued():
                self.queue = (*self.queue, {"run": event.run, "start": event.start})
            case StartRecalled():
                if is_of(self.held, event):
                    self.held = None
                self.queue = tuple(q for q in self.queue if not is_of(q["start"], event))
            case _:
                assert isinstance(event, SagaKeyOpened | StartRefused), type(event)


def is_of(start: Json, recall: StartRecalled | Recall) -> bool:
    """Whether a start that waits was asked for by that parent, there and then."""
    waiting: dict[str, Json] = start or {}
    parent: dict[str, Json] = waiting.get("parent") or {}
    asked = (parent.get("id"), parent.get("node"), parent.get("ask"))
    return asked == (recall.parent, recall.node, recall.ask)


@dataclass(frozen=True)
class SagaKeySnapshot(CanSnapshotAggregate[UUID], DomainEvent):
    """The state of a saga-key stream at a version, as JSON."""

    TOPIC: ClassVar[str] = "sagakey.snapshot"
    STATE: ClassVar[frozenset[str]] = frozenset(
        ["tenant", "saga", "key", "latest", "held", "queue"]
    )
    topic: str
    state: dict[str, Any]

    @classmethod
    def take(cls, aggregate: Any) -> SagaKeySnapshot:
        latest = aggregate.latest
        state = {
            "tenant": aggregate.tenant, "saga": aggregate.saga, "key": aggregate.key,
            "latest": None if latest is None else asdict(latest), "held": aggregate.held,
            "queue": list(aggregate.queue),
        }  # fmt: skip
        topic = SagaKey.TOPIC
        return cls(aggregate.id, aggregate.version, aggregate.modified_on, topic, state)

    def mutate(self, _: None) -> SagaKey:
        stream = object.__new__(SagaKey)
        stream.__base_init__(self.originator_id, self.originator_version, self.timestamp)
        state = self.state
        SagaKey.__init__(stream, state["tenant"], state["saga"], state["key"])
        stream.latest = None if state["latest"] is None else Run(**state["latest"])
        stream.held = state["held"]
        stream.queue = tuple(state.get("queue", ()))
        return stream


register_topic(SagaKey.TOPIC, SagaKey)
register_topic(SagaKeySnapshot.TOPIC, SagaKeySnapshot)
