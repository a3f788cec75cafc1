"""A database that refuses: its culprit is found, the rest commits, nothing acknowledged is lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from domain.messages import Open
from domain.ports import LaneLost, StoreFailed
from tests.integration.lane_breakage import POISON, BrokenWorld, poisoned_core
from tests.integration.lane_places import Place
from tests.integration.lane_world import DAY_US, World, alias_of, aliases, sale


@pytest.fixture
def world(place: Place) -> Iterator[World]:
    POISON.clear()
    world = World(place, make_core=poisoned_core)
    assert world.register(sale())["created"]
    yield world
    world.close()


@pytest.fixture
def broken(world: World) -> BrokenWorld:
    return BrokenWorld(world)


def test_a_data_error_finds_its_culprit_and_the_rest_commits(
    world: World, broken: BrokenWorld
) -> None:
    """The batch is halved until the culprit stands alone; it alone is refused."""
    broken.word = b"culprit"
    companies = [f"c{n}" for n in range(5)] + ["culprit"] + [f"d{n}" for n in range(5)]
    out = world.process(*[world.event("applied", c) for c in companies])
    refused = [c for c, a in zip(companies, out.answers, strict=True) if alias_of(a)]
    assert refused == ["culprit"]
    assert aliases(out.answers)[5] == "store.failed"
    assert world.count("current_steps") == 10
    assert world.lane.fault is None
    broken.word = None
    assert world.publish("applied", "culprit")["status"] == "accepted"


def test_mail_that_the_database_refuses_parks_its_stream_after_three_tries(
    world: World, broken: BrokenWorld
) -> None:
    """Its neighbours in the inbox go on."""
    POISON.update({("bad", Open), ("good", Open)})
    for company in ("bad", "good"):
        world.publish("applied", company)
    POISON.clear()
    broken.word = b'"key":"bad"'
    world.control("release", world.id("bad"))
    world.control("release", world.id("good"))
    assert world.step("good")["step"] == "create"
    assert world.rows("SELECT reason FROM parked_streams") == [("store.failed",)]
    assert world.lane.parked == (world.id("bad"),)
    broken.word = None
    world.control("release", world.id("bad"))
    assert world.step("bad")["step"] == "create"


def test_a_timer_that_the_database_refuses_parks_its_stream(
    world: World, broken: BrokenWorld
) -> None:
    """And the others fire."""
    for company in ("bad", "good"):
        world.publish("applied", company)
    world.work()
    broken.word = b'"target":""'
    bad = world.id("bad")
    world.rows("UPDATE timers SET due_us = due_us - 1 WHERE stream = ?", bad)
    world.later(15 * DAY_US)
    assert set(world.lane.parked) == {world.id("bad"), world.id("good")}
    assert world.rows("SELECT DISTINCT reason FROM parked_streams") == [("store.failed",)]


def test_a_full_disk_refuses_everything_and_is_over_when_there_is_room(
    world: World, broken: BrokenWorld
) -> None:
    """Nothing was acknowledged, and nothing is lost."""
    broken.failures = [StoreFailed("store.full", "no space")]
    out = world.process(world.event("applied", "a"), world.event("applied", "b"))
    assert aliases(out.answers) == ["store.full", "store.full"]
    assert world.lane.fault is not None
    assert out.notes[0][0] == "store_failed"
    assert world.publish("applied", "a")["status"] == "accepted"
    assert world.lane.fault is None


def test_an_unclear_commit_drops_what_is_believed(world: World, broken: BrokenWorld) -> None:
    """It had happened: the same event again is a repeat."""
    event = world.event("applied")
    broken.unclear = [StoreFailed("store.locked", "who knows")]
    assert alias_of(world.ask(event)) == "store.locked"
    assert world.ask(event)["status"] == "repeated"
    assert world.step()["step"] == "create"


def test_a_definition_whose_commit_is_unclear_is_known_once_it_is_asked_for(
    world: World, broken: BrokenWorld
) -> None:
    """It had happened: what the store holds may be used, whether or not it is registered again."""
    broken.unclear = [StoreFailed("store.locked", "who knows")]
    assert alias_of(world.register(sale(2))) == "store.locked"
    assert world.start(version=2)["status"] == "open"
    assert not world.register(sale(2))["created"]


def test_a_lane_that_was_taken_is_claimed_again_or_given_up(
    world: World, broken: BrokenWorld
) -> None:
    """Its caches are dropped; a lane that stays lost refuses."""
    world.publish("applied", "a")
    broken.failures = [LaneLost("epoch 2")]
    assert world.publish("applied", "b")["status"] == "accepted"
    assert world.lane.counts.lost == 1
    broken.failures = [LaneLost("epoch 2")] * 9
    assert alias_of(world.publish("applied", "c")) == "store.lane_lost"
    broken.failures = []
    world.restart()
    assert world.step("b")["step"] == "create"


def test_a_fault_of_the_loop_itself_refuses_the_request_that_brings_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its neighbours are answered."""
    from consumers import prepared

    real = prepared.content_digest

    def brittle(event: dict[str, Any]) -> str:
        if event["data"]["company"] == "bad":
            raise RuntimeError("a bug")
        return real(event)

    monkeypatch.setattr(prepared, "content_digest", brittle)
    out = world.process(*[world.event("applied", c) for c in ("a", "bad", "b")])
    assert aliases(out.answers) == ["", "internal.fault", ""]
    assert "RuntimeError: a bug" in out.notes[0][1]["detail"]
