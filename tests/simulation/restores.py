"""A store that is put back to a copy taken earlier, as an operator restores a backup.

Every engine dies; participants keep their books, their journal and the leases they hold. What the
lost time said counts no more, what it did is asked about, and what was lost is what the copy had
not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from copy import deepcopy
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

from domain.commitment import Commitment
from tests.simulation.books import Act, Books
from tests.simulation.dice import Dice
from tests.simulation.engine import DOWN_S_MAX
from tests.simulation.fleet import Fleet
from tests.simulation.gates import is_gated
from tests.simulation.kinds import Kinds
from tests.simulation.ledger import Ledger
from tests.simulation.loop import SimLoop
from tests.simulation.observer import Observer, Violation
from tests.simulation.people import People
from tests.simulation.plots import is_changing

__all__ = ["Restores"]

Json = Any
DOUBT_S = (60.0, 6 * 3600.0)
AGAIN = 0.7
"""The share of lost events that producers send again, when they hear of it."""
AGAIN_S_MAX = 900.0
LOOK_S = 0.5
SOON = 0.5
"""The share of copies that are taken when a gated effect is about to begin."""
SOON_S_MAX = 10.0
AT_WORK = 0.4
"""The share of those that are taken while a worker holds what may be repeated."""
AT_ONCE_S_MAX = 0.05
SOON_UP_S_MAX = 2.0
CLAIM_S = 0.05
CLAIMS_SEEN = 10
_ROWS = "SELECT effect, attempt FROM dispatches WHERE needs_start = 1 AND kind = 'do'"
_ABOUT = _ROWS + " AND state <> 'started'"
_RESTORED = "SELECT restored_us FROM store"
_HELD = "SELECT effect FROM dispatches WHERE needs_start = 0 AND state <> 'offered'"
_RECEIPTS = "SELECT tenant, id, root, source FROM receipts"
_STARTS = "<start>"


class World(Protocol):
    """What is put back, or has to know."""

    loop: SimLoop
    dice: Dice
    engine: Fleet
    observer: Observer
    ledger: Ledger
    books: Books
    crowds: dict[str, People]
    kinds: Kinds


@dataclass(frozen=True, slots=True)
class _Copy:
    """A backup, and what was known outside of it when it was taken."""

    store: bytes
    at_us: int
    ledger: Ledger
    started: set[tuple[str, int, str]]
    replied: set[tuple[str, int, str]]


def _is_tried_again(c: Commitment) -> bool:
    waits = (e for e in c.effects.values() if e.state == "backoff" and e.kind == "do")
    return not c.paused and any(is_gated(e.classes) for e in waits)


class Restores:
    """Takes one copy, and puts it back later."""

    def __init__(self, world: World, spawn: Callable[[Coroutine[Any, Any, None]], Any]) -> None:
        self._world = world
        self._spawn = spawn
        self._copy: _Copy | None = None
        self.count = 0
        self._restored_us = 0
        self._doubt_until_us = 0

    async def live(self, horizon_s: float) -> None:
        """Back up at some time, and restore at a later one, while there are faults."""
        dice, engine = self._world.dice, self._world.engine
        await asyncio.sleep(dice.between(0.1, 0.5) * horizon_s)
        rng = Random(f"restore {dice.seed}")
        way = rng.random()
        if is_changing(dice.seed, self._world.kinds):
            way = 0.0  # as soon as for what is about to begin
            await self._until_tried_again(horizon_s * 0.3)
        elif way < SOON:
            await self._until(_ABOUT, horizon_s * 0.3)
        elif way < SOON + AT_WORK:
            await self._until(_HELD, horizon_s * 0.3)
        while not engine.is_up:  # noqa: ASYNC110 - simulated time: nobody turns meanwhile
            await asyncio.sleep(LOOK_S)
        self._take(engine.connection.serialize())
        lost_s = dice.between(0.02, 0.4) * horizon_s
        if way < SOON:
            # So soon that what a worker began in the lost time may be offered to it once more.
            lost_s = rng.uniform(0, SOON_S_MAX)
        elif way < SOON + AT_WORK:
            # So soon that who held something when the copy was taken still does it.
            lost_s = rng.uniform(0, AT_ONCE_S_MAX)
        await asyncio.sleep(lost_s)
        self._put_back(DOWN_S_MAX if way < SOON else SOON_UP_S_MAX)

    async def _until(self, there: str, within_s: float) -> None:
        """Wait until a copy would hold such work: it has something to doubt, or is at work."""
        world = self._world
        until_s = world.loop.time() + within_s
        while (left_s := until_s - world.loop.time()) > 0:
            await world.observer.moved(left_s)
            # What was commanded is given out a little later, which moves no stream.
            for _ in range(CLAIMS_SEEN):
                if world.engine.is_up and world.engine.connection.execute(there).fetchone():
                    return
                await asyncio.sleep(CLAIM_S)

    async def _until_tried_again(self, within_s: float) -> None:
        """Wait until a copy would hold a gated effect that waits for its next attempt."""
        world = self._world
        until_s = world.loop.time() + within_s
        while (left_s := until_s - world.loop.time()) > 0:
            there = [c for people in world.crowds.values() for c in people.open_commitments()]
            if world.engine.is_up and any(_is_tried_again(c) for c in there):
                return
            await world.observer.moved(left_s)

    def _take(self, store: bytes) -> None:
        world = self._world
        leases, now_us = world.engine.leases, world.loop.now_us()
        ledger = deepcopy(world.ledger)
        self._copy = _Copy(store, now_us, ledger, set(leases.started), set(leases.replied))

    def _put_back(self, down_s_max: float) -> None:
        world, dice, copy = self._world, self._world.dice, self._copy
        assert copy is not None
        world.engine.noted("restored", {"to": copy.at_us})
        doubt_us = int(dice.between(*DOUBT_S) * 1_000_000)
        self._restored_us = world.loop.now_us()
        self._doubt_until_us = self._restored_us + doubt_us
        with world.engine.put_back(copy.store, doubt_us, down_s_max) as db:
            (restored_us,) = db.execute(_RESTORED).fetchone()
            rows = [(effect.hex(), attempt) for effect, attempt in db.execute(_ROWS)]
            receipts = db.execute(_RECEIPTS).fetchall()
        leases = world.engine.leases
        leases.doubted = set(rows)
        leases.doubt_until_us, leases.restored_us = self._doubt_until_us, restored_us
        leases.started = copy.started | {(*row, "do") for row in rows}
        leases.replied = set(copy.replied)
        leases.current.clear()
        leases.stale |= {claim.token for claim in leases.tokens}
        self.count = world.engine.restores
        world.observer.begin_again()
        lost = self._forget(copy.ledger, receipts)
        for tenant, id_ in sorted(lost):
            if dice.chance(AGAIN):
                self._spawn(self._send_again(world.crowds[tenant], id_))

    def _forget(self, then: Ledger, receipts: list[Any]) -> set[tuple[str, str]]:
        """What was acknowledged in the lost time is not any more; the events among that."""
        ledger = self._world.ledger
        kept = {(tenant, id_): root for tenant, id_, root, source in receipts if source != _STARTS}
        starts = {(tenant, id_) for tenant, id_, _, source in receipts if source == _STARTS}
        if not then.events.items() <= kept.items() or not then.starts.keys() <= starts:
            raise Violation("restored", "what was acknowledged before the copy is not in it")
        lost = ledger.events.keys() - kept.keys()
        ledger.events = kept
        ledger.starts = {named: id_ for named, id_ in ledger.starts.items() if named in starts}
        ledger.seats, ledger.rejections = set(then.seats), set(then.rejections)
        ledger.replies, ledger.allowed = list(then.replies), set(then.allowed)
        return lost

    async def _send_again(self, people: People, number: str) -> None:
        await asyncio.sleep(self._world.dice.between(1, AGAIN_S_MAX))
        await people.send_again(number)

    # --- what the end is told --------------------------------------------------------------------

    def is_of_lost_time(self, act: Act) -> bool:
        """Whether something was done in the lost time, or by leave of it."""
        if self._copy is None or not self.count or act.at_us < self._copy.at_us:
            return False
        if act.at_us <= self._restored_us:
            return True
        calls = [c for c in self._world.books.calls.get(act.key, ()) if c.at_us <= act.at_us]
        return bool(calls) and calls[-1].token.partition(".")[0] != str(self.count + 1)

    def may_stand(self, act: Act, intent: Any, intended_us: int, withdrawn_us: int | None) -> bool:
        """Whether it may stand without being recorded.

        What may simply be repeated is offered again, and may be taken back: nobody is asked about
        it. Nor is it about what was commanded anew when the doubt was over. And what the copy knows
        as taken back before it began, and does not command again, is to it as if never commanded.
        """
        if not self.is_of_lost_time(act):
            return False
        if withdrawn_us is not None and withdrawn_us <= self._restored_us:
            return True
        return not is_gated(intent.classes) or intended_us >= self._doubt_until_us
