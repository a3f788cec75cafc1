"""What others send and read over Kafka, what happens to their topics, and what must come of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

import orjson

from adapters.kafka.source import record_digest
from domain.outbox import Row
from domain.requests import RepliesRequest
from domain.source import Part
from tests.simulation.bus import Bus
from tests.simulation.dice import Dice
from tests.simulation.fleet import Fleet
from tests.simulation.loop import SimLoop
from tests.simulation.network import TENANT, Network
from tests.simulation.observer import Violation
from tests.simulation.order import Order
from tests.simulation.people import People

__all__ = ["Traffic", "traffic_of"]

Json = Any
OVER_BUS = 0.7
"""The share of events that come by their topic."""
REPLIES_OVER_BUS = 0.4
AGAIN_S_MAX = 20.0
REPEATED_S = (5.0, 80.0)
REPEATED_MAX = 12
ACCEPT_S = (5.0, 90.0)
"""How long it takes until somebody accepts that records are lost."""
BAD = (
    b"", b"\xff\xfe", b"{}", b"[]", b'{"specversion": "1.0", "id": "x", "source": "urn:x"}',
    b'{"specversion": "1.0", "id": "t", "source": "urn:x", "type": "sim.none", "data": {}}',
)  # fmt: skip
_STRUCTURED = (("content-type", b"application/cloudevents+json"),)
_CURSOR = "SELECT next_offset FROM cursors WHERE topic = ? AND partition = ?"
_MOVE = (
    "UPDATE cursors SET next_offset = ?, digest = zeroblob(32) WHERE topic = ? AND partition = ?"
)
_DIGEST = "SELECT digest FROM cursors WHERE topic = ? AND partition = ?"
_HOLD = "UPDATE lanes SET epoch = epoch + 1 WHERE lane = ?"
_UNPUBLISHED = """
SELECT count(*) FROM lanes l WHERE l.head > coalesce(
  (SELECT position FROM relays r WHERE r.name = 'kafka' AND r.lane = l.lane), 0)
