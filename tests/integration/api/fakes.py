"""An engine that answers what a test says, and remembers what it was asked."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any
from uuid import UUID

from httpx2 import ASGITransport, AsyncClient

from api.app import build_app
from api.key import Key
from api.limits import Limits
from api.roles import ROLE_NAMES
from domain.requests import Request

Json = Any
COMMITMENT = UUID("5b1c9e07-1111-8222-8333-444455556666")
EFFECT = "9f" * 32
DIGEST = "7c" * 32
CURRENT: Json = {
    "id": str(COMMITMENT), "saga": "partner-activation", "tenant": "north", "key": "acme", "run": 1,
    "status": "waiting", "step": "partner_signed", "version": 14, "position": "1:0:41",
}  # fmt: skip
EVENT: Json = {
    "specversion": "1.0", "id": "01J9ZK", "source": "urn:example:crm", "type": "partner.signed",
    "data": {"company": "acme"},
}  # fmt: skip
REPLY: Json = {
    "effect": EFFECT, "attempt": 1, "token": "1.0.18846.1", "kind": "do",
    "commitment": str(COMMITMENT), "outcome": "done", "result": {"account_id": "4711"},
}  # fmt: skip


class FakeDesk:
    """`answers` holds, by kind of request, a value, an exception to raise, or a function."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.answers: dict[str, Any] = {}
        self.head = 41
        self.ready = True
        self.moved = asyncio.Event()
        self.submitting = asyncio.Event()

    async def submit(self, request: Request) -> Json:
        self.asked.append(request)
        self.submitting.set()
        said = self.answers.get(type(request).__name__, {})
        if callable(said):
            said = said(request)
        if asyncio.iscoroutine(said):
            said = await said
        if isinstance(said, Exception):
            raise said
        return said

    async def submit_all(self, requests: Sequence[Request]) -> list[Json]:
        found = [self.submit(request) for request in requests]
        return await asyncio.gather(*found, return_exceptions=True)

    async def wait_position(self, lane: int, position: int, timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                while self.head < position:
                    self.moved.clear()
                    await self.moved.wait()
        except TimeoutError:
            return False
        return True

    def move(self, head: int) -> None:
        self.head = head
        self.moved.set()

    def state(self) -> Json:
        told = {} if self.ready else {"reason": "the clock jumped"}
        place = {"position": self.position(), "incarnation": 1, "lag": 0}
        lanes = [{"lane": 0, "head": self.head}]
        return {"ready": self.ready, "lanes": lanes, **place, **told}

    def position(self) -> str:
        return f"1:0:{self.head}"


class FakeReader:
    """Everything belongs to tenant north; another tenant's things are not there."""

    is_quick = True

    def __init__(self, desk: FakeDesk) -> None:
        self._desk = desk
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.events: list[Json] = []
        self.applied_ids: set[str] = set()
        self.current: Json = CURRENT
        raw = '{"specversion":"1.0","id":"a","source":"urn:x","type":"partner.signed","data":{}}'
        self.letter: Json = {"id": 7, "code": "event.schema", "raw": raw}

    def position(self) -> str:
        return f"1:0:{self._desk.head}"

    def commitment(self, tenant: str, commitment: UUID) -> Json | None:
        return self.current if (tenant, commitment) == ("north", COMMITMENT) else None

    def by_key(self, tenant: str, saga: str, key: str, run: int | None) -> Json | None:
        found = (tenant, saga, key) == ("north", "partner-activation", "acme") and run in {None, 1}
        return self.current if found else None

    def search(self, tenant: str, **filters: Any) -> Json:
        return self._page("search", tenant, filters)

    def counts(self, tenant: str, saga: str | None) -> Json:
        self.asked.append(("counts", {"tenant": tenant, "saga": saga}))
        return {"status": {"waiting": 1}, "steps": {"partner_signed": 1}}

    def history(self, tenant: str, commitment: UUID, *, after: int, limit: int) -> Json | None:
        if self.commitment(tenant, commitment) is None:
            return None
        found = [event for event in self.events if event["version"] > after][:limit]
        more = bool(found) and found[-1]["version"] < self.events[-1]["version"]
        return {"events": found, "next": found[-1]["version"] if more else None}

    def approvals(self, tenant: str, **filters: Any) -> Json:
        return self._page("approvals", tenant, filters)

    def approval(self, tenant: str, approval: str) -> Json | None:
        if (tenant, approval) != ("north", "a17"):
            return None
        return {"id": "a17", "commitment": str(COMMITMENT), "digest": DIGEST, "status": "open"}

    def tasks(self, tenant: str, **filters: Any) -> Json:
        return self._page("tasks", tenant, filters)

    def task(self, tenant: str, task: str) -> Json | None:
        if (tenant, task) != ("north", "t17"):
            return None
        return {"id": "t17", "commitment": str(COMMITMENT), "status": "open"}

    def debts(self, tenant: str, **filters: Any) -> Json:
        return self._page("debts", tenant, filters)

    def parked(self, tenant: str, **filters: Any) -> Json:
        return self._page("parked", tenant, filters)

    def parked_streams(self, tenant: str, **filters: Any) -> Json:
        return self._page("parked_streams", tenant, filters)

    def parked_stream(self, tenant: str, stream: UUID) -> Json | None:
        return {"stream": str(stream)} if (tenant, stream) == ("north", COMMITMENT) else None

    def dead_letters(self, tenant: str, **filters: Any) -> Json:
        return self._page("dead_letters", tenant, filters)

    def dead_letter(self, tenant: str, number: int) -> Json | None:
        return self.letter if (tenant, number) == ("north", 7) else None

    def definition(self, saga: str, version: int | None) -> Json | None:
        if saga != "partner-activation" or version not in {None, 1}:
            return None
        return {"hash": DIGEST, "document": {"saga": saga, "version": 1}}

    def definitions(self) -> Json:
        return {"items": [{"saga": "partner-activation", "version": 1}], "next": None}

    def facts(self, tenant: str, **filters: Any) -> Json:
        return self._page("facts", tenant, filters)

    def applied(self, tenant: str, event_id: str) -> bool | None:
        return (tenant == "north" and event_id in self.applied_ids) or None

    def _page(self, what: str, tenant: str, filters: dict[str, Any]) -> Json:
        self.asked.append((what, {"tenant": tenant, **filters}))
        return {"items": [], "next": None}


class FakeKeys:
    """The text of a key says what it is: `role`, `role@tenant`, `role+seat`."""

    def __init__(self) -> None:
        self._keys: dict[str, Key] = {}
        for tenant in ("north", "south", "*"):
            for role in ROLE_NAMES:
                self._add(role if tenant == "north" else f"{role}@{tenant}", role, tenant)
        self._add("approver+legal", "approver", "north", ("legal",))
        self._add("observer", "approver", "north", ("legal",), "observer_agent")

    def _add(
        self, text: str, role: str, tenant: str, seats: tuple[str, ...] = (), actor: str = "human"
    ) -> None:
        digest = sha256(text.encode()).hexdigest()
        self._keys[digest] = Key("k1", text, digest, (role,), tenant, actor, seats)

    def find(self, digest: str) -> Key | None:
        return self._keys.get(digest)


class World:
    """An application with its fakes, and clients by key."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.desk = FakeDesk()
        self.reader = FakeReader(self.desk)
        self.app = build_app(self.desk, self.reader, FakeKeys(), limits)
        self.edge = self.app.state.edge

    def as_(self, key: str | None) -> AsyncClient:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        transport = ASGITransport(app=self.app)
        return AsyncClient(transport=transport, base_url="http://troth", headers=headers)

    def answer(self, kind: str, said: Any) -> None:
        self.desk.answers[kind] = said


@contextmanager
def counted(of: Callable[[], int]) -> Iterator[list[int]]:
    """How much a number grew inside the block."""
    before, grown = of(), list[int]()
    yield grown
    grown.append(of() - before)
