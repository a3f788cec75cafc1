"""The key stream: where the events of one key meet what waits for them.

It keeps each event for its time to live and offers it to every commitment that has an open
subscription to its type. A (saga, key of the saga) takes an event at most once, across waits and
runs; the stream remembers for each kept event who took it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias
from uuid import UUID

from eventsourcing.domain import BaseAggregate, CanSnapshotAggregate, DomainEvent
from eventsourcing.utils import register_topic

from domain.events import (
    Ctx,
    Event,
    EventExpired,
    EventKept,
    KeyOpened,
    SubscriptionsChanged,
)
from domain.ids import saga_key_id
from domain.messages import Arrive, Leftover, Message, Offer, Subscribe, Wake
from domain.state import changed
from domain.streams import Decided, Draft, us_of

__all__ = [
    "IDLE_MAX", "MAILBOX_MAX", "Kept", "KeyStream", "KeyStreamSnapshot", "Subscriber", "Wait",
    "decide", "is_full", "wake_us",
]  # fmt: skip

Json = Any
Taker: TypeAlias = tuple[str, str]

MAILBOX_MAX = 1_000
"""Events one key keeps; a further one is refused (bound.mailbox) while nothing took any."""
IDLE_MAX = 1_000
"""Commitments without an open wait that one key remembers, one for each saga and its key.

