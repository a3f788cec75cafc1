"""A real engine in this process, and a client that speaks to it as each of its keys."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
from httpx2 import ASGITransport, AsyncClient, Response

from engine.compose import Engine, build_engine
from engine.dev import dev_keys
from engine.keys import KeyFile, add_key
from engine.settings import read_settings

Json = Any
PARTNER: Json = orjson.loads(
    (Path(__file__).parents[3] / "sagas/catalogue/partner_activation.v1.json").read_bytes()
)
CRM, REGISTRY = "crm", "registry"
CONTRACTS = {
    REGISTRY: ["registry/check-company@1", "registry/list-signers@1"],
    CRM: ["crm/create-account@1", "crm/create-account@1:undo", "crm/activate@1"],
}
RESULTS: dict[str, Json] = {
    "registry/check-company@1": {"name": "acme", "risk": 20},
    "registry/list-signers@1": ["ceo@acme.example"],
    "crm/create-account@1": {"account_id": "4711"},
    "crm/create-account@1:undo": None,
    "crm/activate@1": {"account_id": "4711"},
}

MORE_KEYS: dict[str, Json] = {
    "observer": {"roles": ["approver"], "seats": ["legal"], "actor_type": "observer_agent"},
    "foreign": {"roles": ["operator", "reader", "producer"], "tenant": "south"},
    "legal2": {"roles": ["approver"], "seats": ["legal", "function_head"]},
    "owner": {"roles": ["approver"], "seats": ["milestone-owner"]},
    "executive": {"roles": ["approver"], "seats": ["executive"]},
}


class EngineWorld:
    """`as_("producer")` and so on are those of `troth-engine dev`, in tenant north."""

    def __init__(self, engine: Engine, keys: dict[str, str]) -> None:
        self.engine = engine
        self.keys = keys
        transport = ASGITransport(app=engine.app, raise_app_exceptions=False)
        self.client = AsyncClient(transport=transport, base_url="http://troth")

    async def call(
        self, key: str, method: str, path: str, body: Json = None, **headers: str
    ) -> Response:
        sent = {"Authorization": f"Bearer {self.keys[key]}", **headers}
        content = None if body is None else orjson.dumps(body)
        if content is not None:
            sent.setdefault("Content-Type", "application/json")
        return await self.client.request(method, path, content=content, headers=sent)

    async def get(self, path: str, key: str = "reader") -> Json:
        answer = await self.call(key, "GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def register(self, document: Json = PARTNER) -> None:
        path = f"/v1/definitions/{document['saga']}/{document['version']}"
        answer = await self.call("operator", "PUT", path, document)
        assert answer.status_code in {200, 201}, answer.text

    async def publish(self, kind: str, data: Json, id: str, **attributes: Json) -> Response:
        event = {"specversion": "1.0", "source": "urn:test", "type": kind, "id": id, "data": data}
        body = {**event, **attributes}
        headers = {"Content-Type": "application/cloudevents+json"}
        return await self.call("producer", "POST", "/v1/events", body, **headers)

    async def claim(self, participant: str, *, start: bool = True) -> list[Json]:
        ask = {"worker": "w", "contracts": CONTRACTS[participant], "max": 10, "start": start}
        path = f"/v1/participants/{participant}/claims"
        answer = await self.call("participant", "POST", path, ask)
        return answer.json()["claims"] if answer.status_code == 200 else []

    async def reply(self, claim: Json, outcome: str = "done", **members: Json) -> Json:
        names = ("effect", "attempt", "token", "kind", "commitment")
        reply: Json = {name: claim[name] for name in names} | {"outcome": outcome, **members}
        if outcome == "done":
            reply.setdefault("result", RESULTS[claim["contract"]])
        participant = claim["contract"].partition("/")[0]
        answer = await self.call(
            "participant",
            "POST",
            f"/v1/participants/{participant}/replies",
            {"worker": "w", "replies": [reply]},
        )
        assert answer.status_code == 200, answer.text
        return answer.json()["results"][0]

    async def work(self) -> list[str]:
        """Do all there is to do; the contracts in the order they were done."""
        done: list[str] = []
        while claims := [*await self.claim(REGISTRY), *await self.claim(CRM)]:
            for claim in claims:
                if claim["started"] or await self.start(claim):
                    assert (await self.reply(claim))["status"] == "recorded"
                    done.append(claim["contract"])
        return done

    async def start(self, claim: Json) -> bool:
        participant = claim["contract"].partition("/")[0]
        body = {"worker": "w", "starts": [{"effect": claim["effect"], "token": claim["token"]}]}
        answer = await self.call(
            "participant", "POST", f"/v1/participants/{participant}/starts", body
        )
        return answer.json()["results"][0]["status"] == "started"

    async def step(self, key: str = "acme") -> Json:
        return await self.get(f"/v1/sagas/partner-activation/keys/{key}")

    async def decide(
        self, key: str, answer: str, digest: str | None = None, **more: Json
    ) -> Response:
        (asked,) = (await self.get("/v1/approvals?status=open"))["items"]
        match = {"If-Match": f'"{digest or asked["digest"]}"'}
        path = f"/v1/approvals/{asked['id']}/decision"
        return await self.call(key, "POST", path, {"answer": answer, **more}, **match)


@asynccontextmanager
async def engine_world(
    folder: Path, *, store_url: str = "", **options: Any
) -> AsyncIterator[EngineWorld]:
    """An engine on a store in `folder` or at a URL, stopped in order at the end."""
    hashes = folder / "keys.jsonl"
    has_more = hashes.exists()
    keys = dict(dev_keys(folder, "north"))
    for name, what in ({} if has_more else MORE_KEYS).items():
        given: Any = {"tenant": "north", **what}
        keys[name] = add_key(hashes, name=name, **given)[1]
    settings = read_settings({"store_url": store_url or f"sqlite:///{folder / 'troth.db'}"})
    engine = build_engine(settings, KeyFile(hashes), **options)
    await engine.start()
    engine.serving()
    world = EngineWorld(engine, keys)
    try:
        yield world
    finally:
        engine.app.state.edge.draining.set()
        await world.client.aclose()
        await engine.stop()
