"""What people decide and put right: approvals, definitions, dead letters, lists."""

import json
from typing import Any

import pytest

from domain.errors import Refusal, refusal
from tests.integration.api.fakes import COMMITMENT, DIGEST, World

DECISION = "/v1/approvals/a17/decision"
DECIDED: Any = {
    "by": "approver+legal", "actor_type": "human", "digest": DIGEST, "recorded": "1:0:46",
    "status": "granted", "missing": [],
}  # fmt: skip
DOCUMENT: Any = {"troth": 1, "saga": "greeting", "version": 1, "key": "input", "flow": []}


async def decide(world: World, body: Any, match: str | None = f'"{DIGEST}"', key: str = "") -> Any:
    async with world.as_(key or "approver+legal") as client:
        headers = {} if match is None else {"If-Match": match}
        return await client.post(DECISION, json=body, headers=headers)


async def call(world: World, method: str, path: str, key: str, body: Any = None) -> Any:
    async with world.as_(key) as client:
        return await client.request(method, path, json=body)


def code_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_an_approval_shows_its_digest_and_a_decision_carries_it(world: World) -> None:
    world.answer("DecideRequest", DECIDED)
    approval = await call(world, "GET", "/v1/approvals/a17", "approver+legal")
    answer = await decide(
        world, {"answer": "approve", "reason": "checked"}, approval.headers["etag"]
    )
    assert (answer.status_code, answer.json()) == (200, DECIDED)
    assert answer.headers["troth-position"] == "1:0:46"
    (request,) = world.desk.asked
    assert (request.commitment, request.approval, request.digest) == (COMMITMENT, "a17", DIGEST)
    assert (request.answer, request.reason) == ("approve", "checked")
    assert (request.asked.actor, request.asked.seats) == ("approver+legal", ("legal",))


@pytest.mark.parametrize("match", [None, "", "*", DIGEST, f'W/"{DIGEST}"', '"a", "b"', '"XYZ"'])
async def test_a_decision_without_one_digest_is_428(world: World, match: str | None) -> None:
    """Nobody decides on what they have not seen."""
    assert code_of(await decide(world, {"answer": "approve"}, match)) == (428, "TR434")
    assert world.desk.asked == []


@pytest.mark.parametrize(
    ("alias", "wanted"),
    [
        ("decision.closed", (409, "TR432")),
        ("decision.changed", (412, "TR433")),
        ("decision.reason", (422, "TR435")),
        ("decision.payload", (422, "TR436")),
        ("decision.not_editable", (422, "TR437")),
        ("decision.seat", (403, "TR440")),
        ("decision.actor", (403, "TR441")),
        ("decision.twice", (409, "TR442")),
        ("decision.not_by", (403, "TR443")),
    ],
)
async def test_a_refused_decision_says_why(
    world: World, alias: str, wanted: tuple[int, str]
) -> None:
    world.answer("DecideRequest", refusal(alias, "why"))
    assert code_of(await decide(world, {"answer": "approve"})) == wanted


async def test_an_observer_is_named_as_one_to_the_engine(world: World) -> None:
    """The engine refuses it, and the audit trail keeps that it tried."""
    world.answer("DecideRequest", refusal("decision.actor", "observer is an observer_agent"))
    answer = await decide(world, {"answer": "approve"}, key="observer")
    assert code_of(answer) == (403, "TR441")
    assert world.desk.asked[0].asked.actor_type == "observer_agent"


@pytest.mark.parametrize("body", [{}, {"answer": "yes"}, {"answer": "approve", "by": "me"}])
async def test_an_unfit_decision_is_refused(world: World, body: Any) -> None:
    assert code_of(await decide(world, body)) == (422, "TR400")


async def test_a_definition_is_registered_once(world: World) -> None:
    for created, status in ((True, 201), (False, 200)):
        said = {"saga": "greeting", "version": 1, "hash": DIGEST, "created": created}
        world.answer("RegisterRequest", said)
        answer = await call(world, "PUT", "/v1/definitions/greeting/1", "operator", DOCUMENT)
        assert (answer.status_code, answer.json()) == (status, said)
    assert world.desk.asked[0].document == DOCUMENT


async def test_every_fault_of_a_definition_is_listed(world: World) -> None:
    faults: Any = (
        {"code": "def.no_approval", "where": "pay", "message": "pay is A2 R2"},
        {"code": "TR205", "where": "send", "message": "portal is bound to nothing"},
    )
    world.answer("RegisterRequest", Refusal("def.no_approval", "2 faults", faults))
    answer = await call(world, "PUT", "/v1/definitions/greeting/1", "operator", DOCUMENT)
    assert code_of(answer) == (422, "TR201")
    listed = answer.json()["errors"]
    assert [one["code"] for one in listed] == ["TR201", "TR205"]
    assert all(one["do"] for one in listed)


