"""A log, a desk, an outbox and a sink in memory, for the logic of intake and relay."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from domain.errors import Refusal, refusal
from domain.outbox import Letter, Message, Offer, Relayed, Row
from domain.ports import Asked, Cursor
from domain.requests import Logged
from domain.source import Arrival, Ends, Lost, Part, SourceDown

LANES = 2
EVENTS = "events"
ASKED = Asked("north", "shop", "executor_system", ())


def cursor_of(part: Part, offset: int) -> Cursor:
    return Cursor(part.topic, "t1", part.number, offset, offset.to_bytes(32, "big"))


def arrival(part: Part, offset: int, value: bytes) -> Arrival:
    return Arrival(part, cursor_of(part, offset + 1), 1_000 + offset, None, value, ())


def logged(found: Arrival) -> list[Logged]:
    """A reader that takes everything."""
    return [Logged(ASKED, found.cursor, found.at_us, None, found.value or b"")]


class MemorySource:
    """Partitions as lists of values. `is_down` makes every question fail."""

    def __init__(self, *parts: Part) -> None:
        self.logs: dict[Part, list[bytes]] = {part: [] for part in parts}
        self.read: dict[Part, int] = {}
        self.paused: set[Part] = set()
        self.most_paused = 0
        self.noted: list[Cursor] = []
        self.gone: dict[Part, Lost] = {}
        self.is_down = False
        self.opened = 0
        self.now_us = 0
        self._came = asyncio.Event()

    def put(self, part: Part, *values: bytes) -> None:
        self.logs[part] += values
        self._came.set()

    def down(self, is_down: bool) -> None:
        self.is_down = is_down
        self._came.set()

    def parts_of(self, lanes: Collection[int]) -> Sequence[Part]:
        return [part for part in self.logs if part.number % LANES in lanes]

    @property
    def lost(self) -> Mapping[Part, Lost]:
        return self.gone

    async def open(self) -> None:
        self._check()
        self.opened += 1

    async def own(self, parts: Mapping[Part, Cursor | None]) -> None:
        self._check()
        fresh = {p: 0 if c is None else c.offset for p, c in parts.items() if p not in self.read}
        self.read = {p: at for p, at in self.read.items() if p in parts} | fresh
        self.gone = {p: g for p, g in self.gone.items() if fresh.get(p, g.offset) < g.earliest}

    async def poll(self, timeout_s: float) -> Sequence[Arrival]:
        self._check()
        found = [
            arrival(part, at, self.logs[part][at])
            for part, first in self.read.items()
            if part not in self.paused and part not in self.gone
            for at in range(first, len(self.logs[part]))
        ]
        for one in found:
            self.read[one.part] = one.cursor.offset
        if not found:
            self._came.clear()
            try:
                async with asyncio.timeout(min(timeout_s, 0.005)):
                    await self._came.wait()
            except TimeoutError:
                pass
        return found

    def pause(self, parts: Collection[Part]) -> None:
        self.paused = set(parts)
        self.most_paused = max(self.most_paused, len(self.paused))

    async def ends(self) -> Ends:
        self._check()
        return Ends(self.now_us, {part: len(self.logs[part]) for part in self.read})

    async def reached(self, part: Part) -> int:
        return self.gone[part].offset if part in self.gone else self.read[part]

    async def note(self, cursors: Collection[Cursor]) -> None:
        self.noted += cursors

    async def close(self) -> None:
        return

    def _check(self) -> None:
        if self.is_down:
            raise SourceDown("the broker is gone")


class MemoryDesk:
    """Takes what comes and moves the cursors with it. `refuse` decides who is refused, and why."""

    def __init__(self, *lanes: int) -> None:
        self.owned = lanes
        self.taken: list[Logged] = []
        self.cursors: dict[Part, Cursor] = {}
        self.until_us: list[int | None] = []
        self.refuse: Callable[[Logged], Refusal | None] = lambda _: None
        self.gate: asyncio.Event | None = None
        self.most_at_once = 0
        self.moved = asyncio.Event()
        self._changed: list[Callable[[], None]] = []

    def lanes(self) -> tuple[int, ...]:
        return self.owned

    def when_lanes_change(self, callback: Callable[[], None]) -> None:
        self._changed.append(callback)

    def own(self, *lanes: int) -> None:
        self.owned = lanes
        for callback in self._changed:
            callback()

    def read_until(self, us: int | None) -> None:
        self.until_us.append(us)
        self.moved.set()

    async def submit_all(self, requests: Sequence[Any]) -> list[Any]:
        self.most_at_once = max(self.most_at_once, len(requests))
        if self.gate is not None:
            await self.gate.wait()
        answers = [self._take(request) for request in requests]
        self.moved.set()
        await asyncio.sleep(0)
        return answers

    def _take(self, request: Logged) -> Any:
        if request.cursor.partition % LANES not in self.owned:
            return refusal("store.lane_lost", "another owner")
        refused = self.refuse(request)
        if refused is not None:
            return refused
        self.taken.append(request)
        self.cursors[Part(request.cursor.topic, request.cursor.partition)] = request.cursor
        return {"status": "accepted"}

    async def known(self, lanes: Sequence[int]) -> Sequence[Cursor]:
        return [c for part, c in self.cursors.items() if part.number % LANES in lanes]

    def values(self, part: Part) -> list[bytes]:
        return [found.raw for found in self.taken if found.cursor.partition == part.number]


@dataclass(slots=True)
class MemoryOutbox:
    """Rows of lanes, offers and letters; what the relay says of them is kept."""

    rows: list[Row] = field(default_factory=list)
    offered: list[Offer] = field(default_factory=list)
    kept_letters: list[Letter] = field(default_factory=list)
    cursors: dict[int, int] = field(default_factory=dict)
    marked: dict[str, int] = field(default_factory=dict)
    due: list[Offer] = field(default_factory=list)
    reserved: set[str] = field(default_factory=set)
    letter_cursor: int = 0
    steps: list[str] = field(default_factory=list)

    async def positions(self, lanes: Sequence[int]) -> Mapping[int, int]:
        return {lane: self.cursors.get(lane, 0) for lane in lanes}

    async def read(self, after: Mapping[int, int], limit: int) -> Sequence[Row]:
        found: dict[int, list[Row]] = defaultdict(list)
        for row in self.rows:
            if row.lane in after and row.position > after[row.lane]:
                found[row.lane].append(row)
        return [row for rows in found.values() for row in rows[:limit]]

    async def offers(self, effects: Sequence[str]) -> Sequence[Offer]:
        return [offer for offer in self.offered if offer.effect in effects]

    async def pushed(self, effects: Sequence[str], now_us: int) -> Collection[str]:
        self.steps.append("marked")
        free = [effect for effect in effects if effect not in self.reserved]
        self.marked |= dict.fromkeys(free, now_us)
        return free

    async def passed(self, positions: Mapping[int, int]) -> None:
        self.cursors |= positions

    async def unanswered(self, due: Relayed, limit: int) -> Sequence[Offer]:
        found, self.due = self.due[:limit], []
        return found

    async def letters(self, after: int, but: Sequence[int], limit: int) -> Sequence[Letter]:
        found = [one for one in self.kept_letters if one.id > after and one.id not in but]
        return sorted(found, key=lambda one: one.id)[:limit]

    async def letters_position(self) -> int:
        return self.letter_cursor

    async def letters_passed(self, id: int) -> None:
        self.letter_cursor = id

    async def close(self) -> None:
        return


class MemorySink:
    """Keeps what was sent. `refuse` says of a message why it fails."""

    def __init__(self, steps: list[str] | None = None) -> None:
        self.sent: list[Message] = []
        self.tried: list[Message] = []
        self.discarded = 0
        self.refuse: Callable[[Message], str | None] = lambda _: None
        self.changed = asyncio.Event()
        self.steps = [] if steps is None else steps

    async def send(self, messages: Sequence[Message]) -> Sequence[str | None]:
        self.steps.append("sent")
        self.tried += messages
        faults = [self.refuse(message) for message in messages]
        self.sent += [m for m, fault in zip(messages, faults, strict=True) if fault is None]
        self.changed.set()
        return faults

    async def discard(self) -> None:
        self.discarded += 1


def stream(number: int) -> UUID:
    return UUID(int=number)
