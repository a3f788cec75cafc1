"""The intake: every record once and in order, whatever the desk and the broker do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from consumers.intake import Intake
from consumers.part_input import IntakeLimits, PartInput
from domain.errors import refusal
from domain.requests import Logged
from domain.source import Arrival, Lost, Part
from tests.unit.bus_fakes import (
    EVENTS,
    MemoryDesk,
    MemorySource,
    arrival,
    cursor_of,
    logged,
)
from tests.waiting import eventually

P0, P1 = Part(EVENTS, 0), Part(EVENTS, 1)
WAIT_S = 20.0
QUICK = IntakeLimits(
    batch_max=10, buffered_max=20, retry_first_s=0.001, retry_cap_s=0.002, reopen_first_s=0.001,
    reopen_cap_s=0.002, poll_s=0.005, ends_every_s=0.0, note_every_s=0.001,
    lost_every_s=0.001,
)  # fmt: skip


@asynccontextmanager
async def intake_of(
    source: MemorySource,
    desk: MemoryDesk,
    read: Callable[[Arrival], list[Logged]] = logged,
    limits: IntakeLimits = QUICK,
) -> AsyncIterator[Intake]:
    intake = Intake(source, desk, desk.known, {EVENTS: read}, limits=limits)
    task = asyncio.create_task(intake.run())
    try:
        yield intake
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(desk: MemoryDesk, true: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not true():
            desk.moved.clear()
            if not true():
                await desk.moved.wait()


def letters(text: str) -> list[bytes]:
    return [letter.encode() for letter in text]


async def test_records_go_in_order_from_the_cursor() -> None:
    """The database says how far it was read; what lies behind it comes in order."""
    source, desk = MemorySource(P0, P1), MemoryDesk(0, 1)
    desk.cursors[P0] = cursor_of(P0, 2)
    source.put(P0, *letters("abcdef"))
    source.put(P1, *letters("xy"))
    async with intake_of(source, desk) as intake:
        await until(desk, lambda: len(desk.taken) == 6)
        assert desk.values(P0) == letters("cdef")
        assert desk.values(P1) == letters("xy")
        await until(desk, lambda: intake.lag() == {P0: 0, P1: 0})


async def test_a_poison_record_parks_alone() -> None:
    """It is tried alone, then kept as a dead letter; its neighbours keep their order."""
    source, desk = MemorySource(P0), MemoryDesk(0)
    source.put(P0, *letters("abXde"))
    tries: list[bytes] = []

    def refuse(found: Logged) -> Any:
        tries.append(found.raw)
        is_poison = found.raw == b"X" and found.fault is None
        return refusal("store.failed", "it cannot be stored") if is_poison else None

    desk.refuse = refuse
    async with intake_of(source, desk):
        await until(desk, lambda: any(found.fault for found in desk.taken))
        await until(desk, lambda: desk.values(P0)[-2:] == letters("de"))
    faults = [found.fault for found in desk.taken if found.raw == b"X"]
    assert ("store.failed", "it cannot be stored") in faults
    assert tries.count(b"X") >= QUICK.tries_max
    last = [found.raw for found in desk.taken][-2:]
    assert last == letters("de")
    assert desk.cursors[P0].offset == 5


async def test_a_full_queue_is_waited_for() -> None:
    """What is no fault of a record is tried as often as it takes, and nothing becomes a letter."""
    source, desk = MemorySource(P0), MemoryDesk(0)
    source.put(P0, *letters("abc"))
    left = [30]

    def refuse(_: Logged) -> Any:
        left[0] -= 1
        return refusal("http.too_many", "full") if left[0] > 0 else None

    desk.refuse = refuse
    async with intake_of(source, desk):
        await until(desk, lambda: desk.cursors.get(P0) == cursor_of(P0, 3))
    assert all(found.fault is None for found in desk.taken)


async def test_a_reader_that_fails_keeps_the_record() -> None:
    """A record that nobody foresaw is a dead letter of its own, and reading goes on."""
    source, desk = MemorySource(P0), MemoryDesk(0)
    source.put(P0, *letters("aXb"))

    def read(found: Arrival) -> list[Logged]:
        if found.value == b"X":
            raise ZeroDivisionError("who would have thought")
        return logged(found)

    async with intake_of(source, desk, read):
        await until(desk, lambda: len(desk.taken) == 3)
    assert [found.fault and found.fault[0] for found in desk.taken] == [None, "bug", None]


async def test_a_record_that_asks_twice_is_passed_by_its_last_request() -> None:
    """The first one moves the cursor no further than the record before."""
    source, desk = MemorySource(P0), MemoryDesk(0)
    source.put(P0, *letters("ab"))

    def read(found: Arrival) -> list[Logged]:
        return logged(found) * (2 if found.value == b"b" else 1)

    async with intake_of(source, desk, read):
        await until(desk, lambda: len(desk.taken) == 3)
    assert [found.cursor.offset for found in desk.taken] == [1, 1, 2]


async def test_where_a_log_begins_anew_nothing_overtakes_its_first_record() -> None:
    """The lane's cursor is of the log before, and lies ahead of every record of this one."""
    desk = MemoryDesk(0)
    desk.cursors[P0] = cursor_of(P0, 6)
    gone = [False, True]

    def refuse(found: Logged) -> Any:
        if found.raw == b"a" and gone.pop():
            return refusal("store.gone", "the connection was ended")
        return (
            refusal("store.lane_lost", "read again")
            if desk.cursors[P0].offset < found.after
            else None
        )

    desk.refuse = refuse
    state = PartInput(P0, desk.cursors[P0], desk, QUICK, asyncio.sleep)
    for at, letter in enumerate(letters("abcdef")):
        state.put(*logged(arrival(P0, at, letter)))
    task = asyncio.create_task(state.run())
    await until(desk, lambda: len(desk.taken) >= 6)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert desk.values(P0) == letters("abcdef")


