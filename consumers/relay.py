"""The log is the outbox: what was committed is published, in order, for as long as a lane is ours.

A cursor for each lane passes only what the broker acknowledged, without a gap. After a failed send
everything behind the cursor is published again, with the same ids and bytes: readers know a repeat.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import structlog

from consumers.publishing import Publishing
from domain.outbox import Letter, Message, Offer, Outbox, Placed, Relayed, Row, Sink, SinkDown
from domain.ports import StoreConflict, StoreFailed

__all__ = ["Relay", "RelayLimits"]

Json = Any
_log = structlog.get_logger("consumers")


@dataclass(frozen=True, slots=True)
class RelayLimits:
    """Bounds of the relay; times in seconds.

    A pushed step that nobody answered is published again `again_first_s` after the first time,
    then after as long as it has been offered, at most every `again_cap_s`. The cursors are written
    every `passed_every_s`: what a crash leaves behind them is published again. Letters that a slow
    transaction still holds back are looked for during `settle_s`.
    """

    rows_max: int = 500
    idle_s: float = 1.0
    passed_every_s: float = 0.2
    again_every_s: float = 5.0
    again_first_s: float = 10.0
    again_cap_s: float = 600.0
    again_max: int = 500
    letters_max: int = 100
    letters_every_s: float = 1.0
    settle_s: float = 60.0
    retry_first_s: float = 0.1
    retry_cap_s: float = 1.0


class Relay:
    """Publishes the log of the lanes of this process. `run` it as a task; cancel it to stop.

    `lanes` says which they are now; whoever knows calls `lanes_changed`, and `wake` after commits.
    """

    def __init__(
        self,
        outbox: Outbox,
        sink: Sink,
        publishing: Publishing,
        lanes: Callable[[], Sequence[int]],
        *,
        now_us: Callable[[], int],
        limits: RelayLimits | None = None,
    ) -> None:
        self._outbox = outbox
        self._sink = sink
        self._publishing = publishing
        self._lanes = lanes
        self._now_us = now_us
        self._limits = RelayLimits() if limits is None else limits
        self._positions: dict[int, int] | None = None
        self._woken = asyncio.Event()
        self._fault: str | None = "not begun yet"
        self._again_s = self._letters_s = self._passed_s = 0.0
        self._unsaved: dict[int, int] = {}
        self._letters_passed = 0
        self._letters_sent: dict[int, int] = {}
        self.failures = 0
        self.published = 0

    # --- for others ------------------------------------------------------------------------------

    def lanes_changed(self) -> None:
        """The lanes of this process are others now: their cursors are read from the database."""
        self._positions = None
        self._unsaved.clear()
        self._woken.set()

    def wake(self) -> None:
        """Something was committed."""
        self._woken.set()

    def state(self) -> Json:
        """For readiness: {"ready", "reason"?, "positions": {lane: position}, "failures"}."""
        state: dict[str, Json] = {
            "ready": self._fault is None, "positions": dict(self._positions or {}),
            "failures": self.failures,
        }  # fmt: skip
        return state if self._fault is None else {**state, "reason": self._fault}

    def lag(self, heads: Mapping[int, int]) -> dict[int, int]:
        """Events of each lane that are not yet published, given the heads."""
        positions = self._positions or {}
        return {lane: max(0, head - positions.get(lane, 0)) for lane, head in heads.items()}

    # --- the task --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Publish until cancelled. A broker or a database that is gone is waited for."""
        pause_s = self._limits.retry_first_s
        try:
            while True:
                try:
                    moved = await self._round()
                    self._fault, pause_s = None, self._limits.retry_first_s
                except (SinkDown, StoreFailed, StoreConflict, asyncio.CancelledError) as down:
                    # Only who runs this task may end it, not a task that the driver gave up.
                    task = asyncio.current_task()
                    if task is None or task.cancelling():
                        raise
                    await self._begin_again(str(down) or "the connection was given up")
                    await asyncio.sleep(pause_s)
                    pause_s = min(pause_s * 2, self._limits.retry_cap_s)
                    continue
                if not moved:
                    await self._wait()
        finally:
            with contextlib.suppress(StoreFailed, StoreConflict):
                await self._save()
            await self._sink.discard()
            await self._outbox.close()

    async def _begin_again(self, why: str) -> None:
        """Give the producer up: what it may still send is a repeat like any other."""
        if self._fault != why:
            _log.warning("relay_down", why=why)
        self._fault = why
        self._positions = None
        self._unsaved.clear()
        await self._sink.discard()

    async def _wait(self) -> None:
        try:
            limits = self._limits
            async with asyncio.timeout(limits.passed_every_s if self._unsaved else limits.idle_s):
                await self._woken.wait()
        except TimeoutError:
            return

    async def _round(self) -> bool:
        """Publish what lies behind the cursors, up to a bound. False: there was nothing."""
        self._woken.clear()
        lanes = tuple(self._lanes())
        if self._positions is None or set(self._positions) != set(lanes):
            found = await self._outbox.positions(lanes)
            self._positions = {lane: found.get(lane, 0) for lane in lanes}
        moved = await self._publish_log(self._positions)
        now_s = asyncio.get_running_loop().time()
        if now_s - self._passed_s >= self._limits.passed_every_s:
            self._passed_s = now_s
            await self._save()
        if now_s - self._again_s >= self._limits.again_every_s:
            self._again_s = now_s
            await self._publish_again(lanes)
        if 0 in lanes and now_s - self._letters_s >= self._limits.letters_every_s:
            # One process publishes the letters of the whole store: the owner of lane 0.
            self._letters_s = now_s
            await self._publish_letters()
        return moved

    # --- the log ---------------------------------------------------------------------------------

    async def _publish_log(self, positions: dict[int, int]) -> bool:
        rows = await self._outbox.read(positions, self._limits.rows_max)
        if not rows:
            return False
        upto: dict[int, int] = {}
        for row in rows:
            upto[row.lane] = max(row.position, upto.get(row.lane, 0))
        states = [None if row.state is None else orjson.loads(row.state) for row in rows]
        offers = await self._offers(states, positions, upto)
        placed = self._placed(rows, states, offers, await self._mark(offers))
        faults = await self._sink.send([message for message, _, _ in placed])
        self.published += faults.count(None)
        stuck: dict[int, int] = {}
        for (_, lane, position), fault in zip(placed, faults, strict=True):
            if fault is not None:
                stuck[lane] = min(position, stuck.get(lane, position))
        passed = {lane: min(at, stuck.get(lane, at + 1) - 1) for lane, at in upto.items()}
        passed = {lane: at for lane, at in passed.items() if at > positions[lane]}
        positions |= passed
        self._unsaved |= passed
        if any(fault is not None for fault in faults):
            await self._save()
        self._raise_first(faults)
        return True

    async def _save(self) -> None:
        """Write the cursors of what was acknowledged."""
        unsaved, self._unsaved = self._unsaved, {}
        if unsaved:
            await self._outbox.passed(unsaved)

    async def _offers(
        self, states: Sequence[Json], positions: Mapping[int, int], upto: Mapping[int, int]
    ) -> list[Offer]:
        """The attempts that these events offered and that still wait, of participants served."""
        if not self._publishing.participants:
            return []
        effects = {s["effect"] for s in states if s is not None and "effect" in s}
        found = await self._outbox.offers(sorted(effects)) if effects else ()
        return [
            offer
            for offer in found
            if offer.participant in self._publishing.participants
            and positions.get(offer.lane, 0) < offer.position <= upto.get(offer.lane, 0)
        ]

    def _placed(
        self,
        rows: Sequence[Row],
        states: Sequence[Json],
        offers: Sequence[Offer],
        pushed: Collection[str],
    ) -> list[Placed]:
        """What to publish with where it stands, in order of the log."""
        placed: list[Placed] = []
        for row, state in zip(rows, states, strict=True):
            fact = None if state is None else self._publishing.fact(row, state)
            if fact is not None:
                placed.append((fact, row.lane, row.position))
        placed += [(self._command(o, pushed), o.lane, o.position) for o in offers]
        placed.sort(key=lambda found: found[1:])
        return placed

    async def _mark(self, offers: Sequence[Offer]) -> Collection[str]:
        """Say in the rows that they are pushed, before they are: from then on nobody claims them.

        One that somebody had reserved before becomes a doorbell.
        """
        wanted = [offer.effect for offer in offers if self._publishing.may_push(offer)]
        return await self._outbox.pushed(wanted, self._now_us()) if wanted else ()

    def _command(self, offer: Offer, pushed: Collection[str]) -> Message:
        return self._publishing.command(offer, is_pushed=offer.effect in pushed)

    # --- what was not answered, and letters ------------------------------------------------------

    async def _publish_again(self, lanes: Sequence[int]) -> None:
        limits = self._limits
        if not self._publishing.participants:
            return
        found = await self._outbox.unanswered(
            Relayed(lanes, self._now_us(), limits.again_first_s, limits.again_cap_s),
            limits.again_max,
        )
        if not found:
            return
        pushed = await self._mark(found)
        self._raise_first(await self._sink.send([self._command(o, pushed) for o in found]))

    async def _publish_letters(self) -> None:
        """Publish letters by id. Ids become visible out of order: the cursor stays behind."""
        now_us = self._now_us()
        if not self._letters_passed:
            self._letters_passed = await self._outbox.letters_position()
        found = [
            letter
            for letter in await self._outbox.letters(
                self._letters_passed, sorted(self._letters_sent), self._limits.letters_max
            )
            if letter.id not in self._letters_sent
        ]
        if found:
            self._raise_first(await self._sink.send([self._letter(letter) for letter in found]))
            self._letters_sent |= {letter.id: letter.at_us for letter in found}
        settled_us = now_us - int(self._limits.settle_s * 1_000_000)
        settled = [id for id, at_us in self._letters_sent.items() if at_us < settled_us]
        if settled:
            self._letters_passed = max(settled)
            await self._outbox.letters_passed(self._letters_passed)
            for id in [sent for sent in self._letters_sent if sent <= self._letters_passed]:
                del self._letters_sent[id]

    def _letter(self, letter: Letter) -> Message:
        return self._publishing.letter(letter)

    def _raise_first(self, faults: Sequence[str | None]) -> None:
        bad = [fault for fault in faults if fault is not None]
        self.failures += len(bad)
        if bad:
            raise SinkDown(bad[0])
