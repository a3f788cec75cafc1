"""Lanes that change hands: the old owner notices, the new one goes on exactly there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from consumers.lane import Lane
from domain.ids import saga_key_id
from domain.ports import LaneLost
from domain.requests import Publish
from tests.integration.lane_breakage import POISON, BrokenWorld, die_at, poisoned_core
from tests.integration.lane_owners import House
from tests.integration.lane_places import PostgresPlace
from tests.integration.lane_world import DAY_US, World, alias_of, reply_request, sale


def take_over(house: House, *, is_careful: bool = True) -> None:
    """B claims what A had, for nobody has heard of A."""
    house.silence("a")
    for lane in (0, 1):
        assert house.shares[1].cluster.claim(lane) is not None
    house.b.lane.own(range(4), is_careful=is_careful)


def test_an_owner_that_lost_its_lanes_gives_them_up_and_the_new_one_goes_on(house: House) -> None:
    """The old one accepts all the same: what it gets goes to the new owner as mail."""
    house.register(sale())
    company = house.key(0)
    house.a.publish("applied", company)
    (claim,) = house.a.claim()
    heads = house.a.lane.heads
    take_over(house)
    answer = house.a.publish("applied", house.key(1))
    assert (answer["status"], "position" in answer) == ("accepted", False)
    assert house.a.lane.lanes == ()
    assert house.a.lane.counts.lost == 1
    assert house.a.lane.next_due_us() is None
    house.b.process()
    assert house.b.lane.heads[0] == heads[0]
    assert house.b.step(house.key(1))["step"] == "create"
    recorded = house.b.ask(reply_request(claim))
    assert recorded["results"][0]["status"] == "recorded"
    assert house.b.step(company)["step"] == "signed"


def test_a_zombie_writes_nothing_and_acknowledges_nothing(house: House) -> None:
    """It was stopped between reading and writing, and wakes up after the takeover."""
    house.register(sale())
    event = house.a.event("applied", house.key(0))

    def sleeps() -> None:
        # Its transaction holds the rows of its lanes: they are given away by ending it.
        house.silence("a")
        for lane in (0, 1):
            assert house.shares[1].cluster.claim(lane) is not None
        house.b.lane.own(range(4), is_careful=True)

    broken = BrokenWorld(house.a)
    real = broken.check

    def check(write: Any) -> None:
        broken.check = real
        sleeps()

    broken.check = check
    assert alias_of(house.a.ask(event)) == "store.gone"
    assert house.a.count("receipts") == 0
    assert house.b.ask(event)["status"] == "accepted"
    assert house.a.ask(event)["status"] == "repeated"
    assert house.a.lane.lanes == ()
    assert house.b.step(house.key(0))["step"] == "create"


def test_timers_and_leases_of_a_lane_go_with_it(house: House) -> None:
    """They are rows of the lane."""
    house.register(sale())
    for company in (house.key(0), house.key(1)):
        house.a.publish("applied", company)
    house.a.work()
    take_over(house, is_careful=False)
    house.b.process()
    due_us = house.b.lane.next_due_us()
    assert due_us is not None
    house.b.later(15 * DAY_US)
    assert {house.b.step(c)["status"] for c in (house.key(0), house.key(1))} == {"compensating"}
    assert house.a.later(15 * DAY_US).answers == []
    assert house.a.lane.lanes == ()


def test_parked_streams_stay_parked_under_a_new_owner(
    postgres_places: Callable[[int], PostgresPlace],
) -> None:
    house = House(postgres_places(4), make_core=poisoned_core)
    POISON.clear()
    house.register(sale())
    from domain.messages import Open

    company = house.key(0)
    POISON.add((company, Open))
    house.a.publish("applied", company)
    POISON.clear()
    take_over(house)
    house.b.process()
    assert house.b.lane.parked == (house.a.id(company),)
    assert house.b.control("release", house.a.id(company))["status"] == "released"
    assert house.b.step(company)["step"] == "create"
    house.close()


def test_a_lane_that_is_given_back_is_read_anew(house: House) -> None:
    """Nothing that was known under the earlier epoch is believed."""
    house.register(sale())
    company = house.key(0)
    house.a.publish("applied", company)
    take_over(house)
    (claim,) = house.b.claim()
    house.b.ask(reply_request(claim))
    house.b.lane.own((2, 3))
    house.shares[1].cluster.release(0, 1)
    for lane in (0, 1):
        assert house.shares[0].cluster.claim(lane) is not None
    house.a.publish("signed", company)
    assert house.a.step(company)["status"] == "fulfilled"
    assert house.a.lane.counts.lost == 1
    assert house.a.lane.lanes == (0, 1)


def test_the_owner_of_a_lane_is_looked_up_where_it_is_believed(house: House) -> None:
    """Somebody else's is lost; one that nobody has may be had."""
    with pytest.raises(LaneLost, match="2"):
        house.a.store.belief(2)
    house.shares[1].cluster.release(2)
    assert house.a.store.belief(2).lane == 2
    lane = Lane(house.a.store, lanes=range(4), process="a")
    lane.open()
    assert lane.lanes == (0, 1, 2)


def test_a_message_that_kills_its_owner_is_found_in_three_lives(house: House) -> None:
    """Its neighbours are tried once with it, then go on; none of them is parked."""
    house.register(sale())
    companies = [house.key(2, number) for number in range(5)]
    for company in companies:
        house.a.publish("applied", company)
    killer = companies[2]
    lives = 0
    while house.a.count("parked_streams") == 0:
        house.b.restart()
        broken = BrokenWorld(house.b)
        broken.check = die_at(f'"key":"{killer}"'.encode())
        try:
            house.b.process()
        except KeyboardInterrupt:
            lives += 1
            assert lives <= 3
    assert lives == 3
    assert house.b.lane.parked == (saga_key_id("north", "sale", killer),)
    house.b.process()
    steps = {company: house.b.step(company).get("step") for company in companies}
    assert steps == {**dict.fromkeys(companies, "create"), killer: None}
    assert house.a.rows("SELECT kind FROM inbox") == [("start",)]


def test_what_lay_there_is_tried_in_bulk_when_nothing_kills(house: House) -> None:
    """Two transactions for all of it: the count, and the mail."""
    house.register(sale())
    companies = [house.key(2, number) for number in range(20)]
    for company in companies:
        house.a.publish("applied", company)
    house.b.restart()
    house.b.process()
    assert {house.b.step(company)["step"] for company in companies} == {"create"}
    assert house.b.lane.counts.commits == 1
    assert house.a.count("inbox") == 0


def test_what_another_owner_accepted_before_a_deadline_counts(house: House) -> None:
    """Nobody told of it: the inbox is read before a timer fires."""
    house.register(sale())
    company = house.key(2)
    house.b.publish("applied", company)
    house.b.work()
    house.b.process()
    _publish_at(house.a, house.b.now_us + 14 * DAY_US - 1_000, company)
    house.b.later(15 * DAY_US)
    assert house.b.step(company)["status"] == "fulfilled"


def _publish_at(world: World, now_us: int, company: str) -> None:
    world.now_us = now_us
    event: Publish = world.event("signed", company)
    assert world.ask(event)["status"] == "accepted"
