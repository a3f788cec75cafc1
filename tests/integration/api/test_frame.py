"""What holds for every answer: bounds, faults, health, metrics, the document."""

import asyncio
import json
import re
from typing import Any

import jsonschema_rs
import orjson

import schemas
from api.app import openapi_document
from api.limits import Limits
from tests.integration.api.fakes import EVENT, World

STRUCTURED = {"Content-Type": "application/cloudevents+json"}


async def test_a_fault_of_ours_is_tr999_without_a_trace(world: World) -> None:
    """The client learns the code; what happened is in the log."""
    world.answer("Publish", KeyError("secret place"))
    async with world.as_("producer") as client:
        answer = await client.post("/v1/events", json=EVENT, headers=STRUCTURED)
    assert (answer.status_code, answer.json()["code"]) == (500, "TR999")
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert world.edge.under_way == 0


async def test_another_method_is_405_with_the_ones_there_are(world: World) -> None:
    async with world.as_("producer") as client:
        answer = await client.delete("/v1/events")
    assert (answer.status_code, answer.json()["code"]) == (405, "TR407")
    assert answer.headers["allow"] == "POST"


async def test_every_answer_has_the_position(world: World) -> None:
    async with world.as_("reader") as client:
        for path in ("/v1/counts", "/v1/nothing", "/healthz", "/v1/commitments/x", "/docs"):
            assert (await client.get(path)).headers["troth-position"] == "1:0:41"


async def test_requests_under_way_are_bounded_by_tenant_and_in_all() -> None:
    """Beyond the bound they are told to come back; other tenants go on."""
    world = World(Limits(tenant_requests_max=1, requests_max=2))
    release = asyncio.Event()

    async def slow(_: Any) -> Any:
        await release.wait()
        return {"status": "accepted"}

    world.answer("Publish", slow)

    async def send(key: str) -> Any:
        async with world.as_(key) as client:
            return await client.post("/v1/events", json=EVENT, headers=STRUCTURED)

    first = asyncio.create_task(send("producer"))
    await world.desk.submitting.wait()
    refused = await send("producer")
    assert (refused.status_code, refused.json()["code"]) == (429, "TR429")
    assert refused.headers["retry-after"] == "1"
    world.desk.submitting.clear()
    other = asyncio.create_task(send("producer@south"))
    await world.desk.submitting.wait()
    refused = await send("producer@*")
    assert refused.json()["code"] == "TR429"
    release.set()
    assert [(await one).status_code for one in (first, other)] == [202, 202]
    assert (world.edge.under_way, dict(world.edge.tenants)) == (0, {})


async def test_a_stopping_engine_takes_nothing_new(world: World) -> None:
    world.edge.draining.set()
    async with world.as_("producer") as client:
        answer = await client.post("/v1/events", json=EVENT, headers=STRUCTURED)
        assert (answer.status_code, answer.json()["code"]) == (503, "TR720")
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["reason"]) == (503, "the engine is stopping")
        assert (await client.get("/healthz")).status_code == 200


async def test_readiness_says_why_not(world: World) -> None:
    async with world.as_(None) as client:
        assert (await client.get("/readyz")).json()["ready"] is True
        world.desk.ready = False
        answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["reason"]) == (503, "the clock jumped")


async def test_the_type_of_a_problem_leads_to_what_it_means(world: World) -> None:
    async with world.as_(None) as client:
        problem = (await client.get("/v1/counts")).json()
        told = (await client.get(problem["type"])).json()
        assert (told["code"], told["title"]) == ("TR401", problem["title"])
        assert (await client.get("/errors/http.key_missing")).json() == told
        assert (await client.get("/errors/TR9999")).status_code == 404


async def test_metrics_count_events_by_type_and_result(world: World) -> None:
    world.answer("Publish", {"status": "accepted"})
    async with world.as_("producer") as client:
        await client.post("/v1/events", json=EVENT, headers=STRUCTURED)
        await client.post("/v1/events", content=b"{", headers=STRUCTURED)
        answer = await client.get("/metrics")
    assert 'troth_events_in_total{result="accepted",type="partner.signed"} 1.0' in answer.text
    assert 'troth_events_in_total{result="TR301",type="other"} 1.0' in answer.text
    assert answer.headers["content-type"].startswith("text/plain")


async def test_a_metric_never_holds_more_types_than_its_bound(world: World) -> None:
    """A refused type is anything a producer likes: it is counted together with the others."""
    for number in range(2_000):
        world.edge.metrics.event(f"t{number}", "TR307")
    assert world.edge.metrics.text().decode().count("troth_events_in_total{") == 1


async def test_the_docs_page_shows_every_route_without_other_servers(world: World) -> None:
    async with world.as_(None) as client:
        page = (await client.get("/docs")).text
        document = (await client.get("/openapi.json")).json()
    assert all(f"<code>{path}</code>" in page for path in document["paths"])
    assert "<script" not in page
    assert "//" not in re.sub(r"https?://json-schema\.org|urn:\S+|http", "", page).replace(
        "://", ""
    )


def test_the_document_is_complete() -> None:
    """Every reference resolves; every route says what it answers and how it refuses."""
    document = document_of()
    names = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert names <= set(document["components"]["schemas"])
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert operation["summary"], path
            assert operation["description"], path
            if path.startswith("/v1"):
                assert {"401", "403", "429", "503"} <= set(operation["responses"]), path
                bodies = operation.get("requestBody", {}).get("content", {})
                assert all("example" in content for content in bodies.values()), path
    assert "HTTPValidationError" not in json.dumps(document)


def test_the_kept_document_is_current() -> None:
    """`python -m api` writes it."""
    assert schemas.load("openapi.json") == orjson.loads(orjson.dumps(document_of()))


def test_the_examples_fit_their_schemas() -> None:
    """What the docs show is what the API takes."""
    document = document_of()
    for path, methods in document["paths"].items():
        for operation in methods.values():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                schema = {**content["schema"], "components": document["components"]}
                assert jsonschema_rs.is_valid(schema, content["example"]), path


def document_of() -> Any:
    return openapi_document()
