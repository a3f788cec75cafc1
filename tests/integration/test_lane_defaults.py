"""What a sender leaves out is there where it starts a saga, and is kept as it was sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from domain.ids import key_id
from domain.requests import StartRequest
from tests.integration.lane_places import Place
from tests.integration.lane_world import COMPANY, NORTH, World, alias_of, sale

REGION = {"type": "string", "default": "north"}
WITH_REGION: Any = {**COMPANY, "properties": {**COMPANY["properties"], "region": REGION}}
KEYED_BY_REGION: Any = {**WITH_REGION, "required": []}


@pytest.fixture
def world(place: Place) -> Iterator[World]:
    world = World(place)
    yield world
    world.close()


def test_an_event_that_starts_has_it_and_is_kept_as_sent(world: World) -> None:
    events = {name: {"version": 1, "schema": WITH_REGION, "key": "company"}
              for name in ("applied", "signed")}  # fmt: skip
    starts = [{
        "event": "applied",
        "input": "{'company': event.data.company, 'region': event.data.region}",
        "when": "event.data.region == 'north'",
    }]  # fmt: skip
    assert world.register(sale(input=WITH_REGION, events=events, starts_on=starts))["created"]
    first = world.event("applied")
    assert world.ask(first)["status"] == "accepted"
    assert world.folded(world.id()).input == {"company": "acme", "region": "north"}
    assert world.ask(first)["status"] == "repeated"
    world.work()
    world.publish("signed")
    assert world.step()["status"] == "fulfilled"
    world.publish("signed")  # nobody waits for it: it stays with its key
    kept = world.folded(key_id("north", "acme"))
    assert "'data': {'company': 'acme'}" in repr(kept)
    assert "region" not in repr(kept)


def test_a_key_is_read_from_the_filled_input(world: World) -> None:
    flow = [{"node": "sleep", "name": "rest", "for": "1d"}]
    document = sale(input=KEYED_BY_REGION, key="input.region", starts_on=[], flow=flow)
    assert world.register(document)["created"]
    answer = world.ask(StartRequest(NORTH, "sale", {}))
    assert answer["created"]
    assert world.folded(world.id("north")).input == {"region": "north"}


def test_a_start_that_its_defaults_make_too_large_is_refused(world: World) -> None:
    line = {"type": "object", "properties": {"text": {"type": "string", "default": "x" * 1000}}}
    lines = {"type": "array", "items": line}
    large: Any = {**COMPANY, "properties": {**COMPANY["properties"], "lines": lines}}
    assert world.register(sale(input=large, starts_on=[]))["created"]
    start = StartRequest(NORTH, "sale", {"company": "acme", "lines": [{}] * 300})
    assert alias_of(world.ask(start)) == "bound.payload"
