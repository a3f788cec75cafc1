"""Kafka beside the lanes: the product's own intake and relay, over a cluster in memory.

Every process reads what belongs to its lanes and publishes their log, as `engine.kafka_bus` puts
it together; its store is that of the lanes.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from random import Random
from typing import Any
from unittest.mock import patch
from uuid import UUID

import orjson

from adapters.kafka import sink as kafka_sink
from adapters.kafka import source as kafka_source
from adapters.kafka.options import COMMANDS, KafkaOptions
from adapters.kafka.sink import KafkaSink
from adapters.kafka.source import KafkaSource, SourceLimits
from consumers import intake as intake_module
from consumers import relay as relay_module
from consumers.intake import Intake
from consumers.part_input import IntakeLimits
from consumers.publishing import Publishing, Topics
from consumers.reading import ReadAs, of_event, of_reply
from consumers.relay import Relay, RelayLimits
from domain.outbox import Letter, Offer, Relayed, Row
from domain.ports import Cursor
from domain.source import Arrival, Part
from tests.simulation.broker import RATES, Broker, Client, Consumer, Producer
from tests.simulation.dice import Dice
from tests.simulation.engine import Engine
from tests.simulation.loop import SimLoop
from tests.simulation.network import TENANT, Unreachable
from tests.simulation.shared import CURSORS

__all__ = ["LETTERS", "PARTICIPANTS", "RELAY", "Bus", "Published"]

Json = Any
SOURCE = "urn:troth:engine"
PARTICIPANTS = ("alpha", "beta")
JOBS_MAX = (1, 1, 3, 50)
"""How many requests share a round: records that were read together may come into several."""
LONG_S = 6 * 3600.0
"""Nothing is polled: what happens wakes who waits. Polling would take longer than all the rest."""
WAKE_S = 0.002
RELAY, LETTERS = "kafka", "letters"
COMMAND_PARTITIONS = 2
_EVENTS = """
SELECT position, stream, version, topic, state FROM events
WHERE lane = ? AND position > ? ORDER BY position LIMIT ?
"""
_INNER = ("key.", "sagakey.", "locks.", "throttle.")
_OFFERS = """
SELECT lane, position, effect, stream, participant, contract, needs_start, body FROM dispatches
WHERE effect = ? AND state = 'offered' AND NOT cancelled
"""
_POSITION = "SELECT position FROM relays WHERE name = ? AND lane = ?"
_PASSED = f"INSERT OR REPLACE INTO relays VALUES (?, ?, max(?, coalesce(({_POSITION}), 0)))"
_LETTERS = """
SELECT id, at_us, tenant, source, event_id, code, detail, raw FROM dead_letters
WHERE id > ? ORDER BY id LIMIT ?
"""


class Published:
    """Fills `domain.outbox.Outbox` on the shared store.

    `told` hears of each lane that was passed, and what of it had been offered until then.
    """

    def __init__(
        self, db: sqlite3.Connection, told: Callable[[int, int, Collection[Offer]], None]
    ) -> None:
        self._db = db
        self._told = told
        self._offered: dict[str, Offer] = {}

    async def positions(self, lanes: Sequence[int]) -> Mapping[int, int]:
        self._offered.clear()
        return {lane: self._position(RELAY, lane) for lane in lanes}

    async def read(self, after: Mapping[int, int], limit: int) -> Sequence[Row]:
        rows: list[Row] = []
        for lane, position in after.items():
            found = self._db.execute(_EVENTS, (lane, position, limit))
            for number, stream, version, topic, state in found:
                told = None if topic.startswith(_INNER) else state
                rows.append(Row(lane, number, UUID(bytes=stream), version, topic, told))
        return rows

    async def offers(self, effects: Sequence[str]) -> Sequence[Offer]:
        found: list[Offer] = []
        for effect in effects:
            row = self._db.execute(_OFFERS, (bytes.fromhex(effect),)).fetchone()
            if row is not None:
                found.append(_offer(row))
        # What a worker held when it was passed needs no bell: given back, a waiting claim finds it.
        self._offered |= {o.effect: o for o in found if o.position > self._position(RELAY, o.lane)}
        return found

    async def pushed(self, effects: Sequence[str], now_us: int) -> Collection[str]:
        """Nobody: no participant here has a journal that its topic could be trusted with."""
        del effects, now_us
        return ()

    async def passed(self, positions: Mapping[int, int]) -> None:
        for lane, position in positions.items():
            self._told(lane, position, self._offered.values())
            self._db.execute(_PASSED, (RELAY, lane, position, RELAY, lane))

    async def unanswered(self, due: Relayed, limit: int) -> Sequence[Offer]:
        del due, limit
        return ()

    async def letters(self, after: int, but: Sequence[int], limit: int) -> Sequence[Letter]:
        rows = self._db.execute(_LETTERS, (after, limit + len(but)))
        return [Letter(*row) for row in rows if row[0] not in but][:limit]

    async def letters_position(self) -> int:
        return self._position(LETTERS, 0)

    async def letters_passed(self, id: int) -> None:
        self._db.execute(_PASSED, (LETTERS, 0, id, LETTERS, 0))

    async def close(self) -> None:
        """The database belongs to all."""

    def _position(self, name: str, lane: int) -> int:
        row = self._db.execute(_POSITION, (name, lane)).fetchone()
        return 0 if row is None else row[0]


def _offer(row: Sequence[Any]) -> Offer:
    lane, position, effect, stream, participant, contract, needs_start, body = row
    return Offer(
        lane, position, effect.hex(), UUID(bytes=stream), participant, contract, bool(needs_start),
        orjson.loads(body),
    )  # fmt: skip


class _Desk:
    """Fills `consumers.part_input.InputDesk` for one life of an engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.is_over = False
        self.followers: list[Callable[[], None]] = []

    def lanes(self) -> tuple[int, ...]:
        return tuple(self.engine.lane.lanes)

    def when_lanes_change(self, callback: Callable[[], None]) -> None:
        self.followers.append(callback)

    def read_until(self, us: int | None) -> None:
        if not self.is_over and us is not None:
            self.engine.read_until(us)

    async def submit_all(self, requests: Sequence[Any]) -> list[Json]:
        try:
            return list(await asyncio.gather(*(self.engine.submit(r) for r in requests)))
        except Unreachable:
            # The process is gone, and with it whoever waits.
            return await asyncio.get_running_loop().create_future()


