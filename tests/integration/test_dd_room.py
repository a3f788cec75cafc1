"""The due-diligence room of the catalogue, with its example participants and the real engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from examples.dd_room.systems import archive, rooms
from sagas.catalogue.dd_room import app, connect, dd_room
from tests.integration.example_desk import Desk, example_desk
from troth import EngineError

PARTIES = [
    {"person": name, "email": f"{name}@buyer.example", "group": "finance"}
    for name in ("ann", "bob", "cem")
]
DOCUMENTS = [{"document_id": name, "path": f"/seller/{name}"} for name in ("accounts", "leases")]
BEFORE = ["create-room d-1", "load accounts", "load leases"]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A room that waits for the board; the first reply to its opening will be lost."""
    books = tmp_path / "books.db"
    connect(rooms(books, frozenset({"open"})), archive(books))
    async with example_desk(tmp_path, app, dd_room, "d-1") as made:
        await made.send("room.requested", deal="d-1", documents=DOCUMENTS, parties=PARTIES[:2])
        await made.until("board")
        yield made


async def let_in(desk: Desk, person: str) -> None:
    at = f"diligence/parties[{person}]/entry/asked"
    await desk.decide(f"{at}/admit", "approve", "legal", "function_head")
    await desk.until(f"{at}/until_closed")


async def test_people_come_and_go_and_nobody_has_access_when_it_is_closed(desk: Desk) -> None:
    assert desk.done() == BEFORE
    await desk.decide("board", "approve", "executive")
    await let_in(desk, "ann")
    await desk.update("invite", party=PARTIES[2])
    await let_in(desk, "cem")
    with pytest.raises(EngineError, match="TR462"):
        await desk.update("dismiss", person="dan")
    await desk.update("dismiss", person="ann")
    await desk.until_done("revoke ann")
    await desk.send("room.access-reported", deal="d-1", day="2026-11-23", person="cem", documents=3)
    await desk.until_done("log cem")
    await desk.update("close", reason="signed")
    ended = await desk.until("fulfilled")
    assert ended.result == {"archive_id": "room-d-1: ann, cem", "admitted": ["ann", "cem"]}
    assert desk.done() == sorted([
        *BEFORE, "open room-d-1", "grant ann", "grant cem", "log cem", "revoke ann", "revoke cem",
        "close open-room-d-1", "file room-d-1",
    ])  # fmt: skip


async def test_without_the_board_nothing_of_it_stays(desk: Desk) -> None:
    await desk.decide("board", "reject", "executive")
    ended = await desk.until("compensated")
    assert ended.error is not None
    assert ended.error["class"] == "rejected"
    undone = ["unload accounts", "unload leases", "delete-room room-d-1"]
    assert desk.done() == sorted([*BEFORE, *undone])
