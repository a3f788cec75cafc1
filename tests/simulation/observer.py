"""Watches the store after every round: folds what was committed, and asserts what must hold."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
from eventsourcing.persistence import StoredEvent

from consumers.batch import IDLE_WAKE_US
from consumers.core import snapshot_of
from consumers.registry import Registry
from domain import events as ev
from domain.chain import GENESIS, event_hash, lane_chain
from domain.commitment import Commitment
from domain.events import Event
from domain.mapper import event_mapper
from domain.streams import us_of
from tests.simulation.books import Books
from tests.simulation.bounds import beyond
from tests.simulation.fleet import Fleet
from tests.simulation.judge import RESTS, Judge, Violation, goes_on, hold, timers_have_fired
from tests.simulation.oracles import unmet
from tests.simulation.store import Leases

__all__ = ["Observer", "Shadow", "Violation", "plain", "same"]

Json = Any
TRACE_MAX = 40
_EVENTS = """
SELECT lane, position, stream, version, topic, state, prev FROM events
WHERE lane = ? AND position > ? ORDER BY position
"""
_LANES = "SELECT lane, head, chain, clock_us FROM lanes ORDER BY lane"
_DISPATCHES = "SELECT effect, stream, kind, attempt, state FROM dispatches"
_WAKE = "SELECT due_us FROM timers WHERE stream = ?"


@dataclass(slots=True)
class Shadow:
    """A stream as its committed events say, folded from the first one."""

    state: Any = None
    version: int = 0
    hash: bytes = GENESIS
    at_us: int = 0
    events: list[tuple[int, Event]] = field(default_factory=list)


def plain(state: Any) -> bytes:
    """A state as bytes that are equal when all of it is."""
    return orjson.dumps(snapshot_of(state).state, default=str, option=orjson.OPT_NON_STR_KEYS)


def same(one: Any, other: Any) -> bool:
    """Whether two states are equal; as bytes where one came by way of a snapshot."""
    a, b = ({k: v for k, v in vars(s).items() if k[0] != "_"} for s in (one, other))
    return a == b or plain(one) == plain(other)


class Observer:
    """Reads what each round committed. `trace` holds the last things that happened."""

    def __init__(self, leases: Leases, registry: Registry, books: Books) -> None:
        self.streams: dict[UUID, Shadow] = {}
        self.decisions = 0
        self.topics: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.trace: deque[str | _Line] = deque(maxlen=TRACE_MAX)
        self.judge = Judge(registry, leases, books)
        self.oracles = self.judge.oracles
        self.gates = self.judge.gates
        self.positions: dict[int, int] = {}
        self._chains: dict[int, bytes] = {}
        self._clocks_us: dict[int, int] = {}
        self._leases = leases
        self._mapper = event_mapper()
        self._known: dict[str, Commitment] = {}
        self._seen: tuple[sqlite3.Connection | None, int] = None, 0
        self._waiting: list[asyncio.Future[None]] = []

    def begin_again(self) -> None:
        """The store was put back: what is in it is read anew, from its first event."""
        fresh = Observer(self._leases, self.oracles.registry, self.oracles.books)
        fresh.oracles.covered = self.oracles.covered
        fresh.trace, fresh._waiting = self.trace, self._waiting
        fresh.decisions, fresh.topics = self.decisions, self.topics
        fresh.statuses = self.statuses
        vars(self).update(vars(fresh))

    @property
    def chain(self) -> bytes:
        """The chains of all lanes, computed here."""
        return b"".join(self._chains.values())

    async def moved(self, within_s: float) -> None:
        """Wait for the next event that is committed, at most so long."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await asyncio.wait([future], timeout=within_s)

    def step(self, engine: Fleet) -> None:
        """Take in what was committed since. Raises Violation."""
        hold("decides alike", engine.unlike)
        hold("mail in order", engine.overtaken)
        db = engine.connection
        # Everybody writes by way of this connection: with its count nothing has changed.
        if self._seen[0] is db and self._seen[1] == db.total_changes:
            return
        self._seen = db, db.total_changes
        engine.learn()  # here: work by a new definition may go on before whoever sent it hears
        changed: dict[UUID, None] = {}
        for lane, head, chain, clock_us in db.execute(_LANES).fetchall():
            position = self.positions.setdefault(lane, 0)
            if head != position:
                for row in db.execute(_EVENTS, (lane, position)).fetchall():
                    changed[self._take(*row)] = None
            if head != self.positions[lane] or chain != self._chains.setdefault(lane, GENESIS):
                raise Violation("log", f"lane {lane} says {head}, not {self.positions[lane]}")
            if clock_us < self._clocks_us.get(lane, 0):
                raise Violation("time", f"the clock of lane {lane} went back")
            self._clocks_us[lane] = clock_us
        if changed:
            self.decisions += len(changed)
            self._look(engine, changed)
            waiting, self._waiting = self._waiting, []
            for future in waiting:
                if not future.done():
                    future.set_result(None)

    # --- one event -----------------------------------------------------------------------------

    def _take(
        self, lane: int, position: int, stream: bytes, version: int, topic: str, state: bytes,
        prev: bytes,
    ) -> UUID:  # fmt: skip
        id_ = UUID(bytes=stream)
        shadow = self.streams.setdefault(id_, Shadow())
        if position != self.positions[lane] + 1:
            raise Violation("positions", f"{position} follows {self.positions[lane]}")
        if version != shadow.version + 1 or prev != shadow.hash:
            raise Violation("versions", f"{id_}: {version} follows {shadow.version}")
        event: Any = self._mapper.to_domain_event(StoredEvent(id_, version, topic, state))
        at_us = us_of(event.timestamp)
        if at_us < shadow.at_us:
            raise Violation("time", f"{id_} went back at version {version}")
        self.trace.append(_Line(position, id_, version, topic, event))
        self.topics[topic] += 1
        if isinstance(shadow.state, Commitment):
            self.judge.see(id_, shadow.state, event, at_us)
        elif isinstance(event, ev.CommitmentOpened):
            hold("one run", self.oracles.opened(id_, event))
        shadow.state = event.mutate(shadow.state)
        shadow.version, shadow.at_us = version, at_us
        shadow.hash = event_hash(prev, stream, version, topic, state)
        shadow.events.append((position, event))
        self.positions[lane] = position
        chain = self._chains.get(lane, GENESIS)
        self._chains[lane] = lane_chain(chain, position, shadow.hash)
        return id_

    # --- the streams that changed --------------------------------------------------------------

    def _look(self, engine: Fleet, changed: dict[UUID, None]) -> None:
        cached = engine.cached(changed)
        for id_ in changed:
            shadow = self.streams[id_]
            entry = cached.get(id_)
            if entry is not None and (
                entry.version != shadow.version or not same(entry.state, shadow.state)
            ):
                raise Violation("cache", f"{id_} differs from its events")
            if isinstance(shadow.state, Commitment):
                self._known[str(id_)] = shadow.state
                self.statuses[shadow.state.status] += 1
                timers_have_fired(shadow.state)
                definition = engine.registry.by_hash(shadow.state.definition)
                hold("bounds", beyond(definition, shadow.state))
                _will_wake(engine, shadow.state)
        hold("children", self.oracles.missing({str(id_) for id_ in self.streams}))
        self.dispatches(engine, changed)

    def dispatches(self, engine: Fleet, changed: dict[UUID, None]) -> None:
        """Who may act is what the streams say: no row without its effect, no effect without."""
        rows: dict[UUID, dict[str, tuple[str, int, str]]] = {}
        db = engine.connection
        for effect, stream, kind, attempt, state in db.execute(_DISPATCHES):
            row = (kind, attempt, state)
            rows.setdefault(UUID(bytes=stream), {})[effect.hex()] = row
        for id_, held in rows.items():
            effects = self.streams[id_].state.effects
            for key, (kind, attempt, _) in held.items():
                effect = effects.get(key)
                wanted = ("unknown",) if kind == "probe" else ("offered", "started")
                if effect is None or effect.state not in wanted or effect.attempt != attempt:
                    raise Violation("dispatches", f"{id_}: a row for {effect} ({kind} {attempt})")
        waiting = {UUID(bytes=stream) for (stream,) in db.execute("SELECT stream FROM inbox")}
        if not waiting:
            self._meets(changed)
        hold("stops", self.oracles.started_after_stop())
        for id_ in changed:
            c = self.streams[id_].state
            # What became of a row may still be on its way to the stream.
            is_told = id_ not in waiting
            if isinstance(c, Commitment) and c.status not in RESTS and is_told:
                goes_on(c, rows.get(id_, {}))

    def _meets(self, changed: dict[UUID, None]) -> None:
        """With no mail under way, what is kept and what waits for it have met."""
        now_us = max(self._clocks_us.values())
        states = [self.streams[id_].state for id_ in changed]
        hold("meets", unmet(states, self._known, now_us))


