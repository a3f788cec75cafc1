"""Who may ask what: every route, every role."""

import re
from typing import Any

import pytest

from api.app import build_app
from api.roles import ROLE_NAMES, ROLES
from tests.integration.api.fakes import COMMITMENT, EFFECT, FakeDesk, FakeKeys, FakeReader, World

VALUES = {
    "name": "extend",
    "id": str(COMMITMENT), "saga": "partner-activation", "version": "1", "key": "acme",
    "participant": "crm", "effect": EFFECT, "number": "7",
}  # fmt: skip
ROUTES = sorted(ROLES)


def address(path: str) -> str:
    return re.sub(r"\{(\w+)(?::path)?\}", lambda found: VALUES[found[1]], path)


def test_every_route_is_in_the_table_of_roles_and_every_row_is_a_route() -> None:
    """A route that is not in the table would be open to nobody; a row too many is a mistake."""
    desk = FakeDesk()
    paths: dict[str, Any] = build_app(desk, FakeReader(desk), FakeKeys()).openapi()["paths"]
    routes = {
        (method.upper(), path)
        for path, methods in paths.items()
        for method in methods
        if path.startswith("/v1")
    }
    assert routes == {(method, path.replace(":path", "")) for method, path in ROLES}


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_no_route_answers_without_a_key(world: World, method: str, path: str) -> None:
    """401 says which header is wanted."""
    async with world.as_(None) as client:
        answer = await client.request(method, address(path))
    assert (answer.status_code, answer.json()["code"]) == (401, "TR401")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert world.desk.asked == []


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_a_key_of_every_other_role_is_refused(world: World, method: str, path: str) -> None:
    """403 names the roles that are wanted; nothing was asked of the engine."""
    for role in set(ROLE_NAMES) - ROLES[method, path]:
        async with world.as_(role) as client:
            answer = await client.request(method, address(path))
        assert (answer.status_code, answer.json()["code"]) == (403, "TR403"), role
        assert all(wanted in answer.json()["detail"] for wanted in ROLES[method, path])
    assert world.desk.asked == []


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_a_key_of_a_named_role_passes(world: World, method: str, path: str) -> None:
    """What is refused then is the body, not the key."""
    world.reader.events = [{"version": 1, "type": "commitment.ended.v1"}]
    for role in ROLES[method, path]:
        async with world.as_(role) as client:
            answer = await client.request(method, address(path), params={"timeout_s": 0})
        assert answer.status_code not in {401, 403}, answer.text


@pytest.mark.parametrize("text", ["nobody", "", "a" * 300, "PRODUCER"])
async def test_an_unknown_key_is_refused(world: World, text: str) -> None:
    """TR402, or TR401 when there is no text at all."""
    async with world.as_(None) as client:
        headers = {"Authorization": f"Bearer {text}"}
        answer = await client.get("/v1/counts", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "TR402" if text else "TR401")


async def test_another_scheme_is_no_key(world: World) -> None:
    async with world.as_(None) as client:
        answer = await client.get("/v1/counts", headers={"Authorization": "Basic cHI6b2Q="})
    assert answer.json()["code"] == "TR401"


PATHS_OF_ONE = [
    ("GET", f"/v1/commitments/{COMMITMENT}", "reader"),
    ("GET", f"/v1/commitments/{COMMITMENT}/history", "reader"),
    ("GET", f"/v1/commitments/{COMMITMENT}/stream", "reader"),
    ("GET", "/v1/sagas/partner-activation/keys/acme", "reader"),
    ("GET", "/v1/sagas/partner-activation/keys/acme/history", "reader"),
    ("GET", "/v1/sagas/partner-activation/keys/acme/stream", "reader"),
    ("GET", "/v1/approvals/a17", "reader"),
    ("GET", "/v1/dead-letters/7", "reader"),
    ("POST", f"/v1/commitments/{COMMITMENT}/controls", "operator"),
    ("POST", "/v1/approvals/a17/decision", "approver"),
    ("POST", "/v1/dead-letters/7/redrive", "operator"),
    ("POST", "/v1/dead-letters/7/discard", "operator"),
]
BODIES: dict[str, Any] = {
    "controls": {"action": "cancel", "reason": "x"},
    "decision": {"answer": "approve"},
    "redrive": {"reason": "x"},
    "discard": {"reason": "x"},
}


@pytest.mark.parametrize(("method", "path", "role"), PATHS_OF_ONE)
async def test_another_tenants_things_are_not_there(
    world: World, method: str, path: str, role: str
) -> None:
    """404, as for what never was: nobody learns that it exists."""
    async with world.as_(f"{role}@south") as client:
        answer = await client.request(
            method,
            path,
            json=BODIES.get(path.rpartition("/")[2]),
            headers={"If-Match": f'"{"7c" * 32}"'},
        )
    assert (answer.status_code, answer.json()["code"]) == (404, "TR404"), answer.text
    assert world.desk.asked == []


@pytest.mark.parametrize("path", ["commitments", "approvals", "debts", "parked", "dead-letters"])
async def test_lists_are_those_of_the_keys_tenant(world: World, path: str) -> None:
    async with world.as_("reader@south") as client:
        assert (await client.get(f"/v1/{path}")).status_code == 200
    assert world.reader.asked[0][1]["tenant"] == "south"


async def test_a_key_of_all_tenants_names_one(world: World) -> None:
    """With Troth-Tenant it sees that tenant's things; without it the request is refused."""
    async with world.as_("reader@*") as client:
        path = f"/v1/commitments/{COMMITMENT}"
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (422, "TR405")
        assert (await client.get(path, headers={"Troth-Tenant": "north"})).status_code == 200
        assert (await client.get(path, headers={"Troth-Tenant": "south"})).status_code == 404
        assert (await client.get(path, headers={"Troth-Tenant": "*"})).status_code == 422


async def test_a_key_of_one_tenant_cannot_name_another(world: World) -> None:
    async with world.as_("reader@south") as client:
        answer = await client.get("/v1/counts", headers={"Troth-Tenant": "north"})
    assert (answer.status_code, answer.json()["code"]) == (403, "TR305")


async def test_who_asked_goes_to_the_engine_with_name_seats_and_trace(world: World) -> None:
    """The audit trail shows the key's name; the W3C trace goes on, or a new one begins."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    world.answer("ControlRequest", {"status": "paused"})
    async with world.as_("operator") as client:
        for sent in (trace, "nonsense"):
            await client.post(
                f"/v1/commitments/{COMMITMENT}/controls",
                json={"action": "pause", "reason": "x"},
                headers={"traceparent": sent},
            )
    first, second = (request.asked for request in world.desk.asked)
    assert (first.tenant, first.actor, first.actor_type) == ("north", "operator", "human")
    assert first.trace == trace
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", second.trace)
