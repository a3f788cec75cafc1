"""One partition on its way in: what waits, in order, and how far it was accepted.

One batch at a time: nothing is submitted before what stood ahead of it was answered. What is
refused is tried again, what keeps failing alone becomes a dead letter, and what came for a lane
that went away is given up: it is read again from the database's cursor.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from domain.errors import Refusal
from domain.ports import Cursor
from domain.requests import Logged, Request
from domain.source import Part

__all__ = ["InputDesk", "IntakeLimits", "PartInput", "Rest"]

Json = Any
Rest = Callable[[float], Coroutine[Any, Any, None]]
LANE_LOST = "store.lane_lost"
OF_THE_DATA = ("store.failed", "internal.fault", "bug")
"""Refusals that may lie in one record: it is tried alone, then becomes a dead letter."""


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
    retry_cap_s: float = 2.0
    reopen_first_s: float = 0.2
    reopen_cap_s: float = 1.0
    poll_s: float = 0.5
    ends_every_s: float = 0.5
    note_every_s: float = 5.0
    lost_every_s: float = 1.0
    stalled_s: float = 30.0


class PartInput:
    """What was read of `part` and is not yet accepted. `cursor` is where it was accepted up to."""

    def __init__(
        self, part: Part, cursor: Cursor | None, desk: InputDesk, limits: IntakeLimits, rest: Rest
    ) -> None:
        self.part = part
        self.cursor = cursor
        self.accepted = 0 if cursor is None else cursor.offset
        self._read_to = cursor
        self._desk = desk
        self._limits = limits
        self._rest = rest
        self._waiting: deque[Logged] = deque()
        self._bytes = 0
        self._in_flight = 0
        self._tries = 0
        self._why: Refusal | None = None
        self._came = asyncio.Event()
        self.is_paused = False

    @property
    def held(self) -> int:
        """Records that were read and not yet accepted."""
        return len(self._waiting) + self._in_flight

    def put(self, *found: Logged) -> None:
        """What the next record asks. Only the last of it moves the cursor past the record."""
        after = self._before(found[-1].cursor)
        for logged in found[:-1]:
            # Without a record before it there is nothing to go back to but this one.
            self._add(replace(logged, cursor=self._read_to or logged.cursor, after=after))
        self._add(replace(found[-1], after=after))
        self._read_to = found[-1].cursor
        self._came.set()

    def _before(self, cursor: Cursor) -> int:
        """What a record follows; 0 where the log begins anew, as another one or from its start."""
        before = self._read_to
        if before is None or before.topic_id != cursor.topic_id or before.offset >= cursor.offset:
            return 0
        return before.offset

    def _add(self, logged: Logged) -> None:
        self._waiting.append(logged)
        self._bytes += len(logged.raw)

    def should_pause(self) -> bool:
        """Whether enough waits: more than the bound, or once it is paused half of it."""
        share = 0.5 if self.is_paused else 1.0
        limits = self._limits
        self.is_paused = (
            self.held > limits.buffered_max * share
            or self._bytes > limits.buffered_bytes_max * share
        )
        return self.is_paused

    async def run(self) -> None:
        """Submit what comes, in order, until the lane is lost."""
        while True:
            while not self._waiting:
                self._came.clear()
                await self._came.wait()
            await self._submit()
            if self._why is not None:
                await self._rest(self._backoff_s())
                if self._why.alias == LANE_LOST:
                    return

    def _backoff_s(self) -> float:
        limits = self._limits
        return min(limits.retry_first_s * 2 ** (self._tries - 1), limits.retry_cap_s)

    async def _submit(self) -> None:
        """Submit the next batch; what follows the first refused record waits with it."""
        batch = self._next()
        self._in_flight = len(batch)
        try:
            answers = await self._desk.submit_all(batch)
        except Refusal as refused:
            answers = [refused]
        bad = next((n for n, a in enumerate(answers) if isinstance(a, BaseException)), len(batch))
        self._waiting.extendleft(reversed(batch[bad:]))
        self._in_flight = 0
        if bad:
            self._accept(batch[:bad])
        if bad < len(batch):
            refused = answers[bad]
            if not isinstance(refused, Refusal):
                raise refused
            self._tries, self._why = self._tries + 1, refused

    def _accept(self, batch: Sequence[Logged]) -> None:
        self.cursor = batch[-1].cursor
        self.accepted = max(self.accepted, self.cursor.offset)
        self._bytes -= sum(len(logged.raw) for logged in batch)
        self._tries, self._why = 0, None

    def _next(self) -> list[Logged]:
        """The next batch; a single record where the last refusal may be its fault.

        One that failed alone too often goes on as a dead letter, so that its neighbours follow.
        """
        why = self._why
        if why is None or why.alias not in OF_THE_DATA:
            batch = [self._waiting.popleft()]
            while self._follows(batch):
                batch.append(self._waiting.popleft())
            return batch
        suspect = self._waiting.popleft()
        if self._tries > self._limits.tries_max:
            suspect = replace(suspect, request=None, fault=(why.alias, why.detail))
        return [suspect]

    def _follows(self, batch: Sequence[Logged]) -> bool:
        """Whether what waits next may be submitted with these.

        Where a log begins anew, the cursor of the one before it may lie ahead of all records: only
        when the first is in does the lane know what is missing before another one.
        """
        if not self._waiting or len(batch) >= self._limits.batch_max:
            return False
        return batch[0].after > 0 and self._waiting[0].after > 0
