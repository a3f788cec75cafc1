"""The signature of the catalogue, with its example participants and the real engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from examples.signature.systems import archive, drafts, esign
from sagas.catalogue.signature import app, connect, signature
from tests.integration.example_desk import Desk, example_desk

REQUEST = {"contract": "c-1", "terms": "as agreed", "signers": ["ann", "bob"]}
SENT, OURS = "send-envelope c-1", "countersign env-doc-c-1-2"


@asynccontextmanager
async def story(folder: Path, lost_once: frozenset[str]) -> AsyncIterator[Desk]:
    """An engine, the example's participants, and a request that waits for legal."""
    books = folder / "books.db"
    connect(drafts, esign(books, lost_once), archive(books))
    async with example_desk(folder, app, signature, "c-1") as desk:
        await desk.send("signature.requested", **REQUEST)
        await desk.until("legal")
        yield desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with story(tmp_path, frozenset()) as made:
        yield made


async def test_all_sign_then_we_do_and_it_is_filed(desk: Desk) -> None:
    """Each signer in any order; our own signature only after a second decision."""
    assert desk.done() == []
    await desk.decide("legal", "approve", "function_head", "legal")
    await desk.send("envelope.signed", contract="c-1", signer="bob")
    await desk.send("envelope.signed", contract="c-1", signer="ann")
    await desk.until("release")
    assert desk.done() == [SENT]
    await desk.decide("release", "approve", "legal", "function_head")
    ended = await desk.until("fulfilled")
    assert desk.done() == [OURS, "file env-doc-c-1-2", SENT]
    assert ended.result == {"archive_id": "file-sig-env-doc-c-1-2"}


async def test_who_declines_voids_the_envelope(desk: Desk) -> None:
    await desk.decide("legal", "approve", "function_head", "legal")
    await desk.send("envelope.declined", contract="c-1", signer="bob", reason="too dear")
    ended = await desk.until("compensated")
    assert ended.error is not None
    assert ended.error["code"] == "declined"
    assert desk.done() == [SENT, "void-envelope env-doc-c-1-2"]


async def test_a_lost_reply_of_our_signature_is_looked_up_and_not_signed_again(
    tmp_path: Path,
) -> None:
    """Nobody may sign twice because an answer got lost."""
    async with story(tmp_path, frozenset({"countersign"})) as desk:
        await desk.decide("legal", "approve", "function_head", "legal")
        await desk.send("envelope.signed", contract="c-1", signer="ann")
        await desk.send("envelope.signed", contract="c-1", signer="bob")
        await desk.until("release")
        await desk.decide("release", "approve", "legal", "function_head")
        ended = await desk.until("fulfilled")
        history = await desk.client("reader").history(ended.id)
        assert {"effect.unknown.v1", "effect.probed.v1"} <= {e.type for e in history.events}
        assert desk.done() == [OURS, "file env-doc-c-1-2", SENT]
