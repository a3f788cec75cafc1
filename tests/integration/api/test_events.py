"""Events in: three modes, one form; each refusal with its code; nothing acknowledged too early."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from api.limits import Limits
from domain.errors import refusal
from domain.ports import StoreFailed
from tests.integration.api.fakes import EVENT, World

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
BINARY = {
    "ce-specversion": "1.0",
    "ce-id": "01J9ZK",
    "ce-source": "urn:example:crm",
    "ce-type": "partner.signed",
}
ACCEPTED = {"id": "01J9ZK", "status": "accepted", "root": 9, "position": "1:0:42"}


async def send(world: World, body: Any, kind: str = STRUCTURED, key: str = "producer") -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with world.as_(key) as client:
        return await client.post("/v1/events", content=content, headers={"Content-Type": kind})


def told(answer: Any) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert set(body) >= {"type", "title", "status", "detail", "code", "alias", "do"}
    return answer.status_code, body["code"]


async def test_an_event_is_accepted_with_its_position(world: World) -> None:
    world.answer("Publish", ACCEPTED)
    answer = await send(world, EVENT)
    assert answer.status_code == 202
    assert answer.json()["accepted"] == ["01J9ZK"]
    assert answer.headers["troth-position"] == "1:0:42"
    (request,) = world.desk.asked
    assert request.event == EVENT
    assert json.loads(request.raw) == EVENT


async def test_the_same_event_again_is_answered_200(world: World) -> None:
    world.answer("Publish", {**ACCEPTED, "status": "repeated"})
    assert (await send(world, EVENT)).status_code == 200


async def test_every_mode_gives_the_same_event(world: World) -> None:
    """Binary, structured and batched: one form, so one content digest."""
    world.answer("Publish", ACCEPTED)
    data = json.dumps(EVENT["data"]).encode()
    async with world.as_("producer") as client:
        for kind in ("application/json", "application/json; charset=utf-8"):
            headers = {**BINARY, "Content-Type": kind}
            assert (
                await client.post("/v1/events", content=data, headers=headers)
            ).status_code == 202
    await send(world, {**EVENT, "datacontenttype": "application/json"})
    await send(world, {**EVENT, "subject": None}, f"{STRUCTURED}; charset=UTF-8")
    await send(world, [EVENT], BATCH)
    assert [request.event for request in world.desk.asked] == [EVENT] * 5


async def test_a_partition_key_is_of_the_transport_and_left_out(world: World) -> None:
    """SDKs send it as an attribute too; the event over HTTP and over Kafka is one event."""
    world.answer("Publish", ACCEPTED)
    async with world.as_("producer") as client:
        headers = {**BINARY, "ce-partitionkey": "acme"}
        assert (
            await client.post("/v1/events", json=EVENT["data"], headers=headers)
        ).status_code == 202
    await send(world, {**EVENT, "partitionkey": "acme"})
    assert [request.event for request in world.desk.asked] == [EVENT] * 2
    assert told(await send(world, {**EVENT, "partitionkey": 7})) == (422, "TR302")


async def test_header_values_are_percent_decoded(world: World) -> None:
    world.answer("Publish", ACCEPTED)
    headers = {**BINARY, "ce-subject": "M%C3%BCller%20%26%20Co", "ce-id": "100%25"}
    async with world.as_("producer") as client:
        await client.post("/v1/events", json={}, headers=headers)
        (request,) = world.desk.asked
        assert (request.event["subject"], request.event["id"]) == ("Müller & Co", "100%")
        for bad in ("50%", "%zz", "%ff"):
            answer = await client.post("/v1/events", json={}, headers={**BINARY, "ce-subject": bad})
            assert told(answer) == (422, "TR302")


async def test_an_event_without_data_has_null(world: World) -> None:
    world.answer("Publish", ACCEPTED)
    async with world.as_("producer") as client:
        await client.post("/v1/events", headers=BINARY)
    await send(world, {name: value for name, value in EVENT.items() if name != "data"})
    assert [request.event["data"] for request in world.desk.asked] == [None, None]


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b"{", (400, "TR301")),
        (b"", (400, "TR301")),
        (b'{"id": "\xff"}', (400, "TR301")),
        (b'{"id": NaN}', (400, "TR301")),
        (b"[" * 5_000, (400, "TR301")),
        (b"[]", (422, "TR302")),
        (b'"x"', (422, "TR302")),
        ({**EVENT, "id": ""}, (422, "TR302")),
        ({**EVENT, "id": 7}, (422, "TR302")),
        ({**EVENT, "id": None}, (422, "TR302")),
        ({**EVENT, "id": "x" * 257}, (422, "TR302")),
        ({**EVENT, "type": "Not A Type"}, (422, "TR302")),
        ({**EVENT, "specversion": "0.3"}, (422, "TR302")),
        ({**EVENT, "time": "2026-11-30T09:41:04"}, (422, "TR302")),
        ({**EVENT, "time": "2026-13-30T09:41:04Z"}, (422, "TR302")),
        ({**EVENT, "time": "yesterday"}, (422, "TR302")),
        ({**EVENT, "time": 7}, (422, "TR302")),
        ({**EVENT, "approvalclass": "A9"}, (422, "TR302")),
        ({**EVENT, "actortype": "robot"}, (422, "TR302")),
        ({**EVENT, "schemaversion": "one"}, (422, "TR302")),
        ({**EVENT, "traceparent": "xx"}, (422, "TR302")),
        ({**EVENT, "data_base64": "AA=="}, (422, "TR302")),
        ({**EVENT, "priority": "high"}, (422, "TR303")),
        ({**EVENT, "Tenant-ID": "north"}, (422, "TR303")),
        ({**EVENT, "tenantid": "south"}, (403, "TR305")),
        ({**EVENT, "datacontenttype": "text/xml"}, (415, "TR310")),
    ],
)
async def test_an_unfit_event_is_refused_before_the_engine_sees_it(
    world: World, body: Any, wanted: tuple[int, str]
) -> None:
    assert told(await send(world, body)) == wanted
    assert world.desk.asked == []


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type"])
async def test_a_missing_attribute_is_named(world: World, name: str) -> None:
    answer = await send(world, {key: value for key, value in EVENT.items() if key != name})
    assert told(answer) == (422, "TR302")
    assert f"{name} is missing" in answer.json()["detail"]


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "application/x-www-form-urlencoded"]
)
async def test_another_content_type_is_refused(world: World, kind: str) -> None:
    assert told(await send(world, b"{}", kind)) == (415, "TR310")


@pytest.mark.parametrize(
    "time",
    [
        "2026-11-30T09:41:04Z",
        "2026-11-30t09:41:04.377+01:00",
        "2011-10-01T00:38:44.546000+02:00",
        "2026-11-30T09:41:04.123456789Z",
    ],
)
async def test_rfc_3339_times_are_taken_as_they_come(world: World, time: str) -> None:
    world.answer("Publish", ACCEPTED)
    assert (await send(world, {**EVENT, "time": time})).status_code == 202
    assert world.desk.asked[0].event["time"] == time


async def test_a_schema_version_may_be_a_number(world: World) -> None:
    """CloudEvents has integers; inside it is one text, so that digests agree."""
    world.answer("Publish", ACCEPTED)
    for version in (2, "2"):
        await send(world, {**EVENT, "schemaversion": version})
    assert [request.event["schemaversion"] for request in world.desk.asked] == ["2", "2"]


async def test_a_key_of_all_tenants_takes_the_events_tenant(world: World) -> None:
    world.answer("Publish", ACCEPTED)
    assert told(await send(world, EVENT, key="producer@*")) == (422, "TR304")
    answer = await send(world, {**EVENT, "tenantid": "west"}, key="producer@*")
    assert answer.status_code == 202
    assert world.desk.asked[0].asked.tenant == "west"


async def test_the_event_says_what_kind_of_actor_and_which_trace(world: World) -> None:
    world.answer("Publish", ACCEPTED)
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await send(world, {**EVENT, "actortype": "human", "traceparent": trace})
    asked = world.desk.asked[0].asked
    assert (asked.actor, asked.actor_type, asked.trace) == ("producer", "human", trace)


@pytest.mark.parametrize(
    ("alias", "wanted"),
    [
        ("event.unknown_type", (422, "TR307")),
        ("event.schema_version", (422, "TR308")),
        ("event.key", (422, "TR309")),
        ("event.schema", (422, "TR312")),
        ("event.id_reused", (409, "TR313")),
        ("event.out_of_order", (409, "TR314")),
        ("bound.mailbox", (429, "TR505")),
        ("http.too_many", (429, "TR429")),
        ("engine.draining", (503, "TR720")),
    ],
)
async def test_what_the_engine_refuses_is_told(
    world: World, alias: str, wanted: tuple[int, str]
) -> None:
    world.answer("Publish", refusal(alias, "why"))
    answer = await send(world, EVENT)
    assert told(answer) == wanted
    assert ("retry-after" in answer.headers) == (wanted[0] in {429, 503})


@pytest.mark.parametrize(("alias", "code"), [("store.full", "TR703"), ("store.failed", "TR707")])
async def test_a_store_that_fails_acknowledges_nothing(world: World, alias: str, code: str) -> None:
    """503: the producer sends it again, and the id makes that harmless."""
    world.answer("Publish", StoreFailed(alias, "no space left on device"))
    assert told(await send(world, EVENT)) == (503, code)


async def test_an_event_over_the_limit_is_refused_while_it_arrives() -> None:
    """The rest of the body is not read."""
    world = World(Limits(event_bytes_max=2_000))
    sent: list[int] = []

    async def chunks() -> AsyncIterator[bytes]:
        for number in range(100):
            sent.append(number)
            yield b" " * 1_000

    async with world.as_("producer") as client:
        headers = {"Content-Type": STRUCTURED}
        answer = await client.post("/v1/events", content=chunks(), headers=headers)
        assert told(answer) == (413, "TR306")
        assert told(await client.post("/v1/events", content=b" " * 2_001, headers=headers)) == (
            413,
            "TR306",
        )
    assert world.desk.asked == []


async def test_each_event_of_a_batch_is_answered_on_its_own(world: World) -> None:
    """Accepted ones stay accepted; 207 says that there is something to look at."""
    said = {
        "2": refusal("event.schema", "data.company: got 42"),
        "4": StoreFailed("store.full", ""),
    }
    world.answer(
        "Publish", lambda asked: said.get(asked.event["id"], {"status": "accepted", "id": "?"})
    )
    events = [{**EVENT, "id": str(number)} for number in range(1, 6)]
    events[2]["color"] = "red"
    answer = await send(world, [*events, 7], BATCH)
    assert answer.status_code == 207
    results = answer.json()["results"]
    assert [(one["id"], one["status"], one.get("code")) for one in results] == [
        ("1", "accepted", None),
        ("2", "refused", "TR312"),
        ("3", "refused", "TR303"),
        ("4", "refused", "TR703"),
        ("5", "accepted", None),
        (None, "refused", "TR302"),
    ]
    assert answer.json()["refused"] == 4
    assert [request.event["id"] for request in world.desk.asked] == ["1", "2", "4", "5"]


async def test_a_batch_that_was_taken_whole_is_202(world: World) -> None:
    world.answer("Publish", ACCEPTED)
    answer = await send(world, [EVENT, EVENT], BATCH)
    assert (answer.status_code, answer.json()["refused"]) == (202, 0)
    assert (await send(world, [], BATCH)).status_code == 202


async def test_batches_are_bounded() -> None:
    world = World(Limits(batch_events_max=2, batch_bytes_max=2_000, event_bytes_max=500))
    world.answer("Publish", ACCEPTED)
    assert told(await send(world, [EVENT] * 3, BATCH)) == (413, "TR311")
    assert told(await send(world, b" " * 2_001, BATCH)) == (413, "TR311")
    assert told(await send(world, EVENT, BATCH)) == (400, "TR301")
    answer = await send(world, [EVENT, {**EVENT, "data": "x" * 500}], BATCH)
    assert [one.get("code") for one in answer.json()["results"]] == [None, "TR306"]
