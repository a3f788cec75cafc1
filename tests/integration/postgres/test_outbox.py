"""What the relay reads of a real PostgreSQL, and its cursors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import psycopg
import pytest

from adapters.postgres import migrate
from adapters.postgres.outbox import PostgresOutbox
from adapters.postgres.states import pack
from domain.outbox import Relayed
from domain.ports import StoreFailed
from tools.servers import free_port

STREAM = UUID(int=7)
EFFECT = "ab" * 32
STATE = b'{"node":"%s"}' % (b"a" * 200)
"""Long enough to be stored packed."""


class World:
    """A database with rows of the log, and the outbox that reads it."""

    def __init__(self, url: str) -> None:
        self.outbox = PostgresOutbox(url)
        self.url = url

    def change(self, query: str, *values: Any) -> None:
        with psycopg.connect(self.url) as db:
            db.execute(query.encode(), values)

    def event(self, lane: int, position: int, topic: str = "node.done") -> None:
        query = "INSERT INTO events (lane, position, stream, version, topic, prev, state)"
        self.change(
            f"{query} VALUES (%s, %s, %s, %s, %s, %s, %s)",
            lane, position, UUID(int=lane), position, topic, bytes(32), pack(STATE),
        )  # fmt: skip

    def dispatch(self, effect: str, position: int, **columns: Any) -> None:
        row = {
            "position": position, "offered_us": 0, "timeout_us": 1, "lane": 1, "attempt": 1,
            "reservation": 0, "stream": STREAM, "needs_start": False, "cancelled": False,
            "effect": bytes.fromhex(effect), "state": "offered", "kind": "do", "tenant": "north",
            "participant": "crm", "contract": "crm/create@1", "body": b'{"attempt": 1}', **columns,
        }  # fmt: skip
        marks = ", ".join(["%s"] * len(row))
        query = f"INSERT INTO dispatches ({', '.join(row)}) VALUES ({marks})"
        self.change(query, *row.values())


@pytest.fixture
async def world(fresh_database: str) -> AsyncIterator[World]:
    migrate(fresh_database, 4)
    world = World(fresh_database)
    yield world
    await world.outbox.close()


async def test_each_lane_is_read_in_order_behind_its_cursor(world: World) -> None:
    """Bounded for each lane; of streams that are no commitment only the place is read."""
    for lane in (0, 1):
        for position in (1, 2, 3):
            world.event(lane, position, "key.event_kept" if position == 2 else "node.done")
    rows = await world.outbox.read({0: 1, 1: 0, 2: 0}, 2)
    assert [(r.lane, r.position, r.state) for r in rows] == [
        (0, 2, None), (0, 3, STATE), (1, 1, STATE), (1, 2, None),
    ]  # fmt: skip
    assert rows[1].stream == UUID(int=0)


async def test_a_cursor_only_goes_forward(world: World) -> None:
    """A paused owner that wakes cannot move it back."""
    long = 2**33
    await world.outbox.passed({0: 5, 1: 2})
    await world.outbox.passed({0: 3, 1: long})
    assert await world.outbox.positions([0, 1, 2]) == {0: 5, 1: long}
    assert await world.outbox.read({1: long}, 2) == []
    await world.outbox.letters_passed(9)
    assert await world.outbox.letters_position() == 9


async def test_offers_are_those_that_still_wait(world: World) -> None:
    world.dispatch(EFFECT, 7)
    world.dispatch("cd" * 32, 8, state="started", worker="w", lease_until_us=1, ends_us=1)
    world.dispatch("ef" * 32, 9, cancelled=True)
    (offer,) = await world.outbox.offers([EFFECT, "cd" * 32, "ef" * 32])
    assert (offer.effect, offer.lane, offer.position, offer.body) == (EFFECT, 1, 7, {"attempt": 1})


async def test_a_pushed_attempt_is_due_again_with_doubling_pauses(world: World) -> None:
    """First after the first pause, then after as long as it has been offered, up to the cap."""
    world.dispatch(EFFECT, 7)
    second = 1_000_000

    async def is_due(now_us: int) -> bool:
        return bool(await world.outbox.unanswered(Relayed([1], now_us, 10, 60), 5))

    assert not await is_due(99 * second)
    world.dispatch("cd" * 32, 8, state="reserved", worker="w", reservation=1, lease_until_us=1)
    assert await world.outbox.pushed([EFFECT, "cd" * 32], 1 * second) == {EFFECT}
    assert not await is_due(10 * second)
    assert await is_due(11 * second)
    await world.outbox.pushed([EFFECT], 30 * second)
    assert not await is_due(59 * second)
    assert await is_due(60 * second)
    await world.outbox.pushed([EFFECT], 500 * second)
    assert await is_due(560 * second)
    assert not await world.outbox.unanswered(Relayed([2], 999 * second, 10, 60), 5)


async def test_letters_come_by_id_without_those_that_were_sent(world: World) -> None:
    for id in (1, 2, 4):
        world.change(
            "INSERT INTO dead_letters (id, at_us, seen, tenant, source, event_id, code, detail,"
            " status, raw) VALUES (%s, 5, 1, 'north', 'urn:shop', 'e', 'event.json', 'broken',"
            " 'open', %s)",
            id, b"\xff",
        )  # fmt: skip
    found = await world.outbox.letters(1, [2], 10)
    assert [(letter.id, letter.code, letter.raw) for letter in found] == [
        (4, "event.json", b"\xff")
    ]


async def test_a_database_that_is_gone_is_told() -> None:
    outbox = PostgresOutbox(f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    with pytest.raises(StoreFailed) as failed:
        await outbox.positions([0])
    assert failed.value.alias == "store.gone"
    await outbox.close()
