"""Children that undo themselves, through the lanes of real stores, also of two owners."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from domain.requests import StartRequest
from tests.integration.lane_owners import House
from tests.integration.lane_places import Place
from tests.integration.lane_world import DAY_US, NORTH, World, alias_of, sale
from tests.integration.test_lane_children import deal

Json = Any
REST = {"node": "sleep", "name": "rest", "for": "9d"}


@pytest.fixture
def world(place: Place) -> Iterator[World]:
    world = World(place)
    yield world
    world.close()


def family(**more: Json) -> Json:
    """A deal whose sale is revoked, which rests when that is fulfilled."""
    document = deal(REST, **more)
    del document["flow"][0]["on_undo"]
    return document


def sold(world: World) -> Any:
    """The sale of the deal is fulfilled, and could be undone."""
    assert world.register(sale())["created"]
    assert world.register(family())["created"]
    world.ask(StartRequest(NORTH, "deal", {"company": "acme", "of": "bolt"}))
    world.later(0)
    world.work()
    world.publish("signed", "bolt")
    world.later(0)
    assert world.step("bolt")["status"] == "fulfilled"
    assert world.step("bolt")["undo"] == ["create"]
    return world.id("acme", saga="deal")


def test_a_fulfilled_child_opens_again_and_is_undone_also_after_a_restart(world: World) -> None:
    parent = sold(world)
    world.restart()
    world.control("cancel", parent)
    world.later(0)
    assert world.step("bolt")["status"] == "compensating"
    assert world.step("acme", saga="deal")["waits_for"][0]["kind"] == "child"
    world.restart()
    (undo,) = world.work()
    world.later(0)
    assert undo["kind"] == "undo"
    assert world.step("bolt")["status"] == "compensated"
    assert world.step("acme", saga="deal")["status"] == "cancelled"
    assert world.step("bolt")["ended_at"] >= world.step("bolt")["started_at"]


def test_when_the_parent_is_final_the_child_forgets_how_to_be_undone(world: World) -> None:
    sold(world)
    world.later(10 * DAY_US)
    world.later(0)
    assert world.step("acme", saga="deal")["status"] == "fulfilled"
    assert world.step("bolt")["undo"] == []
    assert world.topics(world.id("bolt"))[-1] == "commitment.revoke_waived"


def test_a_child_with_a_pivot_is_refused_where_it_is_registered(world: World) -> None:
    create = {**sale()["flow"][0], "irreversible": "pivot"}
    del create["undo"]
    pivot = sale(flow=[create])
    assert world.register(pivot)["created"]
    refused = world.register(family())
    assert alias_of(refused) == "def.revoke"
    assert "its step create is a pivot" in refused.detail


def test_a_child_that_others_revoke_gains_no_pivot(world: World) -> None:
    """Else it would be found only when one of them is to be undone."""
    create = {**sale()["flow"][0], "irreversible": "pivot"}
    del create["undo"]
    pivot = sale(flow=[create], version=2)
    assert world.register(sale())["created"]
    assert world.register(family())["created"]
    refused = world.register(pivot)
    assert alias_of(refused) == "def.revoke"
    assert "deal version 1 revokes its child" in refused.detail
    left = family(version=2)
    left["flow"][0]["on_undo"] = "none"
    assert world.register(left)["created"]
    assert world.register(pivot)["created"]


@pytest.mark.postgres
@pytest.mark.parametrize("home", [0, 1, 2, 3])
def test_a_child_in_any_lane_is_revoked_and_its_parent_hears_of_it(house: House, home: int) -> None:
    house.register(sale(), family())
    company, other = house.key(0), house.key(home, 1)
    house.a.ask(StartRequest(NORTH, "deal", {"company": company, "of": other}))
    house.settle()
    owner = house.a if home in (0, 1) else house.b
    owner.work()
    owner.publish("signed", other)
    house.settle()
    assert house.a.step(other)["status"] == "fulfilled"
    house.a.control("cancel", house.a.id(company, saga="deal"))
    house.settle()
    assert house.a.step(other)["status"] == "compensating"
    owner.work()
    house.settle()
    assert house.a.step(other)["status"] == "compensated"
    assert house.a.step(company, saga="deal")["status"] == "cancelled"
