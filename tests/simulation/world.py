"""One simulated world: everybody in it, its time under faults, its healing, its end."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from traceback import format_exception
from typing import Any

import orjson

from consumers.limits import LaneLimits
from domain.errors import Refusal
from domain.ports import Asked
from domain.requests import RegisterRequest
from sagas.catalogue.partner_activation import activation
from sagas.catalogue.signature import signature
from tests.simulation import catalogue, pool
from tests.simulation.books import Books
from tests.simulation.dice import Dice
from tests.simulation.duty import is_on_duty, settle_at_once
from tests.simulation.ending import check_end
from tests.simulation.engine import BROKEN
from tests.simulation.fleet import Fleet
from tests.simulation.flows import random_saga
from tests.simulation.kids import KIDS
from tests.simulation.kinds import kinds_of
from tests.simulation.ledger import Ledger
from tests.simulation.loop import SimLoop
from tests.simulation.network import TENANT, Network
from tests.simulation.observer import Observer, Violation
from tests.simulation.options import WHOLE, Options
from tests.simulation.people import PERSONS, People
from tests.simulation.plots import plots_of
from tests.simulation.restores import Restores
from tests.simulation.sdk import Machine, journal_database, simulated_sdk
from tests.simulation.stories import stories
from tests.simulation.surroundings import close, empty_store, folder, knowing, silent
from tests.simulation.tenants import Neighbours
from tests.simulation.traffic import traffic_of

__all__ = ["Outcome", "World", "run_seed"]

Json = Any
OPERATOR = Asked(TENANT, "olga", "human", ("operator",))
DRAWS_MAX = 20
SHORT_S_MAX = 5400.0
LONG_S = (6 * 3600.0, 72 * 3600.0)
LONG = 0.3
"""The share of worlds that live for days rather than for an hour."""
WAITS_S = (60.0, 300.0, 900.0, 900.0)
LONG_WAITS_S = (900.0, 6 * 3600.0, 6 * 3600.0)
"""How long a claim waits for work: each that ends empty costs as much as a decision."""
HEALED_CLAIM_WAIT_S = 48 * 3600.0
LAST_WORDS_S = 60
HEALING_S = (*(20.0,) * 60, *(600.0,) * 60, *(6 * 3600.0,) * 20, *(86_400.0,) * 150)
"""How long is waited each time between looking what only persons can do; 155 days in all."""


@dataclass(slots=True)
class Outcome:
    """What a seed came to. `fingerprint` is equal when everything happened equally."""

    seed: int
    violation: Violation | None = None
    trace: list[str] = field(default_factory=list)
    simulated_s: float = 0.0
    wall_s: float = 0.0
    core_s: float = 0.0
    decisions: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    topics: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    fingerprint: str = ""
    options: Options = WHOLE
    stories: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    covered: set[tuple[str, str]] = field(default_factory=set)


def run_seed(seed: int, options: Options = WHOLE) -> Outcome:
    """Live through one seed. A violation is part of the outcome, never raised."""
    outcome = Outcome(seed, options=options)
    began_s, core_s = time.perf_counter(), time.process_time()
    dice = Dice(seed, options)
    loop = SimLoop(dice.random.random)
    with folder() as here, simulated_sdk(loop, dice), silent(), knowing():
        world = World(loop, dice, here / "troth.db", options)
        loop.set_exception_handler(world.failed)
        main = loop.create_task(world.live())
        try:
            loop.run_until_complete(main)
        except Violation as violation:
            outcome.violation = violation
        except Exception as error:
            logging.getLogger("simulation").debug("world ended", exc_info=error)
            outcome.violation = Violation("fault", f"{type(error).__name__}: {error}")
            outcome.violation.__cause__ = error
        finally:
            world.end(outcome)
            close(loop)
    outcome.wall_s = time.perf_counter() - began_s
    outcome.core_s = time.process_time() - core_s
    return outcome


class World:
    """Engine, network, worker machines and people of one seed."""

    def __init__(self, loop: SimLoop, dice: Dice, path: Path, options: Options) -> None:
        self.loop = loop
        self.dice = dice
        self._options = options
        self._count = 0
        dice.told = self._fault
        self.ledger = Ledger()
        self.books = Books()
        self.notes: list[str] = []
        self._violation: asyncio.Future[None] = loop.create_future()
        limits = LaneLimits(
            mail_per_batch_max=dice.pick([3, 8, 5_000]), inbox_per_batch_max=dice.pick([1, 4, 500]),
            timers_per_batch_max=dice.pick([1, 3, 500]), sweep_per_batch_max=dice.pick([1, 500]),
            streams_cached_max=dice.pick([1, 4, 10_000]), snapshot_every=dice.pick([3, 15, 200]),
        )  # fmt: skip
        path.write_bytes(empty_store())
        self.kinds = kinds_of(dice.seed, options)
        lanes = dice.pick([None, None, 2, 4]) or (2 if self.kinds.has_bus else None)
        self.engine = Fleet(
            loop, dice, path, limits, lanes=lanes,
            count=dice.pick([1, 2, 3]), stepped=self._stepped, noted=self._noted,
            answered=self._answered,
        )  # fmt: skip
        self.observer = Observer(self.engine.leases, self.engine.registry, self.books)
        self.network = Network(dice, self.engine)
        self.crowds = {
            tenant: People(dice, self.network, self.engine, self.observer, self.books, tenant)
            for tenant in self.kinds.tenants
        }
        self.people = self.crowds[TENANT]
        self.restores = Restores(self, self._spawn)
        self.engine.is_restored = self.kinds.is_restored
        self.neighbours = Neighbours(self.kinds.tenants, dice, self)
        self.traffic = traffic_of(self) if self.kinds.has_bus else None
        self._with_partner = dice.chance(0.5)
        self._with_sign = dice.chance(0.4)
        self._long = None
        if "catalogue" not in options.without:
            self._long = catalogue.played(
                dice.seed, with_partner=self._with_partner, with_signature=self._with_sign
            )
        self._plotted: list[str] = []

    # --- its life --------------------------------------------------------------------------------

    async def live(self) -> None:
        """Faults, healing, and the invariants of the end. Raises Violation."""
        life = asyncio.ensure_future(self._live())
        await asyncio.wait([life, self._violation], return_when=asyncio.FIRST_COMPLETED)
        if self._violation.done():
            life.cancel()
            self._violation.result()
        await life
        check_end(self)
        self.neighbours.check_end()
        if self.traffic is not None:
            self.traffic.check_end()

    async def _live(self) -> None:
        dice = self.dice
        dice.is_calm = True
        self.engine.open()
        sagas = await self._register()
        dice.is_calm = False
        horizon_s = dice.between(300, 5400)
        if dice.chance(LONG):
            horizon_s = dice.between(*LONG_S)
        machines = self._machines(is_long=horizon_s > SHORT_S_MAX)
        for machine in machines:
            self._spawn(machine.run())
        self._outside(max(1.0, horizon_s / SHORT_S_MAX))
        drawn: list[Any] = []
        for people in self.crowds.values():
            drawn += stories(people, dice, sagas, self._plotted, horizon_s)
        if self.kinds.is_restored:
            self._spawn(self.restores.live(horizon_s))
        elif sagas and dice.chance(0.5):
            drawn.append(self._renew(dice.pick(sagas), horizon_s))
        self._count = len(drawn)
        told = [self._spawn(story) for story in self._told(drawn)]
        for story in [] if self._long is None else self._long.told(self.people, horizon_s):
            self._spawn(story)  # for weeks: nobody waits for all of it
        await asyncio.sleep(horizon_s)
        dice.calm()
        for machine in machines:
            machine.claim_wait_s = HEALED_CLAIM_WAIT_S
            machine.restart()
        while (await asyncio.wait(told, timeout=HEALING_S[0]))[1]:
            for people in self.crowds.values():  # a story may wait for what is parked
                await people.release_parked()
        for story in told:
            story.result()
        await self._heal()
        for machine in machines:
            machine.stop()
        for _ in range(LAST_WORDS_S):
            await asyncio.sleep(1)
            if self._is_quiet():
                return

    def _is_quiet(self) -> bool:
        """Whether nothing is on its way: machines that stop send what they still have to tell."""
        left = self.engine.connection.execute("SELECT 1 FROM inbox LIMIT 1").fetchone()
        return left is None and (self.traffic is None or self.traffic.settle())

    def _outside(self, pace: float) -> None:
        """People, at their pace: the longer it all takes, the longer they take."""
        found: list[tuple[str, Any]] = []
        for people in self.crowds.values():
            found += [("approvers", people.decide_now_and_then(p, pace)) for p in PERSONS]
            found += [
                ("operators", people.operate_now_and_then(pace)),
                ("pauses", people.pause_now_and_then(pace)),
                ("strangers", people.annoy_now_and_then(pace)),
            ]
        found += [("strangers", work) for work in self.neighbours.pry(pace)]
        if self.traffic is not None:
            self._spawn(self.traffic.accept_now_and_then())
            found.append(("strangers", self.traffic.spoil_now_and_then(pace)))
            found.append(("strangers", self.traffic.repeat_now_and_then(pace)))
        if is_on_duty(self.dice):
            found.append(("operators", settle_at_once(self.people, self.dice, self.observer)))
        for name, work in found:
            if name in self._options.without:
                work.close()
            else:
                self._spawn(work)

    def _told(self, stories: list[Any]) -> list[Any]:
        """The stories that are told in this world."""
        most = self._options.stories_max
        if most is not None:
            for story in stories[most:]:
                story.close()
        return stories[:most]

    async def _renew(self, name: str, horizon_s: float) -> None:
        """A new version of a saga is released while runs of the old one go on."""
        if "new versions" in self._options.without:
            return
        await asyncio.sleep(self.dice.between(0, horizon_s * 0.6))
        for _ in range(DRAWS_MAX):
            drawn = random_saga(self.dice.random, name, version=2)
            document = orjson.loads(orjson.dumps(drawn.document()))
            answer = await self.people.insist(RegisterRequest(OPERATOR, document))
            if not isinstance(answer, Refusal):
                return

    async def _register(self) -> list[str]:
        found: list[str] = []
        wanted = self.dice.random.randint(1, 3)
        assert all([await self._registered(kid.document()) for kid in KIDS])
        for number in range(DRAWS_MAX):
            drawn = random_saga(self.dice.random, f"random-{number}")
            if await self._registered(drawn.document()):
                found.append(drawn.name)
            if len(found) == wanted:
                break
        for played in plots_of(self.dice, self.kinds):
            assert await self._registered(played.document()), played
            self._plotted.append(played.name)
        for long in self._long.sagas if self._long is not None else ():
            assert await self._registered(long.document()), long
        for known, is_wanted in ((activation, self._with_partner), (signature, self._with_sign)):
            assert not is_wanted or await self._registered(known.document()), known
        return found

    async def _registered(self, document: Json) -> bool:
        document = orjson.loads(orjson.dumps(document))
        answer = await self.engine.submit(RegisterRequest(OPERATOR, document))
        return not isinstance(answer, Refusal)

    def _machines(self, *, is_long: bool) -> list[Machine]:
        """Of each tenant one at least; without neighbours from one to three."""
        journal = journal_database()
        wait_s = self.dice.pick(LONG_WAITS_S if is_long else WAITS_S)
        more = [] if self._long is None else self._long.participants()
        app = pool.app_of(
            with_partner=self._with_partner, with_signature=self._with_sign, more=more
        )
        whose = self.neighbours.machines() or [None] * self.dice.random.randint(1, 3)
        return [
            Machine(
                f"host-{n}", self.loop, self.dice, self.network, journal, app, self.books,
                claim_wait_s=wait_s, concurrency=self.dice.pick([1, 2, 8]), tenant=tenant,
            )
            for n, tenant in enumerate(whose)
        ]  # fmt: skip

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task = self.loop.create_task(work)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Whoever outside stops for a fault of ours would be missed by nobody."""
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._violation.done():
            found = error if isinstance(error, Violation) else None
            told = f"somebody outside: {type(error).__name__}: {error}"
            self._violation.set_exception(found or Violation("fault", told))

    # --- healing and watching ------------------------------------------------------------------

    async def _heal(self) -> None:
        """No more faults: persons do what only they can do, and all else must come to an end."""
        for pause_s in HEALING_S:
            await asyncio.sleep(pause_s)
            there = 0
            for people in self.crowds.values():
                await people.release_parked()
                await people.approve_all()
                still = people.open_commitments()
                for c in still:
                    await people.fix(c)
                there += len(still)
            is_taken = self.traffic is None or self.traffic.settle()
            if not there and is_taken and self.engine.is_up and not self.engine.parked:
                return

    def _stepped(self) -> None:
        try:
            self.observer.step(self.engine)
            wrong = [people.wrong for people in self.crowds.values()]
            logged = [] if self.traffic is None else self.traffic.wrong()
            for found in (self.books.wrong, self.ledger.wrong, *wrong, self._fenced(), logged):
                if found:
                    raise Violation("answers", found[0])
            self.neighbours.step()
        except Violation as violation:
            if not self._violation.done():
                self._violation.set_exception(violation)

    def _answered(self, request: Any, answer: Json) -> None:
        self.ledger.note(request, answer)
        self.neighbours.note(request, answer)
        if self.traffic is not None:
            self.traffic.order.note(request, answer)

    def _fault(self, fault: str) -> None:
        self.observer.trace.append(f"      {self.loop.time():10.3f} s fault: {fault}")

    def _fenced(self) -> list[str]:
        return self.engine.leases.wrong

    def failed(self, _: Any, context: dict[str, Any]) -> None:
        """What the loop reports: a callback that raised is a finding, a killed task is none."""
        error = context.get("exception")
        if "callback" in context["message"] and error is not None:
            told = "".join(format_exception(error))[-1500:]
            if not self._violation.done():
                self._violation.set_exception(Violation("no fault", told))

    def _noted(self, action: str, what: Json) -> None:
        text = f"      {self.loop.time():10.3f} s {action} {what}"
        self.observer.trace.append(text[:200])
        told = str(what.get("detail", "" if self.engine.broken_until_us else "?"))
        is_ours = not told or any(word in told for word in ("tried", BROKEN))
        is_fault = action == "lane_fault" or (action == "stream_parked" and not is_ours)
        if is_fault and not self._violation.done():
            detail = f"{action}: {str(what)[-1500:]}"
            self._violation.set_exception(Violation("no fault", detail))

    def end(self, outcome: Outcome) -> None:
        """Take down what is left and say what it was."""
        self.engine.close()
        if self.traffic is not None:
            self.traffic.bus.close()
        observer = self.observer
        outcome.trace = [str(line) for line in observer.trace]
        outcome.simulated_s = self.loop.time()
        outcome.decisions = observer.decisions
        outcome.faults, outcome.statuses = self.dice.faults, observer.statuses
        outcome.topics = observer.topics
        outcome.covered = observer.oracles.covered
        outcome.stories = self._count
        outcome.kinds = Counter(self.kinds.names())
        for shadow in observer.streams.values():
            if getattr(shadow.state, "ended", None):
                outcome.ends[shadow.state.status] += 1
        seen = f"{observer.positions} {observer.chain.hex()} {self.loop.time():.6f}"
        outcome.fingerprint = hashlib.sha256(seen.encode()).hexdigest()[:16]
