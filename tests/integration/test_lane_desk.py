"""The desk: asyncio callers, one writer thread, answers after the commit."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from consumers.desk import LaneDesk
from consumers.limits import DeskLimits
from domain.errors import Refusal
from domain.ports import StoreFailed
from domain.requests import Publish, RegisterRequest
from tests.integration.lane_places import Place
from tests.integration.lane_world import (
    DAY_US,
    NORTH,
    SECOND_US,
    SOUTH,
    START_US,
    World,
    claim_request,
    reply_request,
    sale,
)

SOON_S = 10.0


class HandClock:
    """A clock that tests turn; the boot clock beside it runs by itself unless it is turned too."""

    def __init__(self) -> None:
        self.wall_us = START_US
        self.skew_s = 0.0

    def now_us(self) -> int:
        return self.wall_us

    def clock_skew_s(self) -> float:
        return self.skew_s


class Office:
    """A desk on a world's lane, with its clock."""

    def __init__(self, world: World, **limits: Any) -> None:
        self.world = world
        self.clock = HandClock()
        wanted = DeskLimits(**{"idle_poll_s": 0.02, "due_again_s": 0.005, **limits})
        self.desk = LaneDesk(world.lane, self.clock, limits=wanted)

    async def ask(self, request: Any) -> Any:
        """The answer, or the refusal."""
        try:
            return await self.desk.submit(request)
        except Refusal as refused:
            return refused.alias


@asynccontextmanager
async def office(place: Place, **limits: Any) -> AsyncIterator[Office]:
    world = World(place)
    world.register(sale())
    opened = Office(world, **limits)
    await opened.desk.start()
    try:
        yield opened
    finally:
        assert await opened.desk.stop(SOON_S)
        world.close()


class Gate:
    """Holds the writer inside a round until it is opened."""

    def __init__(self, world: World) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()
        self._real = world.lane.process
        world.lane.process = self

    def __call__(self, *args: Any, **more: Any) -> Any:
        if args[0]:
            self.entered.set()
            assert self.open.wait(SOON_S)
        return self._real(*args, **more)

    async def is_entered(self) -> None:
        await asyncio.to_thread(self.entered.wait, SOON_S)


async def test_an_answer_comes_after_the_commit(place: Place) -> None:
    """What was answered is there, and the head has moved."""
    async with office(place) as o:
        answer = await o.ask(o.world.event("applied"))
        assert answer["status"] == "accepted"
        heads = o.world.lane.heads
        assert o.desk.state()["lanes"] == [{"lane": n, "head": heads[n]} for n in heads]
        assert o.world.step()["step"] == "create"
        assert await o.ask(o.world.event("nothing")) == "event.unknown_type"


async def test_a_registration_is_no_warning(place: Place) -> None:
    """A parked stream is one."""
    with capture_logs() as logs:
        async with office(place) as o:
            await o.ask(RegisterRequest(NORTH, sale(2)))
    (registered,) = [one for one in logs if one["event"] == "definition_registered"]
    assert (registered["log_level"], registered["version"]) == ("info", 2)


async def test_what_comes_at_once_shares_a_transaction(place: Place) -> None:
    """Each caller gets its own answer, in the order asked."""
    async with office(place) as o:
        gate = Gate(o.world)
        first = asyncio.ensure_future(o.ask(o.world.event("applied", "first")))
        await gate.is_entered()
        commits = o.world.lane.counts.commits
        rest = [asyncio.ensure_future(o.ask(o.world.event("applied", f"c{n}"))) for n in range(50)]
        await asyncio.sleep(0)
        gate.open.set()
        answers = await asyncio.gather(first, *rest)
        assert [a["id"] for a in answers] == [f"e{n}" for n in range(1, 52)]
        assert o.world.lane.counts.commits == commits + 2


async def test_a_batch_is_bounded_by_its_messages(place: Place) -> None:
    """A request with many items counts as many."""
    async with office(place, batch_messages_max=5) as o:
        gate = Gate(o.world)
        first = asyncio.ensure_future(o.ask(o.world.event("applied", "first")))
        await gate.is_entered()
        commits = o.world.lane.counts.commits
        rest = [asyncio.ensure_future(o.ask(o.world.event("applied", f"c{n}"))) for n in range(10)]
        await asyncio.sleep(0)
        gate.open.set()
        await asyncio.gather(first, *rest)
        assert o.world.lane.counts.commits == commits + 3


