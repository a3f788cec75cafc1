"""Bad input against the real engine: a code for each, and nothing acknowledged is lost."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from engine.keys import add_key
from tests.integration.engine.test_story import to_the_gate
from tests.integration.engine.world import PARTNER, EngineWorld
from tests.integration.lane_world import sale

APPLIED = {"company": "acme"}


def code_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize(
    ("kind", "data", "attributes", "wanted"),
    [
        ("partner.signd", {"company": "acme"}, {}, (422, "TR307")),
        ("partner.applied", APPLIED, {"schemaversion": "7"}, (422, "TR308")),
        ("partner.applied", {"company": ""}, {}, (422, "TR309")),
        ("partner.applied", {"company": "x" * 257}, {}, (422, "TR309")),
        ("partner.applied", {"company": 42}, {}, (422, "TR312")),
        ("partner.applied", {}, {}, (422, "TR312")),
        ("partner.applied", None, {}, (422, "TR312")),
        ("partner.applied", APPLIED, {"tenantid": "south"}, (403, "TR305")),
    ],
)
async def test_an_event_that_does_not_fit_is_refused_and_kept(
    world: EngineWorld, kind: str, data: Any, attributes: Any, wanted: tuple[int, str]
) -> None:
    """The producer learns why; an operator finds it among the dead letters of the tenant."""
    assert code_of(await world.publish(kind, data, "bad", **attributes)) == wanted
    letters = (await world.get("/v1/dead-letters"))["items"]
    assert [letter["code"] for letter in letters] == ([wanted[1]] if wanted[0] != 403 else [])
    assert (await world.get("/v1/counts"))["status"] == {}


async def test_a_key_of_all_tenants_must_name_one(world: EngineWorld, tmp_path: Path) -> None:
    """In the event, or in the header of any other request."""
    everywhere: Any = {"tenant": "*", "roles": ["producer", "reader"]}
    world.keys["all"] = add_key(tmp_path / "keys.jsonl", name="all", **everywhere)[1]
    event = {"specversion": "1.0", "source": "urn:test", "type": "partner.applied", "id": "e1"}
    kind = {"Content-Type": "application/cloudevents+json"}
    body = {**event, "data": APPLIED}
    assert code_of(await world.call("all", "POST", "/v1/events", body, **kind)) == (422, "TR304")
    assert code_of(await world.call("all", "GET", "/v1/commitments")) == (422, "TR405")
    named = await world.call("all", "POST", "/v1/events", {**body, "tenantid": "north"}, **kind)
    assert named.status_code == 202
    assert (await world.step())["tenant"] == "north"


async def test_the_same_id_with_other_content_is_refused(world: EngineWorld) -> None:
    assert (await world.publish("partner.applied", APPLIED, "e1")).status_code == 202
    again = await world.publish("partner.applied", APPLIED, "e1")
    assert (again.status_code, again.json()["status"]) == (200, "repeated")
    other = await world.publish("partner.applied", {"company": "globex"}, "e1")
    assert code_of(other) == (409, "TR313")
    assert (await world.get("/v1/counts"))["status"] == {"open": 1}


async def test_a_dead_letter_of_binary_mode_is_redriven_as_it_came(world: EngineWorld) -> None:
    """Its attributes came as headers; they are kept with the data, as one event."""
    headers = {
        "ce-specversion": "1.0", "ce-id": "e7", "ce-source": "urn:test", "ce-type": "applied",
    }  # fmt: skip
    refused = await world.call("producer", "POST", "/v1/events", APPLIED, **headers)
    assert code_of(refused) == (422, "TR307")
    await world.register(sale())
    (letter,) = (await world.get("/v1/dead-letters"))["items"]
    path = f"/v1/dead-letters/{letter['id']}/redrive"
    again = await world.call("operator", "POST", path, {"reason": "it is registered by now"})
    assert again.status_code == 202, again.text
    assert (await world.get("/v1/sagas/sale/keys/acme"))["status"] == "open"


async def test_a_dead_letter_is_redriven_corrected(world: EngineWorld) -> None:
    await world.publish("partner.applied", {"company": 42}, "e1")
    (letter,) = (await world.get("/v1/dead-letters?status=open"))["items"]
    path = f"/v1/dead-letters/{letter['id']}/redrive"
    fixed = {
        "specversion": "1.0",
        "id": "e1",
        "source": "urn:test",
        "type": "partner.applied",
        "data": APPLIED,
    }
    foreign = await world.call("foreign", "POST", path, {"reason": "x"})
    assert code_of(foreign) == (404, "TR404")
    still = await world.call("operator", "POST", path, {"reason": "as it came"})
    assert code_of(still) == (422, "TR312")
    done = await world.call("operator", "POST", path, {"reason": "ticket 812", "event": fixed})
    assert done.status_code == 202, done.text
    assert (await world.step())["step"] == "check_company"
    assert (await world.get("/v1/dead-letters?status=open"))["items"] == []
    assert (await world.call("operator", "POST", path, {"reason": "again"})).status_code == 409
    (settled,) = (await world.get("/v1/dead-letters?status=redriven"))["items"]
    assert (settled["remedy"]["by"], settled["remedy"]["reason"]) == ("operator", "ticket 812")


async def test_a_discarded_dead_letter_keeps_who_and_why(world: EngineWorld) -> None:
    await world.publish("partner.applied", {"company": 42}, "e1")
    (letter,) = (await world.get("/v1/dead-letters?status=open"))["items"]
    path = f"/v1/dead-letters/{letter['id']}"
    assert (await world.call("operator", "POST", f"{path}/discard", {})).status_code == 422
    body = {"reason": "a test of the producer"}
    assert (await world.call("operator", "POST", f"{path}/discard", body)).status_code == 202
    settled = await world.get(path)
    assert (settled["status"], settled["remedy"]["reason"]) == ("discarded", body["reason"])


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"saga": "nothing", "input": {}}, (404, "TR411")),
        ({"saga": "partner-activation", "input": {"company": 42}}, (422, "TR412")),
        ({"saga": "partner-activation", "input": {"company": ""}}, (422, "TR413")),
        ({"saga": "partner-activation", "input": APPLIED, "version": 9}, (404, "TR411")),
    ],
)
async def test_an_unfit_start_is_refused(
    world: EngineWorld, body: Any, wanted: tuple[int, str]
) -> None:
    assert code_of(await world.call("producer", "POST", "/v1/commitments", body)) == wanted


async def test_a_start_that_conflicts_is_refused_and_a_repeated_one_is_not(
    world: EngineWorld,
) -> None:
    body = {"saga": "partner-activation", "input": APPLIED}
    once = {"Idempotency-Key": "k1"}
    first = await world.call("producer", "POST", "/v1/commitments", body, **once)
    again = await world.call("producer", "POST", "/v1/commitments", body, **once)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    other = {"saga": "partner-activation", "input": {"company": "globex"}}
    reused = await world.call("producer", "POST", "/v1/commitments", other, **once)
    assert code_of(reused) == (409, "TR424")
    conflict = await world.call("producer", "POST", "/v1/commitments", body)
    assert code_of(conflict) == (409, "TR421")


async def test_decisions_are_refused_with_the_reason(world: EngineWorld) -> None:
    """Not by an observer, not unseen, not twice by one person, not after the end."""
    await to_the_gate(world)
    assert code_of(await world.decide("observer", "approve")) == (403, "TR441")
    assert code_of(await world.decide("legal", "approve", digest="0" * 64)) == (412, "TR433")
    assert code_of(await world.decide("legal", "reject")) == (422, "TR435")
    assert code_of(await world.decide("legal", "edit", payload={})) == (422, "TR437")
    (asked,) = (await world.get("/v1/approvals?status=open"))["items"]
    path = f"/v1/approvals/{asked['id']}/decision"
    bare = await world.call("legal", "POST", path, {"answer": "approve"})
    assert code_of(bare) == (428, "TR434")
    assert (await world.decide("legal2", "approve")).status_code == 200
    assert code_of(await world.decide("legal2", "approve")) == (409, "TR442")
    assert (await world.decide("function_head", "approve")).status_code in {200, 403}
    if (await world.get("/v1/approvals?status=open"))["items"]:
        await world.decide("legal", "approve")
    match = {"If-Match": f'"{asked["digest"]}"'}
    late = await world.call("legal", "POST", path, {"answer": "approve"}, **match)
    assert code_of(late) == (409, "TR432")


async def test_a_reply_for_another_lease_moves_nothing(world: EngineWorld) -> None:
    await world.publish("partner.applied", APPLIED, "e1")
    (claim,) = await world.claim("registry")
    fenced = await world.reply({**claim, "token": "1.0.1.1"}, "transient")
    assert fenced["status"] in {"fenced", "late"}
    assert fenced["code"] in {"TR620", "TR621"}
    assert (await world.step())["step"] == "check_company"
    assert (await world.reply(claim))["status"] == "recorded"
    assert (await world.reply(claim))["status"] in {"repeated", "late"}


async def test_a_result_that_breaks_the_contract_is_told(world: EngineWorld) -> None:
    await world.publish("partner.applied", APPLIED, "e1")
    (claim,) = await world.claim("registry")
    answer = await world.reply(claim, result={"name": 7})
    assert answer.get("code") == "TR602"
    unknown = await world.reply(claim, "shrug")
    assert (unknown["status"], unknown["code"]) == ("refused", "TR603")


async def test_a_start_of_work_that_was_cancelled_is_refused(world: EngineWorld) -> None:
    await to_the_gate(world)
    await world.decide("function_head", "approve")
    await world.decide("legal", "approve")
    (claim,) = await world.claim("crm")
    assert claim["started"] is False
    current = await world.step()
    path = f"/v1/commitments/{current['id']}/controls"
    await world.call("operator", "POST", path, {"action": "cancel", "reason": "x"})
    body = {"worker": "w", "token": claim["token"]}
    answer = await world.call("participant", "POST", f"/v1/leases/{claim['effect']}/start", body)
    assert answer.status_code == 409
    assert answer.json()["code"] in {"TR610", "TR612"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda d: d["flow"][0].update(args={"applied": "inputt"}), "TR208"),
        (lambda d: d["flow"][0].update(args={"applied": "results.activate"}), "TR206"),
        (
            lambda d: d["flow"][1]["branches"][0].update(when="results.check_company.risk >"),
            "TR208",
        ),
        (lambda d: d["flow"].pop(4), None),
        (lambda d: d["flow"].append({"node": "stp", "name": "x"}), "TR229"),
        (lambda d: d.update(undo_flow=[]), "TR228"),
        (lambda d: d["flow"][0].update(calendar="office"), "TR238"),
        (lambda d: d["contracts"]["crm/create-account@1"].pop("S"), "TR203"),
        (lambda d: d["flow"][2]["branches"][0]["flow"][0].pop("undo"), "TR202"),
        (lambda d: d.update(surprise=1), "TR229"),
    ],
)
async def test_a_faulty_definition_is_refused_with_every_fault(
    world: EngineWorld, change: Any, code: str | None
) -> None:
    document = deepcopy(PARTNER)
    document["version"] = 2
    change(document)
    path = "/v1/definitions/partner-activation/2"
    answer = await world.call("operator", "PUT", path, document)
    assert answer.status_code == 422, answer.text
    faults = answer.json()["errors"]
    assert all(fault["message"] and fault["do"] for fault in faults)
    if code is not None:
        assert code in {fault["code"] for fault in faults}, faults
    missing = await world.call("reader", "GET", path)
    assert code_of(missing) == (404, "TR404")


async def test_a_definition_cannot_change_under_its_version(world: EngineWorld) -> None:
    path = "/v1/definitions/partner-activation/1"
    same = await world.call("operator", "PUT", path, PARTNER)
    assert (same.status_code, same.json()["created"]) == (200, False)
    other = deepcopy(PARTNER)
    other["flow"][3]["within"] = "15d"
    assert code_of(await world.call("operator", "PUT", path, other)) == (409, "TR410")
