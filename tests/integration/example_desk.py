"""An example of the catalogue as its people use it: a real engine and the real participants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import httpx

from examples.partner_activation.books import opened
from tests.integration.engine.world import EngineWorld, engine_world
from troth import App, AsyncClient, CurrentStep, EngineError, Journal, Saga, Worker

WAIT_S = 30.0
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
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

    def about(self, saga: Saga[Any, Any], key: str) -> Desk:
        """The same desk, looking at another commitment."""
        return replace(self, saga=saga, key=key)

    async def send(self, kind: str, /, *, at_day: int | None = None, **data: Any) -> None:
        """Send an event; `at_day` is its time, for an engine whose clock the events drive."""
        time = None if at_day is None else BEGIN + timedelta(days=at_day)
        await self.client("producer").send(kind, data, time=time)

    async def step(self) -> CurrentStep:
        return await self.client("reader").step_of(self.saga, key=self.key)

    async def until(self, *wanted: str) -> CurrentStep:
        """Wait until it is there, and a step that it is on, or its status, is one of these."""

        async def reached() -> CurrentStep | None:
            try:
                now = await self.step()
            except EngineError as error:
                if error.status != HTTPStatus.NOT_FOUND:
                    raise
                return None
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
async def example_desk(
    folder: Path, app: App, saga: Saga[Any, Any], key: str, *, event_clock: bool = False
) -> AsyncIterator[Desk]:
    """An engine that knows the app's sagas, and a worker for its participants.

    `connect` must have been called; the books are `books.db` in the folder. `until` looks at the
    commitment of `saga` with that key.
    """
    async with engine_world(folder, event_clock=event_clock) as engine:
        http = httpx.ASGITransport(app=engine.engine.app)
        journal = Journal.at(f"sqlite:///{folder / 'journal.db'}")
        worker = Worker(
            app, url="http://troth", api_key=engine.keys["participant"], http=http,
            journal=journal, claim_wait_s=0.2,
        )  # fmt: skip
        desk = Desk(engine, http, folder / "books.db", saga, key)
        for found in app.sagas:
            await desk.client("operator").register(found)
        serving = asyncio.ensure_future(worker.serve())
        try:
            yield desk
        finally:
            worker.stop()
            await asyncio.wait_for(serving, WAIT_S)
