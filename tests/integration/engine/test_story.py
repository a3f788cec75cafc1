"""The partner activation over HTTP, from the first event to the last."""

from pathlib import Path
from typing import Any

from engine.exports import read_export
from tests.integration.engine.world import EngineWorld, engine_world

SIGNED = {"company": "acme", "signed_by": "signer-1"}


async def to_the_gate(world: EngineWorld) -> None:
    await world.publish("partner.applied", {"company": "acme"}, "e1")
    assert await world.work() == [
        "registry/check-company@1",
        "registry/list-signers@1",
        "crm/create-account@1",
    ]
    await world.publish("partner.signed", SIGNED, "e2")


async def test_a_promise_is_kept_from_the_first_event_to_the_last(world: EngineWorld) -> None:
    """Steps, a wait, two people, a gated effect; and every line of it can be read and verified."""
    started = await world.publish("partner.applied", {"company": "acme"}, "e1")
    follow = "/v1/sagas/partner-activation/keys/acme"
    assert started.json()["follow"] == f"{follow}?after=e1"
    assert (await world.get(started.json()["follow"]))["steps"] == ["check_company"]
    await world.work()
    current = await world.step()
    assert (current["status"], current["step"]) == ("waiting", "partner_signed")
    assert current["waits_for"][0]["kind"] == "event"
    early = await world.publish("partner.signed", {**SIGNED, "company": "hooli"}, "e0")
    assert "follow" not in early.json()
    signed = await world.publish("partner.signed", SIGNED, "e/2")
    assert signed.json()["follow"] == f"{follow}?after=e%2F2"
    assert await world.claim("crm") == []
    first = await world.decide("function_head", "approve", reason="fine")
    assert (first.status_code, first.json()["status"]) == (200, "seat_taken")
    assert first.json()["missing"] == ["legal or finance"]
    (asked,) = (await world.get("/v1/approvals"))["items"]
    assert asked["missing"] == ["legal or finance"]
    second = await world.decide("legal", "approve", reason="checked")
    assert (second.status_code, second.json()["status"]) == (200, "granted")
    assert await world.work() == ["crm/activate@1"]
    current = await world.step()
    assert (current["status"], current["result"]) == ("fulfilled", {"account_id": "4711"})
    page = await world.get(f"/v1/commitments/{current['id']}/history?limit=1000")
    texts = [event["text"] for event in page["events"]]
    assert texts[-1] == 'FULFILLED with {"account_id":"4711"}'
    assert any("legal approved by" in text for text in texts)
    assert all(event["text"] != event["type"] for event in page["events"])
    prevs = [event["prev_sha256"] for event in page["events"]]
    assert prevs[1:] == [event["sha256"] for event in page["events"][:-1]]


async def test_a_rejected_promise_is_undone(world: EngineWorld) -> None:
    await to_the_gate(world)
    assert (await world.decide("legal", "reject", reason="no")).json()["status"] == "rejected"
    assert await world.work() == ["crm/create-account@1:undo"]
    assert (await world.step())["status"] == "compensated"


async def test_a_cancelled_promise_is_undone(world: EngineWorld) -> None:
    await to_the_gate(world)
    current = await world.step()
    path = f"/v1/commitments/{current['id']}/controls"
    body = {"action": "cancel", "reason": "the partner withdrew"}
    assert (await world.call("operator", "POST", path, body)).status_code == 202
    await world.work()
    assert (await world.step())["status"] == "cancelled"
    assert (await world.call("operator", "POST", path, body)).status_code == 409


async def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    """A second engine on the same file goes on where the first one stopped."""
    async with engine_world(tmp_path) as world:
        await world.register()
        await to_the_gate(world)
        before = await world.step()
    async with engine_world(tmp_path) as world:
        assert await world.step() == before
        await world.decide("function_head", "approve")
        await world.decide("legal", "approve")
        await world.work()
        assert (await world.step())["status"] == "fulfilled"


async def test_lists_and_counts_show_where_promises_are(world: EngineWorld) -> None:
    await to_the_gate(world)
    await world.publish("partner.applied", {"company": "globex"}, "e3")
    counts = await world.get("/v1/counts?saga=partner-activation")
    assert counts["status"] == {"open": 1, "waiting": 1}
    found = await world.get("/v1/commitments?status=waiting")
    assert [one["key"] for one in found["items"]] == ["acme"]
    for path in ("debts", "parked", "dead-letters", "facts", "definitions"):
        assert "items" in await world.get(f"/v1/{path}")
    for path in ("commitments", "approvals"):
        answer = await world.call("foreign", "GET", f"/v1/{path}")
        assert answer.json().get("items", []) == []


async def test_a_reader_sees_what_it_waited_for(world: EngineWorld) -> None:
    answer = await world.publish("partner.applied", {"company": "acme"}, "e1")
    position = answer.headers["troth-position"]
    for wait in (f"wait_for={position}", "after=e1", f"after={answer.json()['root']}"):
        current = await world.get(f"/v1/sagas/partner-activation/keys/acme?{wait}")
        assert current["step"] == "check_company"
    path = "/v1/sagas/partner-activation/keys/acme?after=e9&timeout_s=0.01"
    assert (await world.call("reader", "GET", path)).json()["code"] == "TR431"


async def test_a_stream_tells_the_whole_story(world: EngineWorld) -> None:
    await to_the_gate(world)
    await world.decide("legal", "reject", reason="no")
    await world.work()
    current = await world.step()
    answer = await world.call("reader", "GET", f"/v1/commitments/{current['id']}/stream")
    assert answer.text.count("event: ") == current["version"]
    assert "event: commitment.ended.v1" in answer.text


async def test_metrics_tell_of_events_steps_and_the_lane(world: EngineWorld) -> None:
    await to_the_gate(world)
    text = (await world.client.get("/metrics")).text
    assert 'troth_events_in_total{result="accepted",type="partner.signed"} 1.0' in text
    assert 'troth_steps_total{outcome="done",participant="crm"} 1.0' in text
    assert 'troth_lane_head{lane="0"}' in text
    saga = 'saga="partner-activation",status="waiting"'
    assert f"troth_commitments_open{{{saga}}} 1.0" in text
    assert "troth_approvals_waiting 1.0" in text
    assert "troth_dead_letters 0.0" in text
    await world.decide("legal", "reject", reason="no")
    await world.publish("partner.applied", {"company": 42}, "bad")
    text = (await world.client.get("/metrics")).text
    assert 'troth_steps_unserved{participant="crm"} 1.0' in text
    assert "troth_approvals_waiting 0.0" in text
    assert "troth_dead_letters 1.0" in text
    assert 'status="compensating"} 1.0' in text


async def test_an_export_verifies_without_the_store(world: EngineWorld, tmp_path: Path) -> None:
    """While the engine runs: of everything, and of one commitment."""
    from engine.cli import run

    await to_the_gate(world)
    store = f"sqlite:///{tmp_path / 'troth.db'}"
    for name, wanted in (("all", []), ("one", ["partner-activation/acme"])):
        path = tmp_path / f"{name}.ndjson"
        assert run(["export", *wanted, "--store", store, "-o", str(path)]) == 0
        (found,) = read_export(path)
        report: Any = found.report
        assert report.sound
        assert report.events > 5
    assert run(["verify", "--store", store]) == 0
    assert run(["doctor", "--store", store]) == 0