def _will_wake(engine: Fleet, c: Commitment) -> None:
    """The row of timers wakes it no later than its first timer, or than it was last tried."""
    if c.status in RESTS or c.is_over or not c.timers:
        return
    row = engine.connection.execute(_WAKE, (c.id.bytes,)).fetchone()
    latest_us = max(min(c.timers.values()), c.clock_us) + IDLE_WAKE_US
    if row is None or row[0] > latest_us:
        raise Violation("wake-ups", f"{c.saga} {c.key} sleeps beyond {min(c.timers)}")


@dataclass(frozen=True, slots=True)
class _Line:
    """One event of a trace: put into words only where somebody reads it."""

    position: int
    stream: UUID
    version: int
    topic: str
    event: Any

    def __str__(self) -> str:
        where = f"{self.position:5} {str(self.stream)[:8]} v{self.version:<3}"
        return f"{where} {self.topic} {_short(self.event)}"


def _short(event: Any) -> str:
    names = ("node", "effect", "timer", "attempt", "kind", "approval", "target", "status", "reason",
             "error", "code", "event", "cause", "message")  # fmt: skip
    found: list[str] = []
    for name in names:
        value = getattr(event, name, None)
        if value is not None:
            text = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
            found.append(f"{name}={text[:8] if name == 'effect' else text[:80]}")
    return " ".join(found)
