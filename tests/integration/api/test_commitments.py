"""Start, search, follow and steer commitments."""

import asyncio
from typing import Any

import orjson
import pytest

from domain.errors import refusal
from tests.integration.api.fakes import COMMITMENT, CURRENT, World

STARTED: Any = {
    "id": str(COMMITMENT), "key": "acme", "run": 1, "status": "open", "created": True,
    "position": "1:0:42",
}  # fmt: skip
START: Any = {"saga": "partner-activation", "input": {"company": "acme"}}
ONE = f"/v1/commitments/{COMMITMENT}"


async def post(world: World, path: str, body: Any, key: str = "operator", **headers: str) -> Any:
    async with world.as_(key) as client:
        return await client.post(path, json=body, headers=headers)


async def get(world: World, path: str, key: str = "reader", **headers: str) -> Any:
    async with world.as_(key) as client:
        return await client.get(path, headers=headers)


def code_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_a_start_is_answered_with_its_address(world: World) -> None:
    world.answer("StartRequest", STARTED)
    headers = {"Idempotency-Key": "k1"}
    async with world.as_("producer") as client:
        answer = await client.post("/v1/commitments", json={**START, "version": 2}, headers=headers)
    assert answer.status_code == 201
    assert answer.headers["location"] == ONE
    assert answer.headers["troth-position"] == "1:0:42"
    (request,) = world.desk.asked
    assert (request.saga, request.input, request.version, request.idempotency_key) == (
        "partner-activation",
        {"company": "acme"},
        2,
        "k1",
    )


@pytest.mark.parametrize(
    ("path", "body", "kind", "follow"),
    [
        ("/v1/commitments", START, "StartRequest", "/v1/sagas/partner-activation/keys/a%2Fc%20me"),
        (f"{ONE}/controls", {"action": "pause", "reason": "r"}, "ControlRequest", ONE),
    ],
)
async def test_what_nobody_applied_yet_is_answered_202_with_where_to_look(
    world: World, path: str, body: Any, kind: str, follow: str
) -> None:
    """The process that owns the lane is silent: it is durable, and applied once it is back."""
    world.answer(kind, {"status": "accepted", "receipt": "4711", "key": "a/c me"})
    found = await post(world, path, body)
    assert found.status_code == 202
    assert found.headers["location"] == found.json()["follow"] == follow
    assert found.json()["receipt"] == "4711"


async def test_the_running_one_is_answered_200(world: World) -> None:
    world.answer("StartRequest", {**STARTED, "created": False})
    assert (await post(world, "/v1/commitments", START)).status_code == 200


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"input": {}}, "saga is missing"),
        ({"saga": "x"}, "input is missing"),
        ({**START, "saga": 7}, "saga must be string, got 7"),
        ({**START, "saga": "No Name"}, "saga must match"),
        ({**START, "version": 0}, "version"),
        ({**START, "inputs": {}}, "inputs is not known; known here: saga, input, version"),
        ([], "the body must be object"),
    ],
)
async def test_an_unfit_start_is_told_which_member_and_what_to_write(
    world: World, body: Any, where: str
) -> None:
    answer = await post(world, "/v1/commitments", body)
    assert code_of(answer) == (422, "TR400")
    assert where in answer.json()["detail"]
    assert world.desk.asked == []


async def test_a_body_that_is_not_json_is_refused(world: World) -> None:
    async with world.as_("operator") as client:
        for body, kind, wanted in (
            (b"{", "application/json", (422, "TR400")),
            (b"a=b", "application/x-www-form-urlencoded", (415, "TR310")),
            (b" " * 1_048_577, "application/json", (413, "TR406")),
        ):
            headers = {"Content-Type": kind}
            answer = await client.post("/v1/commitments", content=body, headers=headers)
            assert code_of(answer) == wanted


@pytest.mark.parametrize(
    "path", ["/v1/commitments", f"/v1/commitments/{COMMITMENT}/updates/extend"]
)
@pytest.mark.parametrize("key", ["", "k" * 257])
async def test_an_idempotency_key_has_1_to_256_characters(
    world: World, path: str, key: str
) -> None:
    """An empty one is no key left out: whoever sends it believes that it is one."""
    answer = await post(world, path, START, **{"Idempotency-Key": key})
    assert code_of(answer) == (422, "TR400")
    assert world.desk.asked == []