"""
_LETTER = "SELECT count(*) FROM dead_letters WHERE source = ? AND event_id = ?"
_RECEIPTS = "SELECT tenant, id FROM receipts"
_ROWS = "SELECT lane, position, stream, version, topic, state FROM events ORDER BY lane, position"


class World(Protocol):
    """Where it happens."""

    loop: SimLoop
    dice: Dice
    engine: Fleet
    network: Network
    people: People


@dataclass(slots=True)
class Traffic:
    """`sent` are events by id with the record that was acknowledged; `gone` are records that the
    cluster lost before they were read, and nobody can take any more.
    """

    world: World
    bus: Bus
    sent: dict[tuple[str, str], list[tuple[Part, int]]] = field(default_factory=dict)
    bad: list[tuple[Part, int]] = field(default_factory=list)
    gone: set[tuple[Part, int]] = field(default_factory=set)
    rewritten: set[Part] = field(default_factory=set)
    order: Order = field(init=False)

    def __post_init__(self) -> None:
        self.order = Order(self.bus.broker, self.world.engine)
        self.bus.when_ended = self.order.look

    # --- producers -------------------------------------------------------------------------------

    async def publish(self, event: Json) -> bool:
        """Produce until it is acknowledged; False where it is to go over HTTP."""
        if not self.world.dice.chance(OVER_BUS):
            return False
        value = orjson.dumps({**event, "tenantid": TENANT})
        await self._produce(self.bus.options.events, value, (TENANT, event["id"]))
        if self.world.dice.chance(0.1):
            await asyncio.sleep(self.world.dice.between(0, AGAIN_S_MAX))
            await self._produce(self.bus.options.events, value, (TENANT, event["id"]))
        return True

    async def reply(self, request: Any) -> Json:
        """The acknowledgement of replies that went over their topic; None: over HTTP."""
        if not isinstance(request, RepliesRequest):
            return None
        if not self.world.dice.chance(REPLIES_OVER_BUS):
            return None
        body = {"form": 1, "worker": request.worker, "replies": list(request.items)}
        await self._produce(self.bus.options.replies, orjson.dumps(body), None)
        told = [{"effect": item["effect"], "status": "recorded"} for item in request.items]
        return {"results": told}

    async def _produce(self, topic: str, value: bytes, named: tuple[str, str] | None) -> None:
        """To any partition, as other people's producers do: again until it is acknowledged."""
        dice, broker = self.world.dice, self.bus.broker
        part = Part(topic, dice.random.randrange(broker.count(topic)))
        headers = _STRUCTURED if topic == self.bus.options.events else ()
        while True:
            await asyncio.sleep(dice.between(0, 0.02))
            is_failed = broker.is_away or dice.hits("produce failed")
            if not is_failed:
                record = broker.append(part, b"k", value, headers)
                if named is not None:
                    self.sent.setdefault(named, []).append((part, record.offset))
                if not dice.hits("produce unclear"):
                    return
            await asyncio.sleep(dice.between(0.05, 5))

    async def repeat_now_and_then(self, pace: float) -> None:
        """A producer that was started again sends once more what it sent last, all at once."""
        dice, broker, options = self.world.dice, self.bus.broker, self.bus.options
        while not dice.is_calm:
            await asyncio.sleep(dice.between(*REPEATED_S) * pace)
            topic = dice.pick([options.events, options.events, options.replies])
            part = Part(topic, dice.random.randrange(broker.count(topic)))
            if broker.is_away or dice.is_calm:
                continue
            for old in broker.logs[part].records[-dice.random.randint(2, REPEATED_MAX) :]:
                new = broker.append(part, old.key, old.value, old.headers)
                for places in (*self.sent.values(), self.bad):
                    if (part, old.offset) in places:
                        places.append((part, new.offset))

    async def spoil_now_and_then(self, pace: float) -> None:
        """Records that are no events, and topics that lose what nobody has read."""
        dice, broker = self.world.dice, self.bus.broker
        while not dice.is_calm:
            await asyncio.sleep(dice.between(10, 400) * pace)
            draw = dice.random.random()
            if draw < 0.4 and not broker.is_away:
                part = Part(self.bus.options.events, dice.random.randrange(self.world.engine.lanes))
                record = broker.append(part, None, dice.pick(BAD), _STRUCTURED)
                self.bad.append((part, record.offset))
            elif draw < 0.7:
                self._cut()
            else:
                await self._restore_cluster()

    def _inputs(self) -> list[tuple[Part, int]]:
        """Partitions that were read, and how far."""
        db, found = self.world.engine.connection, list[tuple[Part, int]]()
        for part in self.bus.broker.logs:
            row = db.execute(_CURSOR, part).fetchone()
            if row is not None:
                found.append((part, row[0]))
        return found

    def _cut(self) -> None:
        """Records are deleted, perhaps before they were read."""
        for part, _ in self._inputs()[:1] if self.world.dice.chance(0.5) else self._inputs():
            log = self.bus.broker.logs[part]
            first = self.world.dice.random.randint(log.first, log.end)
            self.gone |= {(part, r.offset) for r in self.bus.broker.cut(part, first)}

    async def _restore_cluster(self) -> None:
        """The cluster goes away, and comes back from an older copy; new records take the places."""
        dice, broker = self.world.dice, self.bus.broker
        broker.go_away()
        await asyncio.sleep(0.5)
        for part, _ in self._inputs():
            log = broker.logs[part]
            lost = broker.truncate(part, log.end - dice.random.randint(0, 2))
            self.gone |= {(part, record.offset) for record in lost}
            # Their places are taken by others: what was noted by place is not there any more.
            for records in self.sent.values():
                records[:] = [(p, n) for p, n in records if p != part or n < log.end]
            if lost:
                self.rewritten.add(part)
            self.bad = [(p, n) for p, n in self.bad if p != part or n < log.end]
            self.gone -= {(p, n) for p, n in self.gone if p == part and n >= log.end}
            for _ in lost if dice.chance(0.7) else ():
                record = broker.append(part, None, dice.pick(BAD), _STRUCTURED)
                self.bad.append((part, record.offset))
        broker.reset()

    # --- operators -------------------------------------------------------------------------------

    async def accept_now_and_then(self) -> None:
        """Accept, some time later, that what is lost is lost."""
        while not self.bus.is_over:
            await asyncio.sleep(self.world.dice.between(*ACCEPT_S))
            self.accept()
            if self.world.dice.is_calm:
                return

    def accept(self) -> None:
        """As `troth-engine kafka accept-loss`: the cursor moves to the first record there is."""
        db = self.world.engine.connection
        for part, offset in self._inputs():
            first = self.bus.broker.logs[part].first
            if offset >= first:
                continue
            db.execute("BEGIN")
            db.execute(_HOLD, (part.number % self.world.engine.lanes,))
            db.execute(_MOVE, (first, *part))
            db.execute("COMMIT")
        self.order.look()
        self.bus.broker.wake()

    # --- the end ---------------------------------------------------------------------------------

    def settle(self) -> bool:
        """Whether all is taken in, and published, once what is lost is accepted."""
        self.accept()
        left = self.world.engine.connection.execute(_UNPUBLISHED).fetchone()[0]
        return not left and self.is_taken()

    def named(self) -> set[tuple[str, str]]:
        """Events that were sent by their topic, of which the record holds a receipt."""
        there = set(self.world.engine.connection.execute(_RECEIPTS).fetchall())
        return there & self.sent.keys()

    def is_taken(self) -> bool:
        """Whether everything that is in the inputs was taken in."""
        at = dict(self._inputs())
        options = self.bus.options
        inputs = [p for p in self.bus.broker.logs if p.topic in (options.events, options.replies)]
        logs = self.bus.broker.logs
        return all(at.get(p, logs[p].first) == logs[p].end and self._is_last(p) for p in inputs)

    def _is_last(self, part: Part) -> bool:
        """Whether what was read last is what stands there now."""
        records = self.bus.broker.logs[part].records
        row = self.world.engine.connection.execute(_DIGEST, part).fetchone()
        if row is None or not records:
            return True
        last = records[-1]
        return row[0] == record_digest(last.key, last.value, last.headers, last.timestamp)

    def wrong(self) -> list[str]:
        """What must never be: looked at whenever something was committed."""
        self.order.look()
        return self.bus.wrong + self.order.wrong

    def check_end(self) -> None:
        """Raises Violation."""
        there = self.named()
        for named, records in self.sent.items():
            left = [record for record in records if record not in self.gone]
            if left and named not in there:
                raise Violation("kafka", f"{named} stands at {left[0]} and was not taken")
        db = self.world.engine.connection
        for part, offset in self.bad:
            if (part, offset) in self.gone:
                continue
            count = db.execute(_LETTER, (part.topic, f"{part.number}/{offset}")).fetchone()[0]
            if not count and not self._is_letter(part, offset):
                raise Violation("kafka", f"{part} at {offset} is no event, and no dead letter")
        self._published()

    def _is_letter(self, part: Part, offset: int) -> bool:
        """One with an id of its own is kept by it."""
        log = self.bus.broker.logs[part]
        value = log.records[offset - log.first].value or b""
        try:
            event = orjson.loads(value)
        except orjson.JSONDecodeError:
            return False
        named = (
            (event["source"], event["id"]) if isinstance(event, dict) and "id" in event else None
        )
        db = self.world.engine.connection
        return named is not None and db.execute(_LETTER, named).fetchone()[0] > 0

    def _published(self) -> None:
        """Every fact is there, those of a commitment in order."""
        bus, db = self.bus, self.world.engine.connection
        bus.look()
        order: dict[tuple[UUID, int], list[int]] = {}
        publishing = bus.publishing(1)
        for lane, position, stream, version, topic, state in db.execute(_ROWS):
            row = Row(lane, position, UUID(bytes=stream), version, topic, state)
            fact = publishing.fact(row, orjson.loads(state)) if not _is_inner(topic) else None
            if fact is None:
                continue
            id_ = orjson.loads(fact.value)["id"]
            if id_ not in bus.facts:
                raise Violation("kafka", f"{topic} of {row.stream} was not published")
            number, offset = bus.facts[id_]
            order.setdefault((row.stream, number), []).append(offset)
        for (stream, _), places in order.items():
            if places != sorted(places):
                raise Violation("kafka", f"the facts of {stream} are out of order")


def traffic_of(world: World) -> Traffic:
    """Put Kafka beside all engines of a world, for its people and workers too."""
    engine = world.engine
    bus = Bus(world.loop, world.dice, engine.engines, engine.lanes)
    world.people.traffic = found = Traffic(world, bus)
    world.network.otherwise = found.reply
    return found


def _is_inner(topic: str) -> bool:
    return topic.startswith(("key.", "sagakey.", "locks.", "throttle."))
