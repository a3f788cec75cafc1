"""What a named node yields: waited for by a start, and read by its own address."""

import asyncio
from typing import Any

import pytest

from tests.integration.api.fakes import COMMITMENT, DIGEST, World
from tests.waiting import eventually

STARTED: Any = {
    "id": str(COMMITMENT), "key": "acme", "run": 1, "status": "open", "created": True,
    "position": "1:0:42",
}  # fmt: skip
START: Any = {"saga": "partner-activation", "input": {"company": "acme"}}
OFFER = f"/v1/commitments/{COMMITMENT}/results/offer"
FLOW: Any = [
    {"node": "parallel", "name": "both", "branches": [
        {"name": "one", "flow": [{"node": "step", "name": "offer"}]},
        {"flow": [{"node": "lock", "name": "desk"}, {"node": "task", "name": "look"},
                  {"node": "child", "name": "kid"}, {"node": "sleep", "name": "pause"}]}]},
]  # fmt: skip


@pytest.fixture
def house(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The saga has nodes that yield."""
    row = {"hash": DIGEST, "document": {"saga": "partner-activation", "version": 1, "flow": FLOW}}
    monkeypatch.setattr(world.reader, "definition", lambda saga, version: row)
    world.answer("StartRequest", dict(STARTED))
    return world


def happens(world: World, *events: tuple[str, Any]) -> None:
    for type_, data in events:
        version = 1 + len(world.reader.events)
        world.reader.events.append({"version": version, "type": f"{type_}.v1", "data": data})
    world.desk.move(world.desk.head + len(events))


async def start(world: World, query: str) -> Any:
    async with world.as_("producer") as client:
        return await client.post(f"/v1/commitments?{query}", json=START)


async def get(world: World, path: str) -> Any:
    async with world.as_("producer") as client:
        return await client.get(path)


def did(node: str, result: Any, kind: str = "do") -> tuple[str, Any]:
    return "effect.done", {"node": node, "kind": kind, "result": result}


async def test_a_start_waits_for_the_result(house: World) -> None:
    happens(house, ("commitment.opened", {}))
    asking = asyncio.ensure_future(start(house, "until=results.offer&timeout_s=20"))
    await eventually(lambda: bool(house.desk.asked))
    happens(house, did("both/one/offers", {"price": 1}), did("both/one/offer", {"price": 3}))
    answer = await asking
    assert answer.status_code == 201
    assert answer.json()["until"] == {"node": "offer", "status": "done", "result": {"price": 3}}
    assert (answer.json()["id"], answer.json()["position"]) == (str(COMMITMENT), "1:0:44")


async def test_not_in_time_it_says_where_the_result_will_be(house: World) -> None:
    answer = await start(house, "until=results.offer&timeout_s=0")
    assert answer.status_code == 202
    assert answer.json()["until"] == {"node": "offer", "status": "running"}
    assert answer.json()["follow"] == OFFER
    happens(house, did("both/one/offer", None))
    found = await get(house, answer.json()["follow"])
    assert found.json() == {"node": "offer", "status": "done", "result": None}


async def test_without_until_nothing_is_waited_for(house: World) -> None:
    answer = await start(house, "timeout_s=20")
    assert (answer.status_code, answer.json()) == (201, STARTED)


async def test_ended_without_it_it_is_stopped(house: World) -> None:
    happens(
        house, did("both/one/offer", 1, kind="undo"), ("commitment.ended", {"status": "failed"})
    )
    answer = await start(house, "until=results.offer&timeout_s=20")
    assert answer.status_code == 201
    assert answer.json()["until"] == {"node": "offer", "status": "stopped"}


@pytest.mark.parametrize(
    ("name", "events", "result"),
    [
        ("offer", [did("both/one/offer#2", 5)], 5),
        ("both", [("node.done", {"node": "both", "value": {"out": {}}})], {"out": {}}),
        ("both", [("node.runs_on", {"node": "both", "value": 7})], 7),
        ("look", [("task.done", {"node": "both/look", "value": {"by": "ann"}})], {"by": "ann"}),
        ("kid", [("child.ended", {"node": "both/kid", "status": "fulfilled", "result": 2})], 2),
        ("kid", [("child.opened", {"node": "both/kid", "done": True, "child": "c1"})], "c1"),
        ("desk", [("lock.granted", {"node": "both/desk", "fence": 3}),
                  ("node.done", {"node": "both/desk"})], {"fence": 3}),
    ],
)  # fmt: skip
async def test_every_kind_of_node_that_yields(
    house: World, name: str, events: list[tuple[str, Any]], result: Any
) -> None:
    happens(house, *events)
    found = await get(house, f"/v1/commitments/{COMMITMENT}/results/{name}?timeout_s=0")
    assert found.json() == {"node": name, "status": "done", "result": result}


@pytest.mark.parametrize("name", ["offers", "pause", "acme"])
async def test_a_node_that_yields_nothing_starts_nothing(house: World, name: str) -> None:
    answer = await start(house, f"until=results.{name}")
    assert (answer.status_code, answer.json()["code"]) == (422, "TR400")
    assert house.desk.asked == []
    found = await get(house, f"/v1/commitments/{COMMITMENT}/results/{name}")
    assert found.status_code == 404


@pytest.mark.parametrize("until", ["offer", "results.", "events.offer", "results.a/b"])
async def test_until_is_the_result_of_a_node(house: World, until: str) -> None:
    answer = await start(house, f"until={until}")
    assert (answer.status_code, house.desk.asked) == (422, [])