@pytest.mark.parametrize(
    ("alias", "wanted"),
    [
        ("start.unknown_saga", (404, "TR411")),
        ("start.input", (422, "TR412")),
        ("start.key", (422, "TR413")),
        ("start.conflict", (409, "TR421")),
        ("start.replaced", (202, "TR423")),
        ("key_reused", (409, "TR424")),
        ("start.queue_full", (429, "TR428")),
    ],
)
async def test_a_refused_start_says_why(world: World, alias: str, wanted: tuple[int, str]) -> None:
    world.answer("StartRequest", refusal(alias, "why"))
    assert code_of(await post(world, "/v1/commitments", START)) == wanted


async def test_the_current_step_is_read_by_id_and_by_key(world: World) -> None:
    for path in (
        ONE,
        "/v1/sagas/partner-activation/keys/acme",
        "/v1/sagas/partner-activation/keys/acme?run=1",
    ):
        answer = await get(world, path)
        assert (answer.status_code, answer.json()) == (200, CURRENT)
        assert answer.headers["troth-position"] == "1:0:41"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/commitments/nonsense",
        "/v1/commitments/5b1c9e07-1111-8222-8333-444455556667",
        "/v1/sagas/partner-activation/keys/other",
        "/v1/sagas/partner-activation/keys/with/slashes",
        "/v1/sagas/partner-activation/keys/acme?run=2",
        "/v1/nothing",
    ],
)
async def test_what_is_not_there_is_404(world: World, path: str) -> None:
    assert code_of(await get(world, path)) == (404, "TR404")


async def test_a_search_passes_its_filters(world: World) -> None:
    path = "/v1/commitments?saga=s&status=waiting&step=a&key=k&cursor=c&limit=5"
    assert (await get(world, path)).json() == {"items": [], "next": None}
    wanted = {"saga": "s", "status": "waiting", "step": "a", "key": "k", "cursor": "c", "limit": 5}
    assert world.reader.asked == [("search", {"tenant": "north", **wanted})]


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", f"key={'k' * 257}"])
async def test_filters_are_bounded(world: World, query: str) -> None:
    answer = await get(world, f"/v1/commitments?{query}")
    assert code_of(answer) == (422, "TR400")
    assert query.partition("=")[0] in answer.json()["detail"]


async def test_counts_are_of_a_saga_or_of_all(world: World) -> None:
    assert (await get(world, "/v1/counts?saga=s")).json()["status"] == {"waiting": 1}
    assert world.reader.asked == [("counts", {"tenant": "north", "saga": "s"})]


async def test_a_reader_waits_for_a_position(world: World) -> None:
    """The answer comes when the position is there, and says at least that position."""
    reading = asyncio.create_task(get(world, f"{ONE}?wait_for=1:0:50&timeout_s=30"))
    await asyncio.sleep(0)
    assert not reading.done()
    world.desk.move(50)
    answer = await reading
    assert (answer.status_code, answer.headers["troth-position"]) == (200, "1:0:50")


async def test_a_position_that_does_not_come_is_not_yet(world: World) -> None:
    answer = await get(world, f"{ONE}?wait_for=1:0:50&timeout_s=0.01")
    assert code_of(answer) == (503, "TR431")
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize("position", ["50", "x", "2:0:1", "1:1:1", "1:0:-1", "9" * 30])
async def test_another_position_is_refused(world: World, position: str) -> None:
    """A position of another store, or of before a restore, would never come."""
    assert code_of(await get(world, f"{ONE}?wait_for={position}")) == (422, "TR400")


async def test_a_reader_waits_until_an_event_was_applied(world: World) -> None:
    """Also for one that is still on its way: it is asked for again whenever the lane moves."""
    reading = asyncio.create_task(get(world, f"{ONE}?after=e1&timeout_s=30"))
    for head in range(42, 50):
        await asyncio.sleep(0)
        world.desk.move(head)
    assert not reading.done()
    world.reader.applied_ids.add("e1")
    world.desk.move(51)
    assert (await reading).status_code == 200


async def test_an_event_that_was_not_applied_in_time_is_not_yet(world: World) -> None:
    assert code_of(await get(world, f"{ONE}?after=e1&timeout_s=0")) == (503, "TR431")
    assert code_of(await get(world, f"{ONE}?after=e1&timeout_s=99")) == (422, "TR400")


def event(version: int, kind: str = "node.entered.v1") -> Any:
    return {"version": version, "type": kind, "at": "2026-11-30T09:41:04Z", "text": "x"}