async def test_a_partition_is_paused_and_read_again() -> None:
    """While the desk stands still at most the bound and one poll wait in memory."""
    source, desk = MemorySource(P0, P1), MemoryDesk(0, 1)
    desk.gate = asyncio.Event()
    async with intake_of(source, desk) as intake:
        for number in range(30):
            source.put(P0, b"%d" % number)
            source.put(P1, b"x")
            await asyncio.sleep(0)
        await eventually(lambda: intake.state()["paused"] == 2)
        source.put(P0, *[b"later"] * 1_000)
        for _ in range(20):
            await asyncio.sleep(0)
        assert intake.state()["held"] <= 60
        desk.gate.set()
        await until(desk, lambda: len(desk.taken) == 1_060)
    assert desk.most_at_once <= QUICK.batch_max


async def test_timers_wait_for_what_was_sent_before_them() -> None:
    """The inputs count as read when all before the ends was accepted, not when it was read."""
    source, desk = MemorySource(P0), MemoryDesk(0)
    source.now_us = 100
    async with intake_of(source, desk):
        await until(desk, lambda: 100 in desk.until_us)
        desk.gate = asyncio.Event()
        source.put(P0, b"a")
        await eventually(lambda: desk.most_at_once == 1)
        source.now_us = 200
        for _ in range(50):
            await asyncio.sleep(0)
        assert 200 not in desk.until_us
        desk.gate.set()
        await until(desk, lambda: 200 in desk.until_us)
    assert desk.values(P0) == [b"a"]


async def test_a_lost_lane_takes_its_partitions_with_it() -> None:
    """What waited for it is forgotten; when it comes back it is read from the cursor."""
    source, desk = MemorySource(P0, P1), MemoryDesk(0, 1)
    async with intake_of(source, desk) as intake:
        source.put(P1, b"a")
        await until(desk, lambda: desk.values(P1) == [b"a"])
        desk.own(0)
        source.put(P1, b"b", b"c")
        source.put(P0, b"x")
        await until(desk, lambda: desk.values(P0) == [b"x"])
        assert intake.state()["parts"] == 1
        desk.cursors[P1] = cursor_of(P1, 2)
        desk.own(0, 1)
        await until(desk, lambda: desk.values(P1) == [b"a", b"c"])


async def test_a_lane_that_is_claimed_again_is_read_from_the_cursor() -> None:
    """The desk refuses once, though the lane stays: everything comes, nothing out of order."""
    source, desk = MemorySource(P0), MemoryDesk(0)
    source.put(P0, *letters("abcdef"))
    lost = [b"d"]

    def refuse(found: Logged) -> Any:
        if found.raw in lost:
            lost.clear()
            return refusal("store.lane_lost", "another owner")
        return None

    desk.refuse = refuse
    async with intake_of(source, desk):
        await until(desk, lambda: desk.values(P0)[-3:] == letters("def"))
    assert set(desk.values(P0)) == set(letters("abcdef"))


async def test_a_broker_that_is_gone_is_waited_for() -> None:
    """At the start and in the middle: a visible state, never an end, and nothing lost."""
    source, desk = MemorySource(P0), MemoryDesk(0)
    source.is_down = True
    async with intake_of(source, desk) as intake:
        await eventually(lambda: intake.state().get("reason") == "the broker is gone")
        source.down(False)
        source.put(P0, b"a")
        await until(desk, lambda: desk.values(P0) == [b"a"])
        source.down(True)
        await eventually(lambda: not intake.state()["ready"])
        source.down(False)
        source.put(P0, b"b")
        await until(desk, lambda: desk.values(P0) == [b"a", b"b"])
        assert intake.state()["ready"]


async def test_lost_input_is_told_until_its_loss_is_accepted() -> None:
    """The state names the records that are gone; whoever accepts it moves the cursor."""
    source, desk = MemorySource(P0, P1), MemoryDesk(0, 1)
    source.put(P0, *letters("abcd"))
    desk.cursors[P0] = cursor_of(P0, 1)
    source.gone[P0] = Lost(P0, "t1", 1, 3)
    async with intake_of(source, desk) as intake:
        await eventually(lambda: "input_lost" in str(intake.state().get("reason")))
        assert intake.state()["lost"] == [
            {"topic": EVENTS, "partition": 0, "next": 1, "earliest": 3}
        ]
        source.put(P1, b"x")
        await until(desk, lambda: desk.values(P1) == [b"x"])
        assert not desk.values(P0)
        desk.cursors[P0] = cursor_of(P0, 3)
        await until(desk, lambda: desk.values(P0) == [b"d"])
        assert intake.state()["ready"]


async def test_monitoring_is_told_how_far_it_was_accepted() -> None:
    source, desk = MemorySource(P0), MemoryDesk(0)
    source.put(P0, *letters("abc"))
    async with intake_of(source, desk):
        await eventually(lambda: bool(source.noted) and source.noted[-1].offset == 3)