async def test_a_claim_waits_for_work_without_holding_anybody_up(place: Place) -> None:
    """It is answered by the very transaction that offers the work."""
    async with office(place) as o:
        waiting = asyncio.ensure_future(o.ask(claim_request(wait_s=SOON_S)))
        await _until(lambda: o.desk.state()["claims_waiting"] == 1)
        commits = o.world.lane.counts.commits
        await o.ask(o.world.event("applied"))
        answer = await waiting
        assert [c["node"] for c in answer["claims"]] == ["create"]
        assert o.world.lane.counts.commits == commits + 1
        done = await o.ask(reply_request(answer["claims"][0]))
        assert done["results"][0]["status"] == "recorded"


async def test_a_claim_that_waited_in_vain_is_answered_empty(place: Place) -> None:
    """After the time it asked for; at once when it asked for none."""
    async with office(place) as o:
        assert await o.ask(claim_request(wait_s=0.02)) == {"claims": []}
        assert await o.ask(claim_request()) == {"claims": []}
        assert o.desk.state()["claims_waiting"] == 0


async def test_a_worker_that_left_is_not_given_work(place: Place) -> None:
    """Its claim is withdrawn with it; the next one gets the work."""
    async with office(place) as o:
        gone = asyncio.ensure_future(o.ask(claim_request(wait_s=SOON_S, worker="gone")))
        await _until(lambda: o.desk.state()["claims_waiting"] == 1)
        gone.cancel()
        await asyncio.wait([gone])
        await o.ask(o.world.event("applied"))
        assert len((await o.ask(claim_request()))["claims"]) == 1


async def test_waiting_claims_take_turns(place: Place) -> None:
    """The longest waiting first."""
    async with office(place) as o:
        waiting: list[asyncio.Future[Any]] = []
        for worker in ("w1", "w2"):
            ask = claim_request(wait_s=SOON_S, worker=worker, limit=1)
            waiting.append(asyncio.ensure_future(o.ask(ask)))
            await _until(lambda: o.desk.state()["claims_waiting"] == len(waiting))
        await o.ask(o.world.event("applied", "a"))
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert done == {waiting[0]}
        await o.ask(o.world.event("applied", "b"))
        assert (await waiting[1])["claims"][0]["key"] == "b"


async def test_a_timer_wakes_the_writer(place: Place) -> None:
    """Nobody asks; time passes."""
    async with office(place) as o:
        await o.ask(o.world.event("applied"))
        (claim,) = (await o.ask(claim_request()))["claims"]
        await o.ask(reply_request(claim))
        home = o.world.home()
        head = o.desk.lane.heads[home]
        o.clock.wall_us += 15 * DAY_US
        assert await o.desk.wait_position(home, head + 1, SOON_S)
        assert o.world.step()["status"] == "compensating"


async def test_a_reader_can_wait_for_a_position(place: Place) -> None:
    """Reached, or not within the time."""
    async with office(place) as o:
        home = o.world.home()
        head = o.desk.lane.heads[home]
        assert await o.desk.wait_position(home, head, 0.0)
        assert not await o.desk.wait_position(home, head + 1, 0.01)
        reached = asyncio.ensure_future(o.desk.wait_position(home, head + 1, SOON_S))
        await asyncio.sleep(0)
        await o.ask(o.world.event("applied"))
        assert await reached


async def test_too_much_at_once_is_refused(place: Place) -> None:
    """In all, and of one tenant's events; work of participants still gets in."""
    async with office(place, queue_max=8, tenant_queue_max=3, claims_waiting_max=1) as o:
        gate = Gate(o.world)
        first = asyncio.ensure_future(o.ask(o.world.event("applied", "first")))
        await gate.is_entered()
        events = [asyncio.ensure_future(o.ask(o.world.event("applied", f"c{n}"))) for n in range(4)]
        await asyncio.sleep(0)
        south = asyncio.ensure_future(o.ask(o.world.event("applied", "s", who=SOUTH)))
        claims = [asyncio.ensure_future(o.ask(claim_request())) for _ in range(7)]
        await asyncio.sleep(0)
        gate.open.set()
        answers = await asyncio.gather(first, *events, south, *claims)
        refused = [a for a in answers if a == "http.too_many"]
        assert answers[3:5] == ["http.too_many"] * 2
        assert answers[5]["status"] == "accepted"
        assert len(refused) == 4
        assert (await o.ask(o.world.event("applied", "again")))["status"] == "accepted"
        waiting = asyncio.ensure_future(o.ask(claim_request(wait_s=SOON_S, worker="w9")))
        await _until(lambda: o.desk.state()["claims_waiting"] in (0, 1))
        await asyncio.wait([waiting], timeout=0)
        waiting.cancel()


