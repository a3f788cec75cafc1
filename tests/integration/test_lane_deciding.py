"""Escalation, audited decisions and late answers, through a lane on a real store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from domain.ports import Asked
from domain.requests import DecideRequest, UpdateRequest
from tests.integration.lane_places import Place
from tests.integration.lane_world import NORTH, World, alias_of, sale

DAY_US = 86_400_000_000
BO = Asked("north", "bo", "human", ("approver",), ("board",))
EVE = Asked("north", "eve", "human", ("approver",), ("guest",))


def asking() -> dict[str, Any]:
    """The sale behind a decision that escalates, with an update that answers when it is done."""
    document = sale()
    ok = {"node": "approve", "name": "ok", "level": "A2", "for": [], "within": "3d",
          "escalate": [{"after": "1d", "to": "board"}]}  # fmt: skip
    document["flow"] = [ok, *document["flow"]]
    schema = {"type": "object", "properties": {"by": {"type": "integer"}}, "required": ["by"]}
    pause = {"node": "sleep", "name": "pause", "for": "1h"}
    quote = {"name": "quote", "schema": schema, "answer": "args.by * 2", "answer_when": "done",
             "flow": [pause]}  # fmt: skip
    return {**document, "updates": [quote]}


@pytest.fixture
def world(place: Place) -> Iterator[World]:
    world = World(place)
    assert alias_of(world.register(asking())) == ""
    world.publish("applied")
    yield world
    world.close()


def approval_of(world: World) -> dict[str, Any]:
    ((body,),) = world.rows("SELECT body FROM approvals")
    return orjson.loads(body)


def decision(world: World, who: Asked) -> Any:
    asked = approval_of(world)
    return world.ask(
        DecideRequest(who, world.id(), asked["id"], "approve", asked["digest"], "checked")
    )


def test_who_is_called_is_in_the_row_and_may_decide_from_then_on(world: World) -> None:
    assert approval_of(world)["escalated"] == []
    assert alias_of(decision(world, BO)) == "decision.seat"
    world.later(DAY_US)
    world.restart()
    assert approval_of(world)["escalated"] == ["board"]
    assert world.step()["waits_for"][0]["detail"].endswith("; escalated to board")
    assert decision(world, BO)["status"] == "seat_taken"
    assert "approval.escalated" in world.topics(world.id())


def test_a_refused_decision_is_stored_though_it_is_answered_with_a_refusal(world: World) -> None:
    assert alias_of(decision(world, EVE)) == "decision.seat"
    world.restart()
    assert world.topics(world.id())[-1] == "commitment.refused"


def test_a_decision_after_the_end_is_stored_as_well(world: World) -> None:
    world.control("cancel")
    assert alias_of(decision(world, BO)) == "decision.closed"
    assert world.topics(world.id())[-2:] == ["commitment.ended", "commitment.refused"]


def test_an_update_that_answers_later_says_behind_which_version_its_run_is_found(
    world: World,
) -> None:
    """The same id is answered from its receipt; the end of the run is in the history."""
    ask = UpdateRequest(NORTH, world.id(), "quote", "k1", {"by": 4})
    first = world.ask(ask)
    assert (first["status"], first["run"], first["answer"]) == ("accepted", "quote@1", None)
    assert world.ask(ask) == {**first, "repeated": True}
    world.later(DAY_US // 24)
    topics = world.topics(world.id())
    assert (topics[first["version"] - 1], topics[-1]) == ("update.accepted", "node.done")