They are remembered only to say of what comes after their end that it came too late.
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """An event that is kept. `takers` are the (saga, saga key) that took it.

    `reason` says why nothing took it yet: early, or finished (who wanted its type is over).
    """

    event: Json
    kept_us: int
    expires_us: int
    reason: str
    takers: tuple[Taker, ...] = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """An open subscription; a transient one wants only what is accepted while it is open."""

    types: tuple[str, ...]
    transient: bool = False


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A commitment with its open subscriptions by path. `types` are all it ever wanted here."""

    saga: str
    saga_key: str
    waits: Mapping[str, Wait]
    types: tuple[str, ...]

    @property
    def taker(self) -> Taker:
        return self.saga, self.saga_key


class KeyStream(BaseAggregate[UUID]):
    """The events and open subscriptions of one key.

    `kept` maps positions (versions of this stream) to events, oldest first; `subscribers` maps
    commitments; `finished` holds the types whose last subscriber is over.
    """

    TOPIC: ClassVar[str] = "key"

    def __init__(self, tenant: str, key: str) -> None:
        self.tenant = tenant
        self.key = key
        self.kept: dict[int, Kept] = {}
        self.subscribers: dict[str, Subscriber] = {}
        self.finished: dict[str, None] = {}
        self._idle: dict[Taker, str] = {}

    def fork(self) -> KeyStream:
        """An independent copy; its records are shared, for they are frozen."""
        copy = object.__new__(KeyStream)
        vars(copy).update(vars(self))
        copy.kept = dict(self.kept)
        copy.subscribers = dict(self.subscribers)
        copy.finished = dict(self.finished)
        copy._idle = dict(self._idle)
        copy._pending_events = []
        return copy

    def evolve(self, event: Event) -> None:
        """Fold one event of this stream."""
        match event:
            case EventKept():
                self._make_room(us_of(event.timestamp))
                self.kept[event.originator_version] = Kept(
                    event.event, us_of(event.timestamp), event.expires_us, event.reason,
                    tuple((saga, key) for saga, key in event.takers or ()),
                )  # fmt: skip
            case SubscriptionsChanged():
                self._take(event)
                self._subscribe(event)
            case EventExpired():
                for position in event.positions:
                    self.kept.pop(position, None)
            case _:
                assert isinstance(event, KeyOpened), type(event)

    def _make_room(self, now_us: int) -> None:
        over = [p for p, k in self.kept.items() if k.takers and k.expires_us <= now_us]
        for position in over:
            del self.kept[position]
        oldest = next((p for p, k in self.kept.items() if k.takers), None)
        if len(self.kept) >= MAILBOX_MAX and oldest is not None:
            del self.kept[oldest]

    def _take(self, event: SubscriptionsChanged) -> None:
        taker = (event.saga, event.saga_key)
        for position in event.taken or ():
            kept = self.kept.get(position)
            if kept is not None and taker not in kept.takers:
                self.kept[position] = changed(kept, takers=(*kept.takers, taker))

    def _subscribe(self, event: SubscriptionsChanged) -> None:
        old = self.subscribers.pop(event.commitment, None)
        waits = dict(old.waits) if old is not None else {}
        for path in event.closed or ():
            waits.pop(path, None)
        types = dict.fromkeys(old.types if old is not None else ())
        opened: Mapping[str, Json] = event.opened or {}
        for path, wanted in opened.items():
            wait = Wait(tuple(wanted["types"]), bool(wanted.get("transient")))
            waits[path] = wait
            types |= dict.fromkeys(wait.types)
            for type_ in wait.types:
                self.finished.pop(type_, None)
        if not event.ended:
            subscriber = Subscriber(event.saga, event.saga_key, waits, tuple(types))
            self.subscribers[event.commitment] = subscriber
            self.listens(event.commitment, subscriber)
            return
        if self._idle.get((event.saga, event.saga_key)) == event.commitment:
            del self._idle[event.saga, event.saga_key]
        over = [t for t in types if not any(_wants(s, t) for s in self.subscribers.values())]
        self.finished |= dict.fromkeys(over)
        for position, kept in self.kept.items():
            if not kept.takers and kept.event["type"] in over:
                self.kept[position] = changed(kept, reason="finished")

    def listens(self, commitment: str, subscriber: Subscriber) -> None:
        """A wait that closed long before the end leaves nobody who would say that it is over."""
        earlier = self._idle.pop(subscriber.taker, commitment)
        if earlier != commitment:
            self.subscribers.pop(earlier, None)  # a run that this one follows
        if subscriber.waits:
            return
        self._idle[subscriber.taker] = commitment
        if len(self._idle) > IDLE_MAX:
            self.subscribers.pop(self._idle.pop(next(iter(self._idle))), None)


def decide(
    state: KeyStream | None, message: Message, *, stream: UUID, now_us: int, ctx: Ctx
) -> Decided[KeyStream | None]:
    """What a message does to the key stream; `state` None is a stream without events.

    Refuses an event (bound.mailbox) while MAILBOX_MAX events wait that nothing has taken.
    """
    draft = Draft(state, stream, now_us, ctx)
    match message:
        case Arrive():
            return _arrive(draft, message)
        case Subscribe():
            return _change(draft, message)
        case Wake() if state is not None:
            return _expire(draft)
        case _:
            return Decided((), state)


def is_full(state: KeyStream | None) -> bool:
    """Whether no further event can be kept."""
    if state is None or len(state.kept) < MAILBOX_MAX:
        return False
    return not any(kept.takers for kept in state.kept.values())


def wake_us(state: KeyStream | None) -> int | None:
    """When the first event that nothing took expires."""
    if state is None:
        return None
    return min((k.expires_us for k in state.kept.values() if not k.takers), default=None)


def _arrive(draft: Draft[KeyStream], message: Arrive) -> Decided[KeyStream | None]:
    if is_full(draft.state):
        detail = f"key {message.key} keeps {MAILBOX_MAX} events that nothing took"
        return Decided((), draft.state, {"code": "bound.mailbox", "detail": detail})
    state = _opened(draft, message.tenant, message.key)
    type_ = message.event["type"]
    started = {(saga, key) for saga, key in message.takers or ()}
    wanting = [
        c for c, s in state.subscribers.items() if s.taker not in started and _wants(s, type_)
    ]
    reason = "finished" if not wanting and type_ in state.finished else "early"
    position = draft.add(
        EventKept, event=message.event, expires_us=draft.now_us + message.ttl_us, reason=reason,
        takers=message.takers or None,
    )  # fmt: skip
    offer = Offer(message.key, position, message.event, draft.now_us)
    draft.mail.extend((UUID(commitment), offer) for commitment in wanting)
    return draft.decided()


def _change(draft: Draft[KeyStream], message: Subscribe) -> Decided[KeyStream | None]:
    if draft.state is None and not message.opened:
        return Decided((), None)
    state = _opened(draft, message.tenant, message.key)
    draft.add(
        SubscriptionsChanged, commitment=message.commitment, saga=message.saga,
        saga_key=message.saga_key, opened=message.opened or None, closed=message.closed or None,
        taken=message.taken or None, ended=message.ended,
    )  # fmt: skip
    if message.ended and message.again:
        draft.mail.extend(_left_over(state, message, draft.now_us))
        return draft.decided()
    subscriber = state.subscribers.get(message.commitment)
    if subscriber is None or not message.opened:
        return draft.decided()
    new = [subscriber.waits[path] for path in message.opened]
    types = {t for wait in new if not wait.transient for t in wait.types}
    to = UUID(message.commitment)
    draft.mail.extend(
        (to, Offer(message.key, position, kept.event, kept.kept_us))
        for position, kept in _offerable(state, subscriber.taker, types, draft.now_us)
    )
    return draft.decided()


def _opened(draft: Draft[KeyStream], tenant: str, key: str) -> KeyStream:
    return draft.opened_as(KeyStream, KeyOpened, tenant=tenant, key=key)


def _left_over(state: KeyStream, message: Subscribe, now_us: int) -> list[tuple[UUID, Message]]:
    """What the saga starts on and its commitment, which has ended, did not take: starts anew."""
    taker = (message.saga, message.saga_key)
    to = saga_key_id(message.tenant, message.saga, message.saga_key)
    return [
        (to, Leftover(message.tenant, message.saga, message.saga_key, message.commitment,
                      message.key, position, kept.event))
        for position, kept in _offerable(state, taker, set(message.again or ()), now_us)
    ]  # fmt: skip


def _offerable(
    state: KeyStream, taker: Taker, types: set[str], now_us: int
) -> Iterator[tuple[int, Kept]]:
    if not types:
        return
    for position, kept in state.kept.items():
        is_wanted = kept.event["type"] in types and taker not in kept.takers
        if is_wanted and kept.expires_us > now_us:
            yield position, kept


def _expire(draft: Draft[KeyStream]) -> Decided[KeyStream | None]:
    assert draft.state is not None
    kept = draft.state.kept.items()
    over = [p for p, k in kept if not k.takers and k.expires_us <= draft.now_us]
    if over:
        draft.add(EventExpired, positions=over)
    return draft.decided()


def _wants(subscriber: Subscriber, type_: str) -> bool:
    return any(type_ in wait.types for wait in subscriber.waits.values())


@dataclass(frozen=True)
class KeyStreamSnapshot(CanSnapshotAggregate[UUID], DomainEvent):
    """The state of a key stream at a version, as JSON."""

    TOPIC: ClassVar[str] = "key.snapshot"
    STATE: ClassVar[frozenset[str]] = frozenset(
        ["tenant", "key", "kept", "subscribers", "finished"]
    )
    topic: str
    state: dict[str, Any]

    @classmethod
    def take(cls, aggregate: Any) -> KeyStreamSnapshot:
        state = {
            "tenant": aggregate.tenant,
            "key": aggregate.key,
            "kept": [
                [p, k.event, k.kept_us, k.expires_us, k.reason, k.takers]
                for p, k in aggregate.kept.items()
            ],
            "subscribers": [
                [c, s.saga, s.saga_key, [[p, w.types, w.transient] for p, w in s.waits.items()],
                 s.types]
                for c, s in aggregate.subscribers.items()
            ],
            "finished": list(aggregate.finished),
        }  # fmt: skip
        topic = KeyStream.TOPIC
        return cls(aggregate.id, aggregate.version, aggregate.modified_on, topic, state)

    def mutate(self, _: None) -> KeyStream:
        stream = object.__new__(KeyStream)
        stream.__base_init__(self.originator_id, self.originator_version, self.timestamp)
        KeyStream.__init__(stream, self.state["tenant"], self.state["key"])
        for position, event, kept_us, expires_us, reason, takers in self.state["kept"]:
            pairs = tuple((saga, key) for saga, key in takers)
            stream.kept[position] = Kept(event, kept_us, expires_us, reason, pairs)
        for commitment, saga, saga_key, waits, types in self.state["subscribers"]:
            open_waits = {p: Wait(tuple(t), transient) for p, t, transient in waits}
            subscriber = Subscriber(saga, saga_key, open_waits, tuple(types))
            stream.subscribers[commitment] = subscriber
            if not open_waits:
                stream.listens(commitment, subscriber)
        stream.finished = dict.fromkeys(self.state["finished"])
        return stream


register_topic(KeyStream.TOPIC, KeyStream)
register_topic(KeyStreamSnapshot.TOPIC, KeyStreamSnapshot)