class _Source(KafkaSource):
    """Whoever reads nothing waits to be woken as well, not for the whole time of a poll."""

    def __init__(self, broker: Broker, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._broker = broker

    async def poll(self, timeout_s: float) -> Sequence[Arrival]:
        if self._starts:
            return await super().poll(timeout_s)
        await self._broker.wait(timeout_s)
        return ()


class _Life:
    """What one process reads and publishes."""

    def __init__(self, desk: _Desk, source: KafkaSource, intake: Intake, relay: Relay) -> None:
        self.desk, self.source, self.intake, self.relay = desk, source, intake, relay
        self.tasks = [asyncio.ensure_future(part.run()) for part in (intake, relay)]


class Bus:
    """Fills `engine.Attached` for all engines of a world. `wrong` is what must never be logged."""

    def __init__(self, loop: SimLoop, dice: Dice, engines: Sequence[Engine], lanes: int) -> None:
        dice.also(RATES)
        self._loop = loop
        self._lanes = lanes
        self._lives: dict[Engine, _Life] = {}
        self._stack = ExitStack()
        self.options = KafkaOptions(("broker",), prefix="")
        self.broker = Broker(loop, dice)
        self.rung: set[str] = set()
        self.facts: dict[str, tuple[int, int]] = {}
        """Effects that commands told of, and facts by id with the place of their first time."""
        self._seen: dict[Part, int] = {}
        self.wrong: list[str] = []
        self.is_over = False
        options = self.options
        for topic in (options.events, options.replies):
            self.broker.make(topic, lanes)
        for topic in (options.facts, options.dead_letters, *map(options.commands, PARTICIPANTS)):
            self.broker.make(topic, COMMAND_PARTITIONS)
        for module in (kafka_source, kafka_sink):
            self._put(module, "Cluster", lambda _: Client(self.broker))
        self._put(kafka_source, "AIOKafkaConsumer", partial(Consumer, self.broker))
        self._put(kafka_sink, "AIOKafkaProducer", partial(Producer, self.broker))
        for module in (kafka_source, intake_module, relay_module):
            self._put(module, "_log", self)
        self.when_ended: Callable[[], None] = lambda: None
        jobs_max = Random(f"jobs {dice.seed}").choice(JOBS_MAX)
        for engine in engines:
            engine.bus = self
            engine.fires_until_us = 0
            engine.jobs_max = jobs_max

    def _put(self, module: Any, name: str, by: Any) -> None:
        self._stack.enter_context(patch.object(module, name, by))

    def close(self) -> None:
        """The end of the world."""
        self.is_over = True
        self._stack.close()

    # --- where an operator's log would be ------------------------------------------------------

    def info(self, action: str, **what: Json) -> None:
        """Said to nobody."""

    warning = error = debug = info

    def exception(self, action: str, **what: Json) -> None:
        """A fault of ours."""
        import traceback

        self.wrong.append(f"{action} {what}: {traceback.format_exc()[-1500:]}")

    # --- of each process -------------------------------------------------------------------------

    def opened(self, engine: Engine) -> None:
        """Begin to read and to publish, as a process does once its lanes are open."""
        engine.fires_until_us = 0
        options, now_us = self.options, self._loop.now_us
        desk = _Desk(engine)
        store: Any = engine.store
        who = ReadAs(None, TENANT)
        limits = SourceLimits(fetch_wait_s=LONG_S)
        source = _Source(self.broker, options, self._lanes, now_us=now_us, limits=limits)
        intake = Intake(
            source, desk, partial(_cursors, store.connection),
            {options.events: partial(of_event, who=who),
             options.replies: partial(of_reply, who=who)},
            limits=IntakeLimits(poll_s=LONG_S, ends_every_s=0.0, note_every_s=LONG_S),
        )  # fmt: skip
        relay = Relay(
            Published(store.connection, self._passed), KafkaSink(options),
            self.publishing(store.incarnation), desk.lanes, now_us=now_us,
            limits=RelayLimits(idle_s=LONG_S, letters_every_s=0.0, settle_s=1.0),
        )  # fmt: skip
        desk.followers.append(relay.lanes_changed)
        self._lives[engine] = _Life(desk, source, intake, relay)

    def publishing(self, incarnation: int) -> Publishing:
        options = self.options
        topics = Topics(options.facts, COMMANDS, options.replies, options.dead_letters)
        return Publishing(topics, SOURCE, "store", incarnation, PARTICIPANTS)

    def look(self) -> None:
        """Take in what was published since."""
        options = self.options
        for part, log in self.broker.logs.items():
            records = log.records[self._seen.get(part, 0) :]
            if part.topic == options.facts:
                for record in records:
                    id_ = orjson.loads(record.value or b"{}")["id"]
                    self.facts.setdefault(id_, (part.number, record.offset))
            elif part.topic.startswith(COMMANDS):
                self.rung |= {orjson.loads(record.value or b"{}")["effect"] for record in records}
            else:
                continue
            self._seen[part] = len(log.records)

    def _passed(self, lane: int, position: int, offered: Collection[Offer]) -> None:
        """The cursor of the relay moves: what it passes is there for everybody."""
        self.look()
        for offer in offered:
            is_served = offer.participant in PARTICIPANTS
            is_passed = is_served and offer.lane == lane and offer.position <= position
            if is_passed and offer.effect not in self.rung:
                self.wrong.append(f"nobody was told of {offer.effect[:8]}")

    def ended(self, engine: Engine) -> None:
        """The process died: nothing of it goes on."""
        self.when_ended()
        life = self._lives.pop(engine, None)
        if life is not None:
            life.desk.is_over = True
            for task in life.tasks:
                task.cancel()

    def lanes_changed(self, engine: Engine) -> None:
        life = self._lives.get(engine)
        for callback in life.desk.followers if life is not None else ():
            callback()
        self.broker.wake()

    def committed(self, engine: Engine) -> None:
        """Something may be to publish; what is due must know how far the inputs are read."""
        life = self._lives.get(engine)
        if life is None or self.is_over:
            return
        life.relay.wake()
        due_us = engine.lane.next_due_us()
        waits = due_us is not None and due_us > 0 and (engine.fires_until_us or 0) < due_us
        is_due = waits and due_us is not None and due_us <= self._loop.now_us()
        # While records are lost nothing more is read: whoever accepts it wakes all.
        is_read = not life.source.lost
        if is_read and (is_due or life.intake._open_ends is not None):
            self._loop.call_later(WAKE_S, self.broker.wake)


async def _cursors(db: sqlite3.Connection, lanes: Sequence[int]) -> Sequence[Cursor]:
    marks = ", ".join("?" * len(lanes))
    rows = db.execute(f"{CURSORS} WHERE lane IN ({marks})", tuple(lanes))
    return [Cursor(*row) for row in rows.fetchall()]
