"""Work for participants, in batches and one by one."""

import asyncio
from typing import Any

import pytest

from domain.errors import refusal
from tests.integration.api.fakes import COMMITMENT, EFFECT, REPLY, World

CRM = "/v1/participants/crm"
LEASE = f"/v1/leases/{EFFECT}"
ASK: Any = {"worker": "host-1/4711", "contracts": ["crm/create-account@1"], "max": 100}
ITEM: Any = {"effect": EFFECT, "token": "1.0.18846.1"}


async def post(world: World, path: str, body: Any, key: str = "participant") -> Any:
    async with world.as_(key) as client:
        return await client.post(path, json=body)


def code_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_claims_are_asked_for_with_contracts_and_limit(world: World) -> None:
    world.answer("ClaimRequest", {"claims": [{"effect": EFFECT}]})
    answer = await post(
        world, f"{CRM}/claims?wait_s=20", {**ASK, "start": True, "journal": "shared"}
    )
    assert (answer.status_code, answer.json()) == (200, {"claims": [{"effect": EFFECT}]})
    (request,) = world.desk.asked
    ask = request.ask
    assert (ask.participant, ask.worker, ask.contracts) == (
        "crm",
        "host-1/4711",
        ("crm/create-account@1",),
    )
    assert (ask.limit, ask.start, ask.tenant, request.wait_s) == (100, True, "north", 20)


async def test_a_key_of_all_tenants_claims_for_all(world: World) -> None:
    world.answer("ClaimRequest", {"claims": []})
    await post(world, f"{CRM}/claims", ASK, "participant@*")
    assert world.desk.asked[0].ask.tenant is None


@pytest.mark.parametrize("wait", ["", "?wait_s=1"])
async def test_no_work_is_204(world: World, wait: str) -> None:
    world.answer("ClaimRequest", {"claims": []})
    answer = await post(world, f"{CRM}/claims{wait}", ASK)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["troth-position"] == "1:0:41"


async def test_who_waits_for_work_is_let_go_when_the_engine_stops(world: World) -> None:
    async def never(_: Any) -> Any:
        await asyncio.Event().wait()

    world.answer("ClaimRequest", never)
    waiting = asyncio.create_task(post(world, f"{CRM}/claims?wait_s=30", ASK))
    await world.desk.submitting.wait()
    world.edge.draining.set()
    assert (await waiting).status_code == 204


async def test_a_worker_that_hangs_up_gets_no_work(world: World) -> None:
    """Its question is withdrawn: work given to nobody would lie until its lease ends."""
    withdrawn = asyncio.Event()

    async def never(_: Any) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            withdrawn.set()

    world.answer("ClaimRequest", never)
    body = b'{"worker": "w", "contracts": ["crm/create-account@1"]}'
    received = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        if received:
            return received.pop()
        await world.desk.submitting.wait()
        return {"type": "http.disconnect"}

    async def send(_: Any) -> None:
        pass

    scope = {
        "type": "http", "method": "POST", "path": f"{CRM}/claims", "raw_path": b"",
        "query_string": b"wait_s=30", "headers": [(b"authorization", b"Bearer participant")],
    }  # fmt: skip
    async with asyncio.timeout(10):
        await world.app(scope, receive, send)
    assert withdrawn.is_set()
    assert world.edge.under_way == 0


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("claims", {**ASK, "max": 0}),
        ("claims", {**ASK, "max": 1_001}),
        ("claims", {**ASK, "contracts": []}),
        ("claims", {**ASK, "contracts": ["create-account"]}),
        ("claims", {**ASK, "extra": 1}),
        ("claims", {"contracts": ["crm/create-account@1"]}),
        ("claims?wait_s=31", ASK),
        ("claims?wait_s=-1", ASK),
        ("claims?wait_s=soon", ASK),
        ("starts", {"worker": "w"}),
        ("starts", {"worker": "w", "starts": []}),
        ("starts", {"worker": "w", "starts": [ITEM] * 1_001}),
        ("heartbeats", {"worker": "w", "leases": "x"}),
        ("replies", {"worker": "", "replies": [REPLY]}),
        ("replies", {"replies": [REPLY]}),
        ("replies", []),
    ],
)
async def test_an_unfit_body_is_refused_whole(world: World, path: str, body: Any) -> None:
    assert code_of(await post(world, f"{CRM}/{path}", body)) == (422, "TR400")
    assert world.desk.asked == []


