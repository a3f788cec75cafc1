"""The signature of the catalogue, with its example participants and the real engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from examples.partner_activation.books import opened
from examples.signature.systems import archive, drafts, esign
from sagas.catalogue.signature import app, connect, signature
from tests.integration.engine.world import EngineWorld, engine_world
from troth import AsyncClient, CurrentStep, Journal, Worker

WAIT_S = 30.0
REQUEST = {"contract": "c-1", "terms": "as agreed", "signers": ["ann", "bob"]}


@dataclass(frozen=True, slots=True)
class Desk:
    """The engine as the people of this story use it."""

    engine: EngineWorld
    http: httpx.AsyncBaseTransport
    books: Path

    def client(self, key: str) -> AsyncClient:
        return AsyncClient("http://troth", self.engine.keys[key], http=self.http)

    async def send(self, kind: str, **data: Any) -> None:
        await self.client("producer").send(kind, data)

    async def until(self, *wanted: str) -> CurrentStep:
        """Wait until the commitment's step or status is one of these."""
        desk = self.engine.engine.desk
        async with asyncio.timeout(WAIT_S):
            while True:
                head = desk.lane.heads[0]
                now = await self.client("reader").step_of(signature, key="c-1")
                if now.step in wanted or now.status in wanted:
                    return now
                await desk.wait_position(0, head + 1, WAIT_S)

    async def decide(self, answer: Any, *people: str) -> None:
        for person in people:
            [asked] = (await self.client(person).inbox()).items
            await self.client(person).decide(
                asked["id"], answer, digest=asked["digest"], reason="read it"
            )

    def done(self) -> list[str]:
        with opened(self.books) as books:
            return sorted(done.kind for done in books.done())


@asynccontextmanager
async def story(folder: Path, lost_once: frozenset[str]) -> AsyncIterator[Desk]:
    """An engine, the example's participants, and a request that waits for legal."""
    books = folder / "books.db"
    connect(drafts, esign(books, lost_once), archive(books))
    async with engine_world(folder) as engine:
        http = httpx.ASGITransport(app=engine.engine.app)
        journal = Journal.at(f"sqlite:///{folder / 'journal.db'}")
        worker = Worker(
            app, url="http://troth", api_key=engine.keys["participant"], http=http,
            journal=journal, claim_wait_s=0.2,
        )  # fmt: skip
        desk = Desk(engine, http, books)
        await desk.client("operator").register(signature)
        serving = asyncio.ensure_future(worker.serve())
        try:
            await desk.send("signature.requested", **REQUEST)
            await desk.until("legal")
            yield desk
        finally:
            worker.stop()
            await asyncio.wait_for(serving, WAIT_S)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with story(tmp_path, frozenset()) as made:
        yield made


async def test_all_sign_then_we_do_and_it_is_filed(desk: Desk) -> None:
    """Each signer in any order; our own signature only after a second decision."""
    assert desk.done() == []
    await desk.decide("approve", "function_head", "legal")
    await desk.send("envelope.signed", contract="c-1", signer="bob")
    await desk.send("envelope.signed", contract="c-1", signer="ann")
    await desk.until("release")
    assert desk.done() == ["send-envelope"]
    await desk.decide("approve", "legal", "function_head")
    ended = await desk.until("fulfilled")
    assert desk.done() == ["countersign", "file", "send-envelope"]
    assert ended.result == {"archive_id": "file-sig-env-doc-c-1-2"}


async def test_who_declines_voids_the_envelope(desk: Desk) -> None:
    await desk.decide("approve", "function_head", "legal")
    await desk.send("envelope.declined", contract="c-1", signer="bob", reason="too dear")
    ended = await desk.until("compensated")
    assert ended.error is not None
    assert ended.error["code"] == "declined"
    assert desk.done() == ["send-envelope", "void-envelope"]


async def test_a_lost_reply_of_our_signature_is_looked_up_and_not_signed_again(
    tmp_path: Path,
) -> None:
    """Nobody may sign twice because an answer got lost."""
    async with story(tmp_path, frozenset({"countersign"})) as desk:
        await desk.decide("approve", "function_head", "legal")
        await desk.send("envelope.signed", contract="c-1", signer="ann")
        await desk.send("envelope.signed", contract="c-1", signer="bob")
        await desk.until("release")
        await desk.decide("approve", "legal", "function_head")
        ended = await desk.until("fulfilled")
        history = await desk.client("reader").history(ended.id)
        assert {"effect.unknown.v1", "effect.probed.v1"} <= {e.type for e in history.events}
        assert desk.done() == ["countersign", "file", "send-envelope"]
