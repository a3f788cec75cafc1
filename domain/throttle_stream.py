"""The stream of a throttle and key: who had a turn lately, and who waits, in the order of requests.

A request may pass when fewer than its `max` turns were given in the time `per` before now. The
stream wakes up when the first of those that wait may pass; nobody overtakes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar
from uuid import UUID

from eventsourcing.domain import BaseAggregate, CanSnapshotAggregate, DomainEvent
from eventsourcing.utils import register_topic

from domain.events import (
    Ctx,
    Event,
    ThrottleDropped,
    ThrottleOpened,
    ThrottlePassed,
    ThrottleQueued,
)
from domain.messages import DropTurn, Message, NoTurn, TakeTurn, Wake, YourTurn
from domain.streams import Decided, Draft, us_of

__all__ = [
    "MAX_MAX", "QUEUE_MAX", "Asker", "Rate", "ThrottleStream", "ThrottleStreamSnapshot", "decide",
    "wake_us",
]  # fmt: skip

QUEUE_MAX = 10_000
"""Requests that wait in one throttle and key; a further one fails (bound.throttle)."""

MAX_MAX = 1_000
"""Turns in one period; so many times are remembered, and no more may be asked for."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who wants a turn: a node of a commitment, by the version at which it asked."""

    commitment: str
    node: str
    ask: int


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `max` turns in any time of length `per_us`."""

    max: int
    per_us: int


class ThrottleStream(BaseAggregate[UUID]):
    """A throttle of a tenant for one key: when turns were given, the oldest first, and who waits.

    `longest_us` is the longest period anybody asked with: older turns are forgotten. So a period
    that is longer than any before counts turns from its first request on.
    """

    TOPIC: ClassVar[str] = "throttle"

    def __init__(self, tenant: str, throttle: str, key: str) -> None:
        self.tenant = tenant
        self.throttle = throttle
        self.key = key
        self.given: tuple[int, ...] = ()
        self.longest_us = 0
        self.queue: dict[Asker, Rate] = {}

    def fork(self) -> ThrottleStream:
        """An independent copy; its records are shared, for they are frozen."""
        copy = object.__new__(ThrottleStream)
        vars(copy).update(vars(self))
        copy.queue = dict(self.queue)
        copy._pending_events = []
        return copy

    def evolve(self, event: Event) -> None:
        """Fold one event of this stream."""
        match event:
            case ThrottleQueued():
                asker = Asker(event.commitment, event.node, event.ask)
                self.queue[asker] = Rate(event.max, event.per_us)
                self.longest_us = max(self.longest_us, event.per_us)
            case ThrottlePassed():
                self.queue.pop(Asker(event.commitment, event.node, event.ask), None)
                now_us = us_of(event.timestamp)
                recent = (us for us in self.given if us > now_us - self.longest_us)
                self.given = (*recent, now_us)[-MAX_MAX:]
            case ThrottleDropped():
                self.queue.pop(Asker(event.commitment, event.node, event.ask), None)
            case _:
                assert isinstance(event, ThrottleOpened), type(event)

    def free_us(self, rate: Rate) -> int:
        """When a request of this rate may pass, if no other does before it; maybe in the past."""
        if len(self.given) < rate.max:
            return 0
        return self.given[-rate.max] + rate.per_us


def wake_us(state: ThrottleStream | None) -> int | None:
    """When the oldest request may pass; None while nobody waits."""
    if state is None or not state.queue:
        return None
    return state.free_us(next(iter(state.queue.values())))


def decide(
    state: ThrottleStream | None, message: Message, *, stream: UUID, now_us: int, ctx: Ctx
) -> Decided[ThrottleStream | None]:
    """What a request, its withdrawal or the time does: whoever may pass by now has a turn."""
    draft = _Draft(state, stream, now_us, ctx)
    match message:
        case TakeTurn():
            return _take(draft, message)
        case DropTurn() if state is not None:
            asker = Asker(message.commitment, message.node, message.ask)
            if asker not in state.queue:
                return Decided((), state)
            draft.add(ThrottleDropped, **asdict(asker))
            return draft.pass_on()
        case Wake() if state is not None:
            return draft.pass_on()
        case _:
            return Decided((), state)


class _Draft(Draft[ThrottleStream]):
    def pass_on(self) -> Decided[ThrottleStream | None]:
        """Give turns in the order of requests, as far as the rate of each allows it now."""
        state = self.state
        assert state is not None
        # An event is never before the one it follows, so neither is a turn.
        now_us = max(self.now_us, us_of(state.modified_on))
        while state.queue:
            asker, rate = next(iter(state.queue.items()))
            if state.free_us(rate) > now_us:
                break
            self.add(ThrottlePassed, **asdict(asker))
            self.mail.append((UUID(asker.commitment), YourTurn(asker.node, asker.ask)))
        return self.decided()


def _take(draft: _Draft, message: TakeTurn) -> Decided[ThrottleStream | None]:
    state = draft.state
    if state is not None and len(state.queue) >= QUEUE_MAX:
        refused = NoTurn(message.node, message.ask)
        return Decided((), state, None, [(UUID(message.commitment), refused)])
    draft.opened_as(
        ThrottleStream, ThrottleOpened, tenant=message.tenant, throttle=message.throttle,
        key=message.key,
    )  # fmt: skip
    asker = Asker(message.commitment, message.node, message.ask)
    draft.add(ThrottleQueued, **asdict(asker), max=message.max, per_us=message.per_us)
    return draft.pass_on()


@dataclass(frozen=True)
class ThrottleStreamSnapshot(CanSnapshotAggregate[UUID], DomainEvent):
    """The state of a throttle's stream at a version, as JSON."""

    TOPIC: ClassVar[str] = "throttle.snapshot"
    STATE: ClassVar[frozenset[str]] = frozenset(
        ["tenant", "throttle", "key", "given", "longest_us", "queue"]
    )
    topic: str
    state: dict[str, Any]

    @classmethod
    def take(cls, aggregate: Any) -> ThrottleStreamSnapshot:
        queue: dict[Asker, Rate] = aggregate.queue
        state = {
            "tenant": aggregate.tenant, "throttle": aggregate.throttle, "key": aggregate.key,
            "given": list(aggregate.given), "longest_us": aggregate.longest_us,
            "queue": [{**asdict(asker), **asdict(rate)} for asker, rate in queue.items()],
        }  # fmt: skip
        topic = ThrottleStream.TOPIC
        return cls(aggregate.id, aggregate.version, aggregate.modified_on, topic, state)

    def mutate(self, _: None) -> ThrottleStream:
        stream = object.__new__(ThrottleStream)
        stream.__base_init__(self.originator_id, self.originator_version, self.timestamp)
        state = self.state
        ThrottleStream.__init__(stream, state["tenant"], state["throttle"], state["key"])
        stream.given = tuple(state["given"])
        stream.longest_us = state["longest_us"]
        for row in state["queue"]:
            asker = Asker(row["commitment"], row["node"], row["ask"])
            stream.queue[asker] = Rate(row["max"], row["per_us"])
        return stream


register_topic(ThrottleStream.TOPIC, ThrottleStream)
register_topic(ThrottleStreamSnapshot.TOPIC, ThrottleStreamSnapshot)
