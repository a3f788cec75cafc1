"""The input of the lanes from a log outside: records become requests, cursors move with them.

One task reads, one for each partition hands on, in order and one batch at a time: nothing of a
partition is submitted before what stood ahead of it was answered. What is refused is tried again;
what keeps failing alone becomes a dead letter; what came for a lane that went away is forgotten
and read again from the database's cursor.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import structlog

from consumers.source import Arrival, Ends, Lost, Part, Source, SourceDown
from domain.errors import Refusal
from domain.ports import Cursor, StoreFailed
from domain.requests import Logged, Request

__all__ = ["InputDesk", "Intake", "IntakeLimits", "PartState"]

Json = Any
LANE_LOST = "store.lane_lost"
OF_THE_DATA = ("store.failed", "internal.fault", "bug")
"""Refusals that may lie in one record: it is tried alone, then becomes a dead letter."""
_log = structlog.get_logger("consumers")


class InputDesk(Protocol):
    """What the intake needs of the desk."""

    def lanes(self) -> tuple[int, ...]:
        """The lanes that this process owns now."""
        ...

    def when_lanes_change(self, callback: Callable[[], None]) -> None:
        """Call it, on the event loop, whenever `lanes` has changed."""
        ...

    def read_until(self, us: int | None) -> None:
        """The inputs are read up to this time: timers fire up to it."""
        ...

    async def submit_all(self, requests: Sequence[Request]) -> list[Json]: ...


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """Bounds of the intake; times in seconds.

    A partition is paused while more than `buffered_max` records or `buffered_bytes_max` bytes of
    it wait, and read again below half of that. `tries_max`: how often a record is tried alone.
    """

    batch_max: int = 200
    buffered_max: int = 1_000
    buffered_bytes_max: int = 8 * 1024 * 1024
    tries_max: int = 6
    retry_first_s: float = 0.05
    retry_cap_s: float = 5.0
    reopen_first_s: float = 0.2
    reopen_cap_s: float = 10.0
    poll_s: float = 0.5
    ends_every_s: float = 0.2
    note_every_s: float = 5.0
    stalled_s: float = 30.0


@dataclass(slots=True)
class PartState:
    """A partition that is read: what waits, and how far it was accepted."""

    part: Part
    cursor: Cursor | None
    waiting: deque[Logged] = field(default_factory=deque)
    bytes: int = 0
    in_flight: int = 0
    accepted: int = 0
    tries: int = 0
    is_paused: bool = False
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    @property
    def held(self) -> int:
        """Records that were read and not yet accepted."""
        return len(self.waiting) + self.in_flight


Read = Callable[[Arrival], Logged]
Cursors = Callable[[Sequence[int]], Coroutine[Any, Any, Sequence[Cursor]]]


class Intake:
    """Reads what belongs to the lanes of this process. `run` it as a task; cancel it to stop.

    `readers` by topic; `cursors` asks the database how far the lanes' inputs were read. `rest` is
    asyncio.sleep; tests hand in their own.
    """

    def __init__(
        self,
        source: Source,
        desk: InputDesk,
        cursors: Cursors,
        readers: Mapping[str, Read],
        *,
        limits: IntakeLimits | None = None,
        rest: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep,
    ) -> None:
        self._source = source
        self._desk = desk
        self._cursors = cursors
        self._readers = readers
        self._limits = IntakeLimits() if limits is None else limits
        self._rest = rest
        self._parts: dict[Part, PartState] = {}
        self._again: set[Part] = set()
        self._lanes_changed = True
        self._fault: str | None = "not connected yet"
        self._ends: Ends | None = None
        self._open_ends: Ends | None = None
        self._moved_s = 0.0

    # --- what others see -------------------------------------------------------------------------

    def state(self) -> Json:
        """For readiness: {"ready", "reason"?, "lost": [...], "parts", "held", "paused"}."""
        lost = [
            {"topic": gone.part.topic, "partition": gone.part.number, "next": gone.offset,
             "earliest": gone.earliest}
            for gone in self._source.lost.values()
        ]  # fmt: skip
        reason = self._fault
        if reason is None and lost:
            first = lost[0]
            reason = (
                f"input_lost: {first['topic']}/{first['partition']}: records {first['next']} to"
                f" {first['earliest'] - 1} were deleted before they were read"
            )
        state: dict[str, Json] = {
            "ready": reason is None, "lost": lost, "parts": len(self._parts),
            "held": sum(state.held for state in self._parts.values()),
            "paused": sum(state.is_paused for state in self._parts.values()),
        }  # fmt: skip
        return state if reason is None else {**state, "reason": reason}

    def lag(self) -> dict[Part, int]:
        """Records that are in each partition and not yet accepted, as of the last look."""
        ends = {} if self._ends is None else self._ends.offsets
        return {
            part: max(0, end - self._parts[part].accepted)
            for part, end in ends.items()
            if part in self._parts
        }

    def accept_loss(self, part: Part) -> Lost:
        """Go on behind records that are gone: an operator's decision. Raises KeyError."""
        lost = self._source.skip(part)
        _log.warning("input_loss_accepted", topic=part.topic, partition=part.number,
                     offset=lost.offset, earliest=lost.earliest)  # fmt: skip
        return lost

    # --- the reading task ------------------------------------------------------------------------

    async def run(self) -> None:
        """Read until cancelled. A broker that is gone is waited for; nothing else ends it."""
        self._desk.when_lanes_change(self._lanes_did_change)
        noting = asyncio.create_task(self._note_for_ever(), name="intake-note")
        pause_s = self._limits.reopen_first_s
        try:
            while True:
                try:
                    await self._source.open()
                    self._up()
                    pause_s = self._limits.reopen_first_s
                    await self._read_on()
                except (SourceDown, StoreFailed) as down:
                    self._down(str(down))
                await self._source.close()
                await self._rest(pause_s)
                pause_s = min(pause_s * 2, self._limits.reopen_cap_s)
        finally:
            noting.cancel()
            await self._drop(list(self._parts))
            await self._source.close()

    def _up(self) -> None:
        if self._fault is not None:
            _log.info("input_up")
        self._fault = None
        self._lanes_changed = True

    def _down(self, why: str) -> None:
        if self._fault != why:
            _log.warning("input_down", why=why)
        self._fault = why
        # What was observed of an older connection says nothing of this one.
        self._open_ends = None

    def _lanes_did_change(self) -> None:
        self._lanes_changed = True

    async def _read_on(self) -> None:
        """Read for as long as the source is there."""
        clock = asyncio.get_running_loop().time
        looked_s = self._moved_s = clock()
        while True:
            if self._lanes_changed or self._again:
                await self._own()
            for arrival in await self._source.poll(self._poll_s()):
                self._take(arrival)
                self._moved_s = clock()
            self._pause()
            if clock() - looked_s >= self._limits.ends_every_s:
                looked_s = clock()
                await self._look(clock())

    def _poll_s(self) -> float:
        return min(self._limits.poll_s, self._limits.ends_every_s)

    async def _own(self) -> None:
        """Begin with what belongs to lanes that came, forget what belongs to lanes that went."""
        self._lanes_changed = False
        again, self._again = self._again, set()
        wanted = self._source.parts_of(self._desk.lanes())
        kept = {part for part in wanted if part in self._parts and part not in again}
        await self._drop([part for part in self._parts if part not in kept])
        fresh = [part for part in wanted if part not in kept]
        cursors = await self._cursors(self._desk.lanes()) if fresh else ()
        known = {Part(c.topic, c.partition): c for c in cursors}
        # First those that stay: what is read anew must not be taken for a partition that goes on.
        await self._source.own({part: self._parts[part].cursor for part in kept})
        await self._source.own({part: known.get(part) for part in wanted})
        for part in fresh:
            cursor = known.get(part)
            state = PartState(part, cursor, accepted=0 if cursor is None else cursor.offset)
            state.task = asyncio.create_task(self._hand_on(state), name=f"intake-{part.number}")
            self._parts[part] = state
        self._open_ends = None

    async def _drop(self, parts: Sequence[Part]) -> None:
        tasks = [self._parts.pop(part).task for part in parts]
        for task in tasks:
            if task is not None:
                task.cancel()
        await asyncio.gather(*(task for task in tasks if task), return_exceptions=True)

    def _take(self, arrival: Arrival) -> None:
        state = self._parts.get(arrival.part)
        if state is None:
            return
        state.waiting.append(self._readers[arrival.part.topic](arrival))
        state.bytes += len(state.waiting[-1].raw)
        state.wake.set()

    def _pause(self) -> None:
        limits = self._limits
        for state in self._parts.values():
            share = 0.5 if state.is_paused else 1.0
            is_full = state.held > limits.buffered_max * share
            state.is_paused = is_full or state.bytes > limits.buffered_bytes_max * share
        self._source.pause([s.part for s in self._parts.values() if s.is_paused])

    # --- how far it is read ----------------------------------------------------------------------

    async def _look(self, now_s: float) -> None:
        """Observe the ends, and tell the desk when everything before them was accepted."""
        if self._open_ends is None:
            self._ends = self._open_ends = await self._source.ends()
        if await self._is_read(self._open_ends):
            self._desk.read_until(self._open_ends.at_us)
            self._ends = self._open_ends = await self._source.ends()
            self._moved_s = now_s
        elif now_s - self._moved_s > self._limits.stalled_s and not self._is_busy():
            raise SourceDown(f"nothing came for {self._limits.stalled_s:g} s, though there is more")

    def _is_busy(self) -> bool:
        return bool(self._source.lost) or any(state.held for state in self._parts.values())

    async def _is_read(self, ends: Ends) -> bool:
        for part, end in ends.offsets.items():
            state = self._parts.get(part)
            if state is None:
                continue
            if state.accepted >= end:
                continue
            if state.held or await self._source.reached(part) < end:
                return False
            # Behind the last record there were only marks of transactions.
            state.accepted = end
        return True

    async def _note_for_ever(self) -> None:
        noted: dict[Part, int] = {}
        while True:
            await self._rest(self._limits.note_every_s)
            found = {s.part: s.cursor for s in self._parts.values() if s.cursor is not None}
            moved = [c for part, c in found.items() if noted.get(part) != c.offset]
            # Only monitoring tools read it: the next round says it again.
            with contextlib.suppress(SourceDown):
                await self._source.note(moved)
                noted = {part: cursor.offset for part, cursor in found.items()}

    # --- handing on, for each partition ----------------------------------------------------------

    async def _hand_on(self, state: PartState) -> None:
        """Submit what waits, in order, for as long as the partition is ours."""
        while True:
            while not state.waiting:
                state.wake.clear()
                await state.wake.wait()
            refused = await self._submit(state)
            if refused is None:
                state.tries = 0
                continue
            if refused.alias == LANE_LOST:
                self._again.add(state.part)
                return
            limits = self._limits
            state.tries += 1
            await self._rest(min(limits.retry_first_s * 2**state.tries, limits.retry_cap_s))

    async def _submit(self, state: PartState) -> Refusal | None:
        """Submit the next batch; what follows the first refused one waits. None: all accepted."""
        size = 1 if state.tries else self._limits.batch_max
        batch = [state.waiting.popleft() for _ in range(min(size, len(state.waiting)))]
        batch[0] = self._given_up(state, batch[0])
        state.in_flight = len(batch)
        try:
            answers = await self._desk.submit_all(batch)
        except Refusal as refused:
            answers = [refused]
        bad = next((n for n, a in enumerate(answers) if isinstance(a, BaseException)), len(batch))
        refused = answers[bad] if bad < len(batch) else None
        state.waiting.extendleft(reversed(batch[bad:]))
        state.in_flight = 0
        if bad:
            state.cursor = batch[bad - 1].cursor
            state.accepted = max(state.accepted, state.cursor.offset)
            state.bytes -= sum(len(logged.raw) for logged in batch[:bad])
            state.tries = 0
        if refused is None or isinstance(refused, Refusal):
            return refused
        raise refused

    def _given_up(self, state: PartState, logged: Logged) -> Logged:
        """A record that failed alone too often goes on as a dead letter: its neighbours follow."""
        if state.tries < self._limits.tries_max or state.last_alias not in OF_THE_DATA:
            return logged
        return replace(logged, request=None, fault=(state.last_alias, state.last_detail))
