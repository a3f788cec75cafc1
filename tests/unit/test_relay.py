"""The relay: in order, behind what was acknowledged, again with the same bytes after a failure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson

from consumers.publishing import Publishing, Topics
from consumers.relay import Relay, RelayLimits
from domain.outbox import Letter, Offer, Row
from tests.unit.bus_fakes import MemoryOutbox, MemorySink, stream
from tests.waiting import eventually

WAIT_S = 20.0
QUICK = RelayLimits(idle_s=0.001, again_every_s=0.0, letters_every_s=0.0, retry_first_s=0.001,
                    retry_cap_s=0.002)  # fmt: skip
TOPICS = Topics("t.facts", "t.commands.", "t.replies", "t.dead-letters")
PUBLISHING = Publishing(TOPICS, "urn:troth", "store", 3, ("crm", "bank"), ("crm",))
CTX = {"tenant": "north", "actor": "shop", "actor_type": "executor_system"}
STAMP = "2026-11-23T09:00:00.000000Z"
EFFECT = "cd" * 32


def row(lane: int, position: int, topic: str = "commitment.paused", **state: Any) -> Row:
    body = {"ctx": CTX, "timestamp": STAMP, **state}
    return Row(lane, position, stream(lane), position, topic, orjson.dumps(body))


def intended(lane: int, position: int) -> Row:
    return row(lane, position, "effect.intended", effect=EFFECT, node="n", kind="do",
               contract="crm/create@1", attempt=1)  # fmt: skip


def offer(lane: int, position: int, participant: str = "crm", needs_start: bool = False) -> Offer:
    body = {"effect": EFFECT, "attempt": 1, "kind": "do", "args": {"card": "4711"}}
    return Offer(lane, position, EFFECT, stream(lane), participant, f"{participant}/create@1",
                 needs_start, body)  # fmt: skip


class World:
    """A relay of some lanes with its outbox and sink."""

    def __init__(self, *lanes: int) -> None:
        self.now_us = 1_000_000
        self.lanes = lanes
        self.outbox = MemoryOutbox()
        self.sink = MemorySink(self.outbox.steps)
        self.relay = Relay(
            self.outbox, self.sink, PUBLISHING, lambda: self.lanes, now_us=lambda: self.now_us,
            limits=QUICK,
        )  # fmt: skip

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.relay.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def until(self, true: Callable[[], bool]) -> None:
        await eventually(true, within_s=WAIT_S, look_s=0.001)

    def facts(self) -> list[str]:
        found = [orjson.loads(m.value) for m in self.sink.sent if m.topic == TOPICS.facts]
        return [f"{fact['lane']}:{fact['position']}" for fact in found]


async def test_the_log_is_published_in_order_behind_the_cursor() -> None:
    world = World(0, 1)
    world.outbox.cursors = {0: 1}
    world.outbox.rows = [row(0, 1), row(0, 2), row(0, 3), row(1, 1), row(2, 1)]
    async with world.running():
        await world.until(lambda: world.outbox.cursors == {0: 3, 1: 1})
    assert sorted(world.facts()) == ["0:2", "0:3", "1:1"]
    assert world.sink.sent[0].key == str(stream(0)).encode()
    assert world.relay.lag({0: 5, 1: 1}) == {0: 2, 1: 0}


async def test_the_cursor_never_passes_what_was_not_acknowledged() -> None:
    """Two of three arrive, the middle one not: the cursor stays before it, then all repeats."""
    world = World(0, 1)
    world.outbox.rows = [row(0, n) for n in (1, 2, 3)] + [row(1, 1)]
    seen: list[dict[int, int]] = []
    fails = [b'"position":"2"']

    def refuse(message: Any) -> str | None:
        seen.append(dict(world.outbox.cursors))
        return "the broker is gone" if fails and fails[0] in message.value else None

    world.sink.refuse = refuse
    async with world.running():
        await world.until(lambda: world.relay.failures >= 3)
        assert world.outbox.cursors == {0: 1, 1: 1}
        assert world.relay.state()["reason"] == "the broker is gone"
        assert world.sink.discarded
        fails.clear()
        await world.until(lambda: world.outbox.cursors == {0: 3, 1: 1})
    assert world.facts()[-2:] == ["0:2", "0:3"]
    repeats = [m.value for m in world.sink.tried if b'"position":"3"' in m.value]
    assert len(repeats) > 1
    assert len(set(repeats)) == 1


async def test_after_a_crash_the_same_bytes_come_again() -> None:
    """Acknowledged, but the process died before its cursor moved: equal ids, equal bytes."""
    first, second = World(0), World(0)
    for world in (first, second):
        world.outbox.rows = [intended(0, 1), row(0, 2)]
        world.outbox.offered = [offer(0, 1)]
        async with world.running():
            await world.until(lambda world=world: world.outbox.cursors == {0: 2})
    assert [(m.topic, m.key, m.value) for m in first.sink.sent] == [
        (m.topic, m.key, m.value) for m in second.sink.sent
    ]


async def test_a_command_is_pushed_only_with_a_shared_journal() -> None:
    """Marked before it is published, with all that the worker needs; others get a doorbell."""
    world = World(0)
    world.outbox.rows = [intended(0, 7)]
    world.outbox.offered = [offer(0, 7)]
    async with world.running():
        await world.until(lambda: world.outbox.cursors == {0: 7})
    steps = world.outbox.steps
    assert steps.index("marked") < steps.index("sent")
    assert world.outbox.marked == {EFFECT: 1_000_000}
    (command,) = [m for m in world.sink.sent if m.topic == "t.commands.crm"]
    body = orjson.loads(command.value)
    assert body["claim"]["token"] == "3.0.7.0"
    assert body["claim"]["args"] == {"card": "4711"}
    assert body["reply"] == {"topic": "t.replies", "partition": 0}
    assert command.key == str(stream(0)).encode()


async def test_a_doorbell_carries_no_arguments() -> None:
    for found in (offer(0, 7, needs_start=True), offer(0, 7, "bank")):
        world = World(0)
        world.outbox.rows = [intended(0, 7)]
        world.outbox.offered = [found]
        async with world.running():
            await world.until(lambda world=world: world.outbox.cursors == {0: 7})
        (bell,) = [m for m in world.sink.sent if m.topic.startswith("t.commands.")]
        assert not world.outbox.marked
        assert b"4711" not in bell.value
        assert orjson.loads(bell.value)["effect"] == EFFECT


async def test_what_somebody_reserved_meanwhile_is_not_pushed() -> None:
    """Claimed over HTTP between the look and the mark: only word that there was work."""
    world = World(0)
    world.outbox.rows = [intended(0, 7)]
    world.outbox.offered = [offer(0, 7)]
    world.outbox.reserved = {EFFECT}
    async with world.running():
        await world.until(lambda: world.outbox.cursors == {0: 7})
    (bell,) = [m for m in world.sink.sent if m.topic.startswith("t.commands.")]
    assert "push" not in orjson.loads(bell.value)


async def test_who_is_not_served_over_kafka_gets_nothing() -> None:
    """A participant that claims over HTTP, and a row that was offered again later."""
    world = World(0)
    world.outbox.rows = [intended(0, 7)]
    world.outbox.offered = [offer(0, 7, "mail"), offer(0, 9)]
    async with world.running():
        await world.until(lambda: world.outbox.cursors == {0: 7})
    assert {m.topic for m in world.sink.sent} == {"t.facts"}


async def test_what_nobody_answered_is_published_again() -> None:
    """The same attempt and token, marked anew so that the backoff runs from now."""
    world = World(0)
    world.outbox.due = [offer(0, 7)]
    async with world.running():
        await world.until(lambda: bool(world.sink.sent))
    assert world.sink.sent[0].topic == "t.commands.crm"
    assert world.outbox.marked == {EFFECT: 1_000_000}


def letter(id: int, at_us: int) -> Letter:
    return Letter(id, at_us, "north", "urn:shop", "e1", "event.json", "broken", b"\xff{")


async def test_dead_letters_are_published_though_their_ids_come_late() -> None:
    """An id below others becomes visible later: it is published too, and none twice."""
    world = World(0)
    world.now_us = 100_000_000
    world.outbox.kept_letters = [letter(5, 99_000_000)]
    async with world.running():
        await world.until(lambda: len(world.sink.sent) == 1)
        world.outbox.kept_letters.append(letter(4, 99_500_000))
        await world.until(lambda: len(world.sink.sent) == 2)
        assert world.outbox.letter_cursor == 0
        world.now_us += 100_000_000
        await world.until(lambda: world.outbox.letter_cursor == 5)
    found = [orjson.loads(m.value) for m in world.sink.sent]
    assert [one["id"] for one in found] == ["store.5", "store.4"]
    assert found[0]["data"]["raw"] == {"base64": "/3s="}


async def test_letters_belong_to_the_owner_of_lane_0() -> None:
    world = World(1)
    world.outbox.kept_letters = [letter(1, 1)]
    world.outbox.rows = [row(1, 1)]
    async with world.running():
        await world.until(lambda: world.outbox.cursors == {1: 1})
    assert {m.topic for m in world.sink.sent} == {"t.facts"}


async def test_another_lane_begins_at_its_own_cursor() -> None:
    world = World(0)
    world.outbox.rows = [row(0, 1), row(1, 1), row(1, 2)]
    world.outbox.cursors = {1: 1}
    async with world.running():
        await world.until(lambda: world.outbox.cursors.get(0) == 1)
        world.lanes = (1,)
        world.relay.lanes_changed()
        await world.until(lambda: world.outbox.cursors == {0: 1, 1: 2})
    assert world.facts() == ["0:1", "1:2"]