@pytest.mark.parametrize(
    ("path", "body", "wanted"),
    [
        ("other/1", DOCUMENT, (422, "TR400")),
        ("greeting/2", DOCUMENT, (422, "TR400")),
        ("greeting/0", DOCUMENT, (422, "TR400")),
        ("greeting/1", [], (422, "TR400")),
        ("greeting/1", {**DOCUMENT, "pad": "x" * 1_100_000}, (413, "TR406")),
    ],
)
async def test_an_unfit_registration_is_refused(
    world: World, path: str, body: Any, wanted: tuple[int, str]
) -> None:
    answer = await call(world, "PUT", f"/v1/definitions/{path}", "operator", body)
    assert code_of(answer) == wanted
    assert world.desk.asked == []


async def test_a_version_that_is_taken_is_409(world: World) -> None:
    world.answer("RegisterRequest", refusal("def.version_taken", "another hash"))
    answer = await call(world, "PUT", "/v1/definitions/greeting/1", "operator", DOCUMENT)
    assert code_of(answer) == (409, "TR410")


async def test_definitions_are_read_by_version_or_the_newest(world: World) -> None:
    for version in ("1", "latest"):
        answer = await call(world, "GET", f"/v1/definitions/partner-activation/{version}", "reader")
        assert answer.json()["document"]["version"] == 1
    answer = await call(world, "GET", "/v1/definitions/partner-activation/2", "reader")
    assert code_of(answer) == (404, "TR404")
    answer = await call(world, "GET", "/v1/definitions/partner-activation/new", "reader")
    assert code_of(answer) == (422, "TR400")
    assert (await call(world, "GET", "/v1/definitions", "participant")).json()["items"]


async def test_a_dead_letter_is_redriven_as_it_came_or_edited(world: World) -> None:
    world.answer("RedriveRequest", {"status": "redriven", "position": "1:0:47"})
    path = "/v1/dead-letters/7/redrive"
    edited = {"specversion": "1.0", "id": "b", "source": "urn:x", "type": "a.b", "data": 1}
    answer = await call(world, "POST", path, "operator", {"reason": "ticket 812"})
    assert (answer.status_code, answer.json()["status"]) == (202, "redriven")
    await call(world, "POST", path, "operator", {"reason": "ticket 812", "event": edited})
    await call(world, "POST", "/v1/dead-letters/7/discard", "operator", {"reason": "a test"})
    first, second, third = world.desk.asked
    assert (first.dead_letter, first.reason, first.event["id"]) == (7, "ticket 812", "a")
    assert second.event == edited
    assert (third.reason, third.event) == ("a test", None)


@pytest.mark.parametrize(
    ("path", "body", "wanted"),
    [
        ("7/redrive", {}, (422, "TR400")),
        ("7/redrive", {"reason": "x", "event": {"id": "a"}}, (422, "TR302")),
        ("7/redrive", {"reason": "x", "event": 7}, (422, "TR400")),
        ("7/discard", {"reason": ""}, (422, "TR400")),
        ("8/discard", {"reason": "x"}, (404, "TR404")),
        ("x/discard", {"reason": "x"}, (422, "TR400")),
    ],
)
async def test_an_unfit_remedy_is_refused(
    world: World, path: str, body: Any, wanted: tuple[int, str]
) -> None:
    assert (
        code_of(await call(world, "POST", f"/v1/dead-letters/{path}", "operator", body)) == wanted
    )
    assert world.desk.asked == []


async def test_what_is_not_json_cannot_be_redriven_as_it_came(world: World) -> None:
    world.reader.letter = {**world.reader.letter, "raw": "{"}
    path = "/v1/dead-letters/7/redrive"
    assert code_of(await call(world, "POST", path, "operator", {"reason": "x"})) == (400, "TR301")


@pytest.mark.parametrize(
    ("path", "what", "filters"),
    [
        (
            "approvals?status=open&escalated=board",
            "approvals",
            {"status": "open", "escalated": "board", "cursor": None, "limit": 100},
        ),
        (
            "tasks?escalated=executive",
            "tasks",
            {"status": None, "escalated": "executive", "cursor": None, "limit": 100},
        ),
        ("debts?cursor=c", "debts", {"status": None, "cursor": "c", "limit": 100}),
        ("parked?reason=early", "parked", {"reason": "early", "cursor": None, "limit": 100}),
        ("dead-letters?limit=3", "dead_letters", {"status": None, "cursor": None, "limit": 3}),
        ("facts?after=0:9", "facts", {"after": "0:9", "limit": 100}),
    ],
)
async def test_lists_pass_their_filters(
    world: World, path: str, what: str, filters: dict[str, Any]
) -> None:
    answer = await call(world, "GET", f"/v1/{path}", "operator")
    assert answer.json() == {"items": [], "next": None}
    assert answer.headers["troth-position"] == "1:0:41"
    assert world.reader.asked == [(what, {"tenant": "north", **filters})]


async def test_the_letter_is_shown_with_its_bytes(world: World) -> None:
    answer = await call(world, "GET", "/v1/dead-letters/7", "reader")
    assert json.loads(answer.json()["raw"])["id"] == "a"
    assert (answer.json()["code"], answer.json()["alias"]) == ("TR312", "event.schema")
