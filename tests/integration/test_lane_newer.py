"""An older release beside or after a newer one: what it cannot read waits, all else goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from eventsourcing.utils import TopicError

import domain.mapper
from consumers.registry import Registry
from domain import messages, newer
from tests.integration.lane_places import Place
from tests.integration.lane_world import World, alias_of, sale

LATER = "effect.done"
"""What the older release does not know here."""


@pytest.fixture
def world(place: Place) -> Iterator[World]:
    world = World(place)
    assert world.register(sale())["created"]
    yield world
    world.close()


class Older:
    """This process is of the release before: it knows neither an event nor a message."""

    def __init__(self, patch: pytest.MonkeyPatch, world: World) -> None:
        self._patch, self._world = patch, world

    def begin(self) -> None:
        known = domain.mapper.resolve_topic

        def resolve(topic: str) -> Any:
            if topic == LATER:
                raise TopicError(topic)
            return known(topic)

        self._patch.setattr(domain.mapper, "resolve_topic", resolve)
        self._world.restart()

    def end(self) -> None:
        self._patch.undo()
        self._world.restart()


@pytest.fixture
def older(monkeypatch: pytest.MonkeyPatch, world: World) -> Older:
    return Older(monkeypatch, world)


def test_a_stream_of_a_later_release_waits_and_goes_on_at_its_step(
    world: World, older: Older
) -> None:
    """Nobody has to release it, and nothing of what came meanwhile is lost."""
    world.publish("applied")
    world.work()
    before = world.topics(world.id())
    older.begin()
    assert world.publish("signed")["status"] == "accepted"
    assert world.publish("applied", "other")["status"] == "accepted"
    world.claim()
    assert alias_of(world.control("cancel")) == newer.NEWER
    assert world.topics(world.id()) == before
    assert world.topics(world.id("other")) != []
    found = world.rows("SELECT reason, detail FROM parked_streams")
    assert found == [(newer.NEWER, "event effect.done: a later release wrote it")]
    world.restart()
    assert world.lane.parked == (world.id(),)
    older.end()
    world.process()
    assert world.lane.parked == ()
    assert world.step()["status"] == "fulfilled"
    assert world.rows("SELECT count(*) FROM inbox") == [(0,)]


def test_a_message_of_a_later_release_waits_with_its_stream(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mail stays as it is."""
    world.publish("applied")
    world.work()
    kinds = dict(messages._KINDS)
    offer = kinds.pop("offer")
    monkeypatch.setattr(messages, "_KINDS", kinds)
    world.lane._parts.parked[world.id()] = 0  # so that what comes is held in the inbox
    world.publish("signed")
    assert world.rows("SELECT kind FROM inbox") == [("offer",)]
    world.restart()
    world.process()
    found = world.rows("SELECT reason, detail FROM parked_streams")
    assert found == [(newer.NEWER, "a message offer: a later release wrote it")]
    kinds["offer"] = offer
    world.restart()
    world.process()
    assert world.step()["status"] == "fulfilled"


def test_a_definition_of_a_later_release_starts_nowhere_here(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its saga would run without what is not known; what is refused is to be sent again."""
    world.publish("applied", "before")
    world.work()
    seen = Registry.learn

    def with_more(self: Registry, document: Any, hash: str) -> None:
        more = {"mood": "good"} if document["version"] == 2 else {}
        seen(self, {**document, **more}, hash)

    assert world.register(sale(2))["created"]
    monkeypatch.setattr(Registry, "learn", with_more)
    world.restart()
    for _ in range(2):
        answer = world.process(world.event("applied", "after")).answers[0]
        assert alias_of(answer) == newer.NEWER
    assert alias_of(world.start("after")) == newer.NEWER
    assert world.count("dead_letters") == 0
    monkeypatch.undo()
    world.restart()
    assert world.publish("applied", "after")["status"] == "accepted"
    assert world.folded(world.id("after")).saga_version == 2