async def test_stopping_finishes_what_is_queued_and_takes_nothing_new(place: Place) -> None:
    """Waiting claims are answered empty; readiness says why."""
    async with office(place) as o:
        waiting = asyncio.ensure_future(o.ask(claim_request("crm/other@1", wait_s=SOON_S)))
        await _until(lambda: o.desk.state()["claims_waiting"] == 1)
        gate = Gate(o.world)
        first = asyncio.ensure_future(o.ask(o.world.event("applied", "first")))
        await gate.is_entered()
        queued = asyncio.ensure_future(o.ask(o.world.event("applied", "queued")))
        await asyncio.sleep(0)
        stopping = asyncio.ensure_future(o.desk.stop(SOON_S))
        await asyncio.sleep(0)
        assert await o.ask(o.world.event("applied", "late")) == "engine.draining"
        assert o.desk.state()["reason"] == "the engine is stopping"
        gate.open.set()
        assert await stopping
        assert (await first)["status"] == (await queued)["status"] == "accepted"
        assert await waiting == {"claims": []}


async def test_stopping_is_bounded(place: Place) -> None:
    """What could not be finished is told so."""
    async with office(place) as o:
        gate = Gate(o.world)
        first = asyncio.ensure_future(o.ask(o.world.event("applied", "first")))
        await gate.is_entered()
        queued = asyncio.ensure_future(o.ask(o.world.event("applied", "queued")))
        await asyncio.sleep(0)
        assert not await o.desk.stop(0.01)
        assert await queued == "engine.draining"
        assert await first == "engine.draining"
        gate.open.set()
        assert await o.desk.stop(SOON_S)
        assert o.world.step("first")["step"] == "create"
        assert o.world.step("queued") == {}


async def test_a_dead_writer_is_seen(place: Place) -> None:
    """Callers are answered, readiness says why, and nothing new is taken."""
    async with office(place) as o:
        await o.ask(o.world.event("applied"))
        waiting = asyncio.ensure_future(o.ask(claim_request("crm/other@1", wait_s=SOON_S)))
        await _until(lambda: o.desk.state()["claims_waiting"] == 1)
        o.world.lane.process = _broken
        assert await o.ask(o.world.event("applied", "x")) == "bug"
        assert await waiting == "bug"
        state = o.desk.state()
        assert not state["ready"]
        assert "MemoryError" in state["reason"]
        assert await o.ask(o.world.event("applied", "y")) == "engine.draining"


def _broken(*_: Any, **__: Any) -> Any:
    raise MemoryError("no room")


async def test_a_store_that_fails_makes_readiness_false_until_it_is_well(place: Place) -> None:
    """Requests are refused with the store's code, and the writer tries again by itself."""
    async with office(place, fault_pause_s=0.01) as o:
        store: Any = o.world.store
        real = store.begin

        def full(*_: Any) -> Any:
            raise StoreFailed("store.full", "no space")

        store.begin = full
        assert await o.ask(o.world.event("applied")) == "store.full"
        assert "store.full" in o.desk.state()["reason"]
        store.begin = real
        await _until(lambda: o.desk.state()["ready"])
        assert (await o.ask(o.world.event("applied")))["status"] == "accepted"


async def test_a_clock_that_jumps_holds_timers_and_readiness_says_so(place: Place) -> None:
    """Events are accepted at the time that has really passed."""
    async with office(place) as o:
        await o.ask(o.world.event("applied"))
        (claim,) = (await o.ask(claim_request()))["claims"]
        await o.ask(reply_request(claim))
        o.clock.wall_us += 20 * DAY_US
        o.clock.skew_s = 20 * 86_400.0
        await o.ask(o.world.event("applied", "later"))
        assert "clock" in o.desk.state()["reason"]
        assert o.world.step()["status"] == "waiting"
        ((clock_us,),) = o.world.rows("SELECT max(clock_us) FROM lanes")
        assert clock_us < START_US + 60 * SECOND_US
        o.clock.wall_us, o.clock.skew_s = START_US + SECOND_US, 0.0
        await _until(lambda: o.desk.state()["ready"])


async def test_a_desk_that_was_not_started_says_so(place: Place) -> None:
    """Nothing is taken; stopping it is nothing."""
    world = World(place)
    desk = Office(world).desk
    assert desk.state()["reason"] == "the writer has not begun"
    with pytest.raises(Refusal):
        await desk.submit(world.event("applied"))
    assert await desk.stop(0)
    world.close()


async def test_an_event_of_nobody_is_refused_like_any_other(place: Place) -> None:
    """The desk hands on what the lane says."""
    async with office(place) as o:
        event = o.world.event("applied")
        nobody = Publish(replace(NORTH, tenant=""), event.event, event.raw)
        assert await o.ask(nobody) == "event.tenant"


async def _until(true: Any) -> None:
    """Wait until something is seen; the test's own timeout bounds it."""
    async with asyncio.timeout(SOON_S):
        while not true():
            await asyncio.to_thread(threading.Event().wait, 0.002)
