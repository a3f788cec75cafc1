"""Work for people, and updates of what runs, through a lane on a real store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest

from domain.ports import Asked
from domain.requests import ControlRequest, TaskRequest, UpdateRequest
from tests.integration.lane_places import Place
from tests.integration.lane_world import NORTH, OPERATOR, World, alias_of, sale

ANN = Asked("north", "ann", "human", ("approver",), ("legal",))
FORM = {"type": "object", "properties": {"risk": {"type": "integer"}}, "required": ["risk"]}


def watched() -> dict[str, Any]:
    """The sale with a review by a person before all else, and a counter that clients raise."""
    document = sale()
    review = {"node": "task", "name": "review", "roles": ["legal"], "within": "3d", "form": FORM}
    document["flow"] = [review, *document["flow"]]
    document["vars"] = {"n": {"schema": {"type": "integer"}, "initial": 0}}
    rule = {"if": "args.by > 9", "code": "too-much", "message": "at most 9"}
    schema = {"type": "object", "properties": {"by": {"type": "integer"}}, "required": ["by"]}
    raises = {"name": "add", "schema": schema, "validate": [rule],
              "set": {"n": "vars.n + args.by"}, "answer": "vars.n"}  # fmt: skip
    return {**document, "updates": [raises]}


@pytest.fixture
def world(place: Place) -> Iterator[World]:
    world = World(place)
    assert alias_of(world.register(watched())) == ""
    world.publish("applied")
    yield world
    world.close()


def task_of(world: World) -> dict[str, Any]:
    ((body,),) = world.rows("SELECT body FROM tasks")
    return orjson.loads(body)


def test_a_task_is_listed_claimed_and_done(world: World) -> None:
    """Its row says what is wanted, who has it, and what was done."""
    task = task_of(world)
    assert (task["status"], task["roles"], task["form"]["required"]) == (
        "offered", ["legal"], ["risk"],
    )  # fmt: skip
    claim = TaskRequest(ANN, world.id(), task["id"], "claim")
    stranger = replace(ANN, actor="bob", seats=("finance",))
    assert alias_of(world.ask(replace(claim, asked=stranger))) == "task.role"
    assert world.ask(claim)["status"] == "claimed"
    assert task_of(world)["by"] == "ann"
    done = replace(claim, action="complete", payload={"risk": "high"})
    assert alias_of(world.ask(done)) == "task.payload"
    answer = world.ask(replace(done, payload={"risk": 3}))
    assert (answer["status"], answer["by"]) == ("done", "ann")
    assert task_of(world)["done"]["payload"] == {"risk": 3}
    assert alias_of(world.ask(claim)) == "task.closed"


def test_an_update_is_answered_and_the_same_id_gets_the_same_answer(world: World) -> None:
    """It is applied once; a refused one leaves no event and no receipt."""
    ask = UpdateRequest(NORTH, world.id(), "add", "k1", {"by": 3})
    first = world.ask(ask)
    assert (first["answer"], first["repeated"]) == (3, False)
    before = world.topics(world.id())
    again = world.ask(ask)
    assert (again["answer"], again["repeated"]) == (3, True)
    assert world.topics(world.id()) == before
    assert before.count("update.accepted") == 1
    assert alias_of(world.ask(replace(ask, args={"by": 4}))) == "key_reused"
    refused = world.ask(replace(ask, id="k2", args={"by": 10}))
    assert alias_of(refused) == "update.refused"
    assert refused.errors == ({"code": "too-much", "message": "at most 9"},)
    assert world.topics(world.id()) == before
    assert world.ask(replace(ask, id="k2", args={"by": 1}))["answer"] == 4


def test_a_time_is_moved_by_an_operator(world: World) -> None:
    move = ControlRequest(OPERATOR, world.id(), "move", "more time", node="review")
    assert alias_of(world.ask(move)) == "control.time"
    assert alias_of(world.ask(replace(move, to="soon"))) == "control.time"
    world.ask(replace(move, to="2035-01-01T00:00:00Z"))
    assert world.topics(world.id())[-1] == "timer.moved"
    assert task_of(world)["due"] == "2035-01-01T00:00:00.000000Z"
