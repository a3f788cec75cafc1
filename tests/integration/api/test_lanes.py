"""A store of several lanes: positions name each lane, and a reader waits for every one named."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from domain.ids import lane_of
from domain.positions import position_of
from tests.integration.api.fakes import COMMITMENT, FakeDesk, World
from tests.integration.api.test_commitments import ONE, code_of, event, get, wait_until


class LanesDesk(FakeDesk):
    """Three lanes, of which this process owns the first two."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = {0: 5, 1: 7, 2: 9}
        self.waited: list[int] = []

    async def wait_position(self, lane: int, position: int, timeout_s: float) -> bool:
        self.waited.append(lane)
        try:
            async with asyncio.timeout(timeout_s):
                while self.heads[lane] < position:
                    self.moved.clear()
                    await self.moved.wait()
        except TimeoutError:
            return False
        return True

    def reach(self, lane: int, head: int) -> None:
        self.heads[lane] = head
        self.moved.set()

    def state(self) -> Any:
        owned = [{"lane": lane, "head": self.heads[lane]} for lane in (0, 1)]
        return {"ready": True, "position": self.position(), "lanes": owned, "lag": 0}

    def position(self) -> str:
        return position_of(1, self.heads)


@pytest.fixture
def lanes() -> LanesDesk:
    return LanesDesk()


@pytest.fixture
def world(lanes: LanesDesk) -> World:
    made = World()
    made.edge.desk = lanes
    return made


async def test_an_answer_names_every_lane(world: World) -> None:
    assert (await get(world, ONE)).headers["troth-position"] == "1:0:5,1:7,2:9"


async def test_every_lane_that_is_named_must_be_reached(world: World, lanes: LanesDesk) -> None:
    reading = asyncio.create_task(get(world, f"{ONE}?wait_for=1:0:6,1:7,2:10&timeout_s=30"))
    await wait_until(lambda: lanes.waited == [0, 2])
    lanes.reach(2, 10)
    await asyncio.sleep(0)
    assert not reading.done()
    lanes.reach(0, 6)
    assert (await reading).status_code == 200


async def test_one_lane_that_is_not_reached_is_not_yet(world: World) -> None:
    assert code_of(await get(world, f"{ONE}?wait_for=1:1:7,2:10&timeout_s=0.01")) == (503, "TR431")
    assert (await get(world, f"{ONE}?wait_for=1:1:7,2:9&timeout_s=0")).status_code == 200


@pytest.mark.parametrize("position", ["1:3:0", "2:0:1,1:1", "1:0:1,0:2", "1:0:1,"])
async def test_a_lane_of_another_store_is_refused(world: World, position: str) -> None:
    assert code_of(await get(world, f"{ONE}?wait_for={position}")) == (422, "TR400")


async def test_an_event_is_waited_for_in_lanes_of_other_processes_too(world: World) -> None:
    """Nobody tells of those: it is asked again."""
    reading = asyncio.create_task(get(world, f"{ONE}?after=e1&timeout_s=30"))
    await wait_until(lambda: bool(world.edge.desk.waited))
    world.reader.applied_ids.add("e1")
    assert (await reading).status_code == 200


async def test_a_stream_follows_the_lane_of_its_commitment(world: World, lanes: LanesDesk) -> None:
    lane = lane_of(COMMITMENT, 3)
    world.reader.events = [event(1)]
    following = asyncio.create_task(get(world, f"{ONE}/stream"))
    await wait_until(lambda: lanes.waited == [lane])
    world.reader.events += [event(2, "commitment.ended.v1")]
    lanes.reach(lane, 50)
    answer = await following
    assert "commitment.ended.v1" in answer.text
