"""Updates over HTTP: at once, and those that answer when what they began is done."""

import asyncio
from typing import Any

from domain.errors import refusal
from tests.integration.api.fakes import COMMITMENT, World
from tests.waiting import eventually

ONE = f"/v1/commitments/{COMMITMENT}"
QUOTE = f"{ONE}/updates/quote"
RUN = f"{QUOTE}%401?after_version=6"
ACCEPTED: Any = {
    "id": "k1", "status": "accepted", "answer": None, "run": "quote@1", "version": 7,
    "recorded": "1:0:41", "repeated": False,
}  # fmt: skip
BEGUN: Any = {"run": "quote@1", "node": "quote"}
DONE: Any = ("node.done.v1", {"node": "quote@1", "value": {"price": 30}})


def happens(world: World, *events: tuple[str, Any]) -> None:
    """Events of the commitment, from version 7 on; the lane moves."""
    for type_, data in events:
        version = 7 + len(world.reader.events)
        world.reader.events.append({"version": version, "type": type_, "data": data})
    world.desk.move(world.desk.head + len(events))


async def post(world: World, path: str, body: Any) -> Any:
    async with world.as_("operator") as client:
        return await client.post(path, json=body, headers={"Idempotency-Key": "k1"})


async def get(world: World, path: str) -> Any:
    async with world.as_("producer") as client:
        return await client.get(path)


async def test_an_update_is_answered_at_once(world: World) -> None:
    said = {"id": "k1", "status": "accepted", "answer": 3, "recorded": "1:0:42", "repeated": False}
    world.answer("UpdateRequest", said)
    answer = await post(world, f"{ONE}/updates/extend", {"days": 3})
    assert (answer.status_code, answer.json()) == (200, said)
    assert answer.headers["troth-position"] == "1:0:42"


async def test_one_that_answers_when_done_is_waited_for(world: World) -> None:
    world.answer("UpdateRequest", dict(ACCEPTED))
    happens(world, ("update.accepted.v1", BEGUN))
    asking = asyncio.ensure_future(post(world, QUOTE, {"n": 3}))
    await eventually(lambda: bool(world.desk.asked))
    happens(world, DONE)
    answer = await asking
    assert answer.status_code == 200
    assert answer.json() == {
        "id": "k1", "status": "done", "answer": {"price": 30}, "run": "quote@1",
        "recorded": "1:0:41", "repeated": False,
    }  # fmt: skip


async def test_while_it_goes_on_it_says_where_the_answer_will_be(world: World) -> None:
    """202; the same again, or a read of what it names, gives the answer."""
    world.answer("UpdateRequest", dict(ACCEPTED))
    happens(world, ("update.accepted.v1", BEGUN))
    answer = await post(world, f"{QUOTE}?timeout_s=0", {"n": 3})
    assert (answer.status_code, answer.json()["status"]) == (202, "accepted")
    assert answer.json()["follow"] == answer.headers["location"] == RUN
    running = await get(world, f"{RUN}&timeout_s=0")
    assert (running.status_code, running.json()) == (200, {"run": "quote@1", "status": "running"})
    happens(world, DONE)
    done = await get(world, RUN)
    assert done.json() == {"run": "quote@1", "status": "done", "answer": {"price": 30}}
    again = await post(world, QUOTE, {"n": 3})
    assert (again.status_code, again.json()["answer"]) == (200, {"price": 30})


async def test_one_whose_run_is_stopped_has_no_answer(world: World) -> None:
    stops: list[Any] = [
        ("part.stopping.v1", {"target": "", "cause": {"kind": "cancel"}}),
        ("node.stopped.v1", {"nodes": ["a", "quote@1"]}),
        ("node.failed.v1", {"node": "quote@1", "error": {}}),
        ("commitment.ended.v1", {"status": "fulfilled"}),
    ]
    for stop in stops:
        world.reader.events.clear()
        world.answer("UpdateRequest", dict(ACCEPTED))
        happens(world, ("update.accepted.v1", BEGUN), stop)
        answer = await post(world, QUOTE, {"n": 3})
        assert (answer.status_code, answer.json()["code"]) == (409, "TR464")
        assert (await get(world, RUN)).json() == {"run": "quote@1", "status": "stopped"}


async def test_a_stop_beside_it_does_not_end_it(world: World) -> None:
    happens(
        world,
        ("update.accepted.v1", BEGUN),
        ("part.stopping.v1", {"target": "part", "cause": {"kind": "failure"}}),
        ("part.stopping.v1", {"target": "", "cause": {"kind": "cancel"}, "pending": True}),
        ("part.stopping.v1", {"target": "", "cause": {"kind": "join"}, "keep": ["quote@1"]}),
        ("node.done.v1", {"node": "quote@10", "value": 1}),
        DONE,
    )
    assert (await get(world, RUN)).json()["status"] == "done"


async def test_a_run_that_never_began_is_not_there(world: World) -> None:
    happens(world, ("update.accepted.v1", BEGUN))
    answer = await get(world, f"{ONE}/updates/quote%402")
    assert (answer.status_code, answer.json()["code"]) == (404, "TR404")


async def test_a_refusal_is_passed_on(world: World) -> None:
    world.answer("UpdateRequest", refusal("update.closed", "quote is not open"))
    answer = await post(world, QUOTE, {})
    assert (answer.status_code, answer.json()["code"]) == (422, "TR460")