async def test_history_comes_in_pages(world: World) -> None:
    world.reader.events = [event(number) for number in range(1, 6)]
    for path in (ONE, "/v1/sagas/partner-activation/keys/acme"):
        page = (await get(world, f"{path}/history?limit=2")).json()
        assert [one["version"] for one in page["events"]] == [1, 2]
        rest = (await get(world, f"{path}/history?after_version={page['next']}")).json()
        assert ([one["version"] for one in rest["events"]], rest["next"]) == ([3, 4, 5], None)


@pytest.mark.parametrize("path", [ONE, "/v1/sagas/partner-activation/keys/acme"])
async def test_a_stream_follows_until_the_end(world: World, path: str) -> None:
    """What is there comes first, then what happens, with the version as the event's id."""
    world.reader.events = [event(1), event(2)]
    following = asyncio.create_task(get(world, f"{path}/stream", **{"Last-Event-ID": "1"}))
    await wait_until(lambda: world.edge.streams == 1)
    world.reader.events += [event(3), event(4, "commitment.ended.v1")]
    world.desk.move(44)
    answer = await following
    assert answer.headers["content-type"].startswith("text/event-stream")
    blocks = [block.split("\n") for block in answer.text.strip().split("\n\n")]
    sent = [dict(line.split(": ", 1) for line in block) for block in blocks]
    assert [(one["id"], one["event"]) for one in sent] == [
        ("2", "node.entered.v1"),
        ("3", "node.entered.v1"),
        ("4", "commitment.ended.v1"),
    ]
    assert orjson.loads(sent[0]["data"]) == event(2)
    assert world.edge.streams == 0


async def test_a_stream_ends_when_the_engine_stops(world: World) -> None:
    following = asyncio.create_task(get(world, f"{ONE}/stream"))
    await wait_until(lambda: world.edge.streams == 1)
    world.edge.draining.set()
    assert (await following).status_code == 200


async def test_streams_are_bounded_and_their_start_is_a_version(world: World) -> None:
    world.edge.streams = world.edge.limits.streams_max
    assert code_of(await get(world, f"{ONE}/stream")) == (429, "TR429")
    world.edge.streams = 0
    answer = await get(world, f"{ONE}/stream", **{"Last-Event-ID": "x"})
    assert code_of(answer) == (422, "TR400")


async def test_a_control_goes_to_the_engine_with_its_reason(world: World) -> None:
    world.answer("ControlRequest", {"status": "compensating", "position": "1:0:43"})
    body = {
        "action": "settle",
        "reason": "done by hand",
        "node": "D-12",
        "outcome": "done",
        "evidence": {"ticket": 812},
    }
    answer = await post(world, f"{ONE}/controls", body)
    assert (answer.status_code, answer.json()["status"]) == (202, "compensating")
    (request,) = world.desk.asked
    assert request.commitment == COMMITMENT
    assert {name: getattr(request, name) for name in body} == body


@pytest.mark.parametrize(
    "body",
    [
        {"action": "cancel"},
        {"action": "cancel", "reason": ""},
        {"action": "explode", "reason": "x"},
        {"action": "settle", "reason": "x", "outcome": "maybe"},
        {"action": "cancel", "reason": "x", "force": True},
    ],
)
async def test_an_unfit_control_is_refused(world: World, body: Any) -> None:
    assert code_of(await post(world, f"{ONE}/controls", body)) == (422, "TR400")


@pytest.mark.parametrize(
    ("alias", "wanted"),
    [
        ("state.says_no", (409, "TR422")),
        ("cancel.past_pivot", (409, "TR425")),
        ("cancel.compensating", (409, "TR426")),
        ("cancel.in_debt", (409, "TR427")),
        ("control.target", (409, "TR452")),
        ("control.evidence", (422, "TR453")),
    ],
)
async def test_a_refused_control_says_why(
    world: World, alias: str, wanted: tuple[int, str]
) -> None:
    world.answer("ControlRequest", refusal(alias, "why"))
    answer = await post(world, f"{ONE}/controls", {"action": "cancel", "reason": "x"})
    assert code_of(answer) == wanted


async def wait_until(true: Any) -> None:
    async with asyncio.timeout(10):
        # Turns of the loop, not time: the stream opens within a few of them.
        while not true():  # noqa: ASYNC110 - no event tells of a stream that opened
            await asyncio.sleep(0)
