"""The input of the lanes from a log outside: records become requests, cursors move with them.

One task reads, one for each partition hands on (`consumers.part_input`). A broker that is gone is
waited for; a lane that went takes its partitions with it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import structlog

from consumers.part_input import InputDesk, IntakeLimits, PartInput, Rest
from domain.ports import Asked, Cursor, StoreFailed
from domain.requests import Logged
from domain.source import Arrival, Ends, Part, Source, SourceDown

__all__ = ["InputDesk", "Intake", "IntakeLimits"]

Json = Any
NOBODY = Asked("*", "troth", "automated_workflow", ())
"""Who asks for what no producer asked for."""
RAW_BYTES_MAX = 1_048_576
DETAIL_MAX = 2_000
_log = structlog.get_logger("consumers")

Read = Callable[[Arrival], Sequence[Logged]]
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
        rest: Rest = asyncio.sleep,
    ) -> None:
        self._source = source
        self._desk = desk
        self._cursors = cursors
        self._readers = readers
        self._limits = IntakeLimits() if limits is None else limits
        self._rest = rest
        self._parts: dict[Part, PartInput] = {}
        self._tasks: dict[Part, asyncio.Task[None]] = {}
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
                except asyncio.CancelledError:
                    # Only who runs this task may end it, not a task that the driver gave up.
                    task = asyncio.current_task()
                    if task is None or task.cancelling():
                        raise
                    self._down("the connection was given up")
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
        looked_s = asked_s = self._moved_s = clock()
        while True:
            if self._source.lost and clock() - asked_s >= self._limits.lost_every_s:
                asked_s = clock()
                await self._find_accepted()
            if self._lanes_changed or self._again:
                await self._own()
            for arrival in await self._source.poll(self._limits.poll_s):
                self._take(arrival)
                self._moved_s = clock()
            self._source.pause([p for p, state in self._parts.items() if state.should_pause()])
            if clock() - looked_s >= self._limits.ends_every_s:
                looked_s = clock()
                await self._look(clock())

    async def _own(self) -> None:
        """Begin with what belongs to lanes that came, forget what belongs to lanes that went."""
        self._lanes_changed = False
        again, self._again = self._again, set()
        wanted = self._source.parts_of(self._desk.lanes())
        kept = {part for part in wanted if part in self._parts and part not in again}
        doubted = {
            part: self._parts[part].cursor
            for part in wanted
            if part in again and part in self._parts
        }
        await self._drop([part for part in self._parts if part not in kept])
        fresh = [part for part in wanted if part not in kept]
        cursors = await self._cursors(self._desk.lanes()) if fresh else ()
        known: dict[Part, Cursor | None] = {Part(c.topic, c.partition): c for c in cursors}
        # Behind a refused record others may have been taken: read from where it was still whole.
        known |= {part: _lower(cursor, known.get(part)) for part, cursor in doubted.items()}
        # First those that stay: what is read anew must not be taken for a partition that goes on.
        await self._source.own({part: self._parts[part].cursor for part in kept})
        await self._source.own({part: known.get(part) for part in wanted})
        for part in fresh:
            cursor = known.get(part)
            state = PartInput(part, cursor, self._desk, self._limits, self._rest)
            self._parts[part] = state
            name = f"intake-{part.topic}-{part.number}"
            self._tasks[part] = asyncio.create_task(self._hand_on(state), name=name)
        self._open_ends = None

    async def _find_accepted(self) -> None:
        """Read on where an operator accepted that records are gone: the cursor was moved."""
        for cursor in await self._cursors(self._desk.lanes()):
            part = Part(cursor.topic, cursor.partition)
            lost, state = self._source.lost.get(part), self._parts.get(part)
            if lost is None or state is None or cursor.offset <= lost.offset:
                continue
            _log.warning("input_loss_accepted", topic=part.topic, partition=part.number,
                         offset=lost.offset, goes_on_at=cursor.offset)  # fmt: skip
            state.cursor = cursor
            self._again.add(part)

    async def _drop(self, parts: Sequence[Part]) -> None:
        tasks = [self._tasks.pop(part) for part in parts]
        for part in parts:
            del self._parts[part]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _take(self, arrival: Arrival) -> None:
        state = self._parts.get(arrival.part)
        if state is None:
            return
        try:
            found = self._readers[arrival.part.topic](arrival)
        # A record that no reader foresaw becomes a dead letter like any other unreadable one.
        except Exception as fault:  # noqa: BLE001 - logged, and kept as a dead letter
            _log.exception("engine_failed", topic=arrival.part.topic)
            raw = (arrival.value or b"")[:RAW_BYTES_MAX]
            said = f"{type(fault).__name__}: {fault}"[:DETAIL_MAX]
            found = [Logged(NOBODY, arrival.cursor, arrival.at_us, None, raw, ("bug", said))]
        state.put(*found)

    async def _hand_on(self, part: PartInput) -> None:
        try:
            await part.run()
        # A fault of ours must not leave a partition that nobody hands on.
        except Exception:  # noqa: BLE001 - logged, and the partition is read again
            _log.exception("engine_failed", topic=part.part.topic, partition=part.part.number)
            await self._rest(self._limits.retry_cap_s)
        self._again.add(part.part)

    # --- how far it is read ----------------------------------------------------------------------

    async def _look(self, now_s: float) -> None:
        """Tell the desk when everything before the observed ends was accepted; observe anew."""
        if self._open_ends is not None and not await self._is_read(self._open_ends):
            if now_s - self._moved_s > self._limits.stalled_s and not self._is_busy():
                told = f"nothing came for {self._limits.stalled_s:g} s, though there is more"
                raise SourceDown(told)
            return
        if self._open_ends is not None:
            self._desk.read_until(self._open_ends.at_us)
        self._moved_s = now_s
        self._ends = self._open_ends = await self._source.ends()
        if await self._is_read(self._open_ends):
            self._desk.read_until(self._open_ends.at_us)
            self._open_ends = None

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


def _lower(mine: Cursor | None, stored: Cursor | None) -> Cursor | None:
    """The earlier of two cursors; None is the beginning."""
    if mine is None or stored is None or mine.topic_id != stored.topic_id:
        return None if mine is None else stored
    return mine if mine.offset < stored.offset else stored
