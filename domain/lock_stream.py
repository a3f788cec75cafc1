"""The stream of a lock: who holds it and who waits, in the order of their requests.

One holder at a time, or as many as each of them permits. The fence rises with each: whoever acts
with a lower one than was seen before was granted the lock before somebody else was.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar
from uuid import UUID

from eventsourcing.domain import BaseAggregate, CanSnapshotAggregate, DomainEvent
from eventsourcing.utils import register_topic

from domain.events import Ctx, Event, LockFreed, LockOpened, LockPassed, LockQueued
from domain.messages import Acquire, Granted, Message, NotGranted, Release
from domain.streams import Decided, Draft

__all__ = ["PERMITS_MAX", "QUEUE_MAX", "Claimant", "LockStream", "LockStreamSnapshot", "decide"]

QUEUE_MAX = 10_000
"""Requests that wait for one lock; a further one fails (bound.lock)."""
PERMITS_MAX = 1_000
"""Holders of one lock at once."""


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who wants or holds the lock: a node of a commitment, by the version at which it asked."""

    commitment: str
    node: str
    ask: int


class LockStream(BaseAggregate[UUID]):
    """A lock of a tenant: its holders, the fence of the last one, and who waits, oldest first.

    With each holder and request stands how many it permits to hold the lock at once.
    """

    TOPIC: ClassVar[str] = "lock"

    def __init__(self, tenant: str, lock: str) -> None:
        self.tenant = tenant
        self.lock = lock
        self.fence = 0
        self.holders: dict[Claimant, int] = {}
        self.queue: dict[Claimant, int] = {}

    def fork(self) -> LockStream:
        """An independent copy; its records are shared, for they are frozen."""
        copy = object.__new__(LockStream)
        vars(copy).update(vars(self))
        copy.holders, copy.queue = dict(self.holders), dict(self.queue)
        copy._pending_events = []
        return copy

    def evolve(self, event: Event) -> None:
        """Fold one event of this stream."""
        match event:
            case LockQueued():
                claimant = Claimant(event.commitment, event.node, event.ask)
                self.queue[claimant] = event.permits or 1
            case LockPassed():
                claimant = Claimant(event.commitment, event.node, event.ask)
                self.holders[claimant] = self.queue.pop(claimant, 1)
                self.fence = event.fence
            case LockFreed():
                claimant = Claimant(event.commitment, event.node, event.ask)
                self.queue.pop(claimant, None)
                self.holders.pop(claimant, None)
            case _:
                assert isinstance(event, LockOpened), type(event)


def decide(
    state: LockStream | None, message: Message, *, stream: UUID, now_us: int, ctx: Ctx
) -> Decided[LockStream | None]:
    """What a request or a release does; the lock goes to the oldest request once it may have it.

    Nobody overtakes: a request that permits more waits behind one that wants the lock alone.
    """
    draft = _Draft(state, stream, now_us, ctx)
    match message:
        case Acquire():
            return _acquire(draft, message)
        case Release() if state is not None:
            return _release(draft, message)
        case _:
            return Decided((), state)


class _Draft(Draft[LockStream]):
    def add_for(self, claimant: Claimant, event_class: type[Event], **values: Any) -> None:
        """Append an event about a claimant."""
        self.add(event_class, **asdict(claimant), **values)

    def pass_on(self) -> Decided[LockStream | None]:
        """Give the lock to whoever asked first, as long as it and all holders permit one more."""
        state = self.state
        assert state is not None
        while state.queue:
            following, permits = next(iter(state.queue.items()))
            if len(state.holders) >= min(permits, *state.holders.values(), PERMITS_MAX):
                break
            self.add_for(following, LockPassed, fence=state.fence + 1)
            granted = Granted(following.node, following.ask, state.fence)
            self.mail.append((UUID(following.commitment), granted))
        return self.decided()


def _acquire(draft: _Draft, message: Acquire) -> Decided[LockStream | None]:
    claimant = Claimant(message.commitment, message.node, message.ask)
    state = draft.opened_as(LockStream, LockOpened, tenant=message.tenant, lock=message.lock)
    # What must be undone is not turned away: nothing else could be done about it.
    if len(state.queue) >= QUEUE_MAX and not message.undo:
        refused = NotGranted(message.node, message.ask)
        return Decided((), draft.state, None, [(UUID(message.commitment), refused)])
    draft.add_for(claimant, LockQueued, permits=message.permits)
    return draft.pass_on()


def _release(draft: _Draft, message: Release) -> Decided[LockStream | None]:
    claimant = Claimant(message.commitment, message.node, message.ask)
    state = draft.state
    assert state is not None
    if claimant not in state.holders and claimant not in state.queue:
        return Decided((), state)
    draft.add_for(claimant, LockFreed)
    return draft.pass_on()


@dataclass(frozen=True)
class LockStreamSnapshot(CanSnapshotAggregate[UUID], DomainEvent):
    """The state of a lock's stream at a version, as JSON."""

    TOPIC: ClassVar[str] = "lock.snapshot"
    STATE: ClassVar[frozenset[str]] = frozenset(
        ["tenant", "lock", "fence", "holders", "queue", "holder"]
    )
    topic: str
    state: dict[str, Any]

    @classmethod
    def take(cls, aggregate: Any) -> LockStreamSnapshot:
        state = {
            "tenant": aggregate.tenant, "lock": aggregate.lock, "fence": aggregate.fence,
            "holders": _rows(aggregate.holders), "queue": _rows(aggregate.queue),
        }  # fmt: skip
        topic = LockStream.TOPIC
        return cls(aggregate.id, aggregate.version, aggregate.modified_on, topic, state)

    def mutate(self, _: None) -> LockStream:
        stream = object.__new__(LockStream)
        stream.__base_init__(self.originator_id, self.originator_version, self.timestamp)
        state = self.state
        LockStream.__init__(stream, state["tenant"], state["lock"])
        stream.fence = state["fence"]
        before = [state["holder"]] if state.get("holder") else []  # a lock had one holder then
        stream.holders = _claimants(state.get("holders", before))
        stream.queue = _claimants(state["queue"])
        return stream


def _rows(claimants: dict[Claimant, int]) -> list[dict[str, Any]]:
    return [{**asdict(claimant), "permits": permits} for claimant, permits in claimants.items()]


def _claimants(rows: list[dict[str, Any]]) -> dict[Claimant, int]:
    return {
        Claimant(row["commitment"], row["node"], row["ask"]): row.get("permits", 1) for row in rows
    }


register_topic(LockStream.TOPIC, LockStream)
register_topic(LockStreamSnapshot.TOPIC, LockStreamSnapshot)