@pytest.mark.parametrize(
    ("path", "member", "kind", "item"),
    [
        ("starts", "starts", "StartsRequest", ITEM),
        ("heartbeats", "leases", "HeartbeatsRequest", {**ITEM, "progress": "40 %"}),
        ("replies", "replies", "RepliesRequest", REPLY),
    ],
)
async def test_a_batch_is_answered_in_order_and_one_bad_item_stops_no_other(
    world: World, path: str, member: str, kind: str, item: Any
) -> None:
    world.answer(
        kind,
        lambda asked: {
            "results": [
                {"effect": one["effect"], "status": "recorded", "n": number}
                for number, one in enumerate(asked.items)
            ]
        },
    )
    items = [item, {**item, "token": "x"}, 7, {**item, "surprise": 1}, item]
    answer = await post(world, f"{CRM}/{path}", {"worker": "w", member: items})
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [one["status"] for one in results] == ["recorded", *["refused"] * 3, "recorded"]
    assert (results[0]["n"], results[4]["n"]) == (0, 1)
    assert results[2]["effect"] is None
    assert "surprise is not known" in results[3]["detail"]
    (request,) = world.desk.asked
    assert (request.worker, request.items) == ("w", (item, item))


async def test_recorded_replies_are_counted(world: World) -> None:
    world.answer("RepliesRequest", {"results": [{"effect": EFFECT, "status": "recorded"}]})
    await post(world, f"{CRM}/replies", {"worker": "w", "replies": [REPLY]})
    text = world.edge.metrics.text().decode()
    assert 'troth_steps_total{outcome="done",participant="crm"} 1.0' in text


SINGLE: Any = {"worker": "w", "token": "1.0.18846.1"}
ANSWER: Any = {
    **SINGLE, "attempt": 1, "kind": "do", "commitment": str(COMMITMENT),
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "body", "kind", "item"),
    [
        ("start", SINGLE, "StartsRequest", ITEM),
        ("heartbeat", {**SINGLE, "progress": 4}, "HeartbeatsRequest", {**ITEM, "progress": 4}),
        ("complete", {**ANSWER, "result": {"account_id": "4711"}}, "RepliesRequest", REPLY),
        (
            "complete",
            {**ANSWER, "kind": "probe", "result": {"account_id": "4711"}},
            "RepliesRequest",
            {**REPLY, "kind": "probe", "outcome": "present"},
        ),
        (
            "fail",
            {**ANSWER, "outcome": "failed", "code": "struck-off"},
            "RepliesRequest",
            {
                **{name: value for name, value in REPLY.items() if name != "result"},
                "outcome": "failed",
                "code": "struck-off",
            },
        ),
    ],
)
async def test_one_lease_is_a_batch_of_one(
    world: World, path: str, body: Any, kind: str, item: Any
) -> None:
    world.answer(kind, {"results": [{"effect": EFFECT, "status": "recorded"}]})
    answer = await post(world, f"{LEASE}/{path}", body)
    assert (answer.status_code, answer.json()["status"]) == (200, "recorded")
    assert world.desk.asked[0].items == (item,)


@pytest.mark.parametrize(
    ("path", "kind", "result", "wanted"),
    [
        ("start", "StartsRequest", {"status": "refused", "code": "TR612"}, (409, "TR612")),
        ("start", "StartsRequest", {"status": "refused"}, (409, "TR610")),
        ("heartbeat", "HeartbeatsRequest", {"status": "lost"}, (409, "TR620")),
        ("complete", "RepliesRequest", {"status": "late"}, (409, "TR620")),
        ("complete", "RepliesRequest", {"status": "fenced"}, (409, "TR621")),
    ],
)
async def test_a_lost_lease_is_told(
    world: World, path: str, kind: str, result: Any, wanted: tuple[int, str]
) -> None:
    world.answer(kind, {"results": [{"effect": EFFECT, **result}]})
    body = ANSWER if path == "complete" else SINGLE
    assert code_of(await post(world, f"{LEASE}/{path}", body)) == wanted


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"{LEASE}/start", {"worker": "w"}),
        (f"{LEASE}/fail", {**ANSWER, "outcome": "done"}),
        (f"{LEASE}/complete", {**ANSWER, "outcome": "done"}),
        ("/v1/leases/xyz/start", SINGLE),
    ],
)
async def test_an_unfit_single_call_is_refused(world: World, path: str, body: Any) -> None:
    assert code_of(await post(world, path, body)) == (422, "TR400")


async def test_a_refusal_of_the_engine_is_told(world: World) -> None:
    world.answer("ClaimRequest", refusal("http.too_many", "many wait"))
    assert code_of(await post(world, f"{CRM}/claims", ASK)) == (429, "TR429")
    assert code_of(await post(world, f"{CRM}/claims?wait_s=1", ASK)) == (429, "TR429")
