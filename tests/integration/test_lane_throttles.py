"""A throttle whose stream lives in one lane, for steps of lanes of two owners."""

from __future__ import annotations

from typing import Any

from domain.durations import duration_us
from domain.ids import throttle_id
from tests.integration.lane_owners import House
from tests.integration.lane_world import sale

Json = Any


def throttled() -> Json:
    """Every sale of the tenant creates its account when it is its turn: one in a minute."""
    plain = sale()
    create = {**plain["flow"][0], "throttle": {"name": "crm", "max": 1, "per": "1m"}}
    return sale(flow=[create, *plain["flow"][1:]])


def steps(house: House, names: list[str]) -> list[str]:
    return [house.a.step(name)["waits_for"][0]["kind"] for name in names]


def later(house: House, time: str) -> None:
    for world in (house.a, house.b):
        world.later(duration_us(time))
    house.settle()


def started(house: House) -> list[str]:
    house.register(throttled())
    names = [house.key(lane) for lane in (0, 2, 1, 3)]
    for company in names:
        house.a.publish("applied", company)
        house.settle()
    return names


def test_turns_are_given_to_lanes_of_two_owners_in_the_order_of_requests(house: House) -> None:
    names = started(house)
    for at in range(len(names)):
        left = len(names) - at - 1
        assert steps(house, names) == ["participant"] * (at + 1) + ["throttle"] * left
        later(house, "59s")
        assert steps(house, names) == ["participant"] * (at + 1) + ["throttle"] * left
        later(house, "1s")


def test_a_place_of_another_lane_is_given_back(house: House) -> None:
    names = started(house)
    house.a.control("cancel", house.a.id(names[1]))
    house.settle()
    assert house.a.step(names[1])["status"] == "cancelled"
    later(house, "1m")
    assert steps(house, [names[0], *names[2:]]) == ["participant", "participant", "throttle"]


def test_a_restarted_owner_goes_on_giving_turns(house: House) -> None:
    names = started(house)
    house.a.restart()
    house.b.restart()
    later(house, "1m")
    assert steps(house, names) == ["participant"] * 2 + ["throttle"] * 2
    stream = house.a.folded(throttle_id("north", "crm", ""))
    assert len(stream.queue) == 2
