"""An example of the catalogue as its people use it: a real engine and the real participants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx

from examples.partner_activation.books import opened
from tests.integration.engine.world import EngineWorld, engine_world
from troth import App, AsyncClient, CurrentStep, Journal, Saga, Worker

WAIT_S = 30.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Desk:
    """Sends events, waits, decides, and reads what the participants really did."""

    engine: EngineWorld
    http: httpx.AsyncBaseTransport
    books: Path
    saga: Saga[Any, Any]
    key: str

    def client(self, key: str) -> AsyncClient:
        return AsyncClient("http://troth", self.engine.keys[key], http=self.http)

    async def send(self, kind: str, **data: Any) -> None:
        await self.client("producer").send(kind, data)

    async def step(self) -> CurrentStep:
        return await self.client("reader").step_of(self.saga, key=self.key)

    async def until(self, *wanted: str) -> CurrentStep:
        """Wait until a step that it is on, or its status, is one of these."""

        async def reached() -> CurrentStep | None:
            now = await self.step()
            return now if {now.status, *now.steps} & {*wanted} else None

        return await self._until(reached)

    async def until_done(self, *wanted: str) -> None:
        """Wait until these lines are in the books, and recorded."""

        async def happened() -> bool:
            return {*wanted} <= {*self.done()}

        await self._until(happened)

    async def asked(self, node: str) -> Any:
        """The open question of a node, by its path, once it is there."""

        async def found() -> Any:
            open_ = (await self.client("reader").inbox()).items
            return next((asked for asked in open_ if asked["node"] == node), None)

        return await self._until(found)

    async def _until(self, look: Callable[[], Awaitable[T | None]]) -> T:
        """Look again after every commit until something is found."""
        desk = self.engine.engine.desk
        async with asyncio.timeout(WAIT_S):
            while True:
                head = desk.lane.heads[0]
                if found := await look():
                    return found
                await desk.wait_position(0, head + 1, WAIT_S)

    async def decide(self, node: str, answer: Any, *people: str) -> None:
        for person in people:
            asked = await self.asked(node)
            await self.client(person).decide(
                asked["id"], answer, digest=asked["digest"], reason="read it"
            )

    async def update(self, name: str, **args: Any) -> Any:
        return await self.client("operator").update((await self.step()).id, name, args)

    def done(self) -> list[str]:
        """What happened, from the books: `grant ann`."""
        with opened(self.books) as books:
            return sorted(str(done) for done in books.done())


@asynccontextmanager
async def example_desk(folder: Path, app: App, key: str) -> AsyncIterator[Desk]:
    """An engine that knows the app's sagas, and a worker for its participants.

    `connect` must have been called; the books are `books.db` in the folder. The first saga of the
    app is the one that `until` looks at.
    """
    async with engine_world(folder) as engine:
        http = httpx.ASGITransport(app=engine.engine.app)
        journal = Journal.at(f"sqlite:///{folder / 'journal.db'}")
        worker = Worker(
            app, url="http://troth", api_key=engine.keys["participant"], http=http,
            journal=journal, claim_wait_s=0.2,
        )  # fmt: skip
        sagas: Sequence[Saga[Any, Any]] = app.sagas
        desk = Desk(engine, http, folder / "books.db", sagas[0], key)
        for saga in sagas:
            await desk.client("operator").register(saga)
        serving = asyncio.ensure_future(worker.serve())
        try:
            yield desk
        finally:
            worker.stop()
            await asyncio.wait_for(serving, WAIT_S)
