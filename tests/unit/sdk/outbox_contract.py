"""What outbox and inbox do, whatever database they lie in."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest

from tests.waiting import eventually
from troth import inbox, outbox
from troth._outbox_rows import Row
from troth._outbox_send import Refusal, Said
from troth._sql import Connection, begun, connect, dialect_of, rows, run

from .fake_engine import Asked, FakeEngine, problem
from .world import Order

WAIT_S = 20.0
REFUSED = {
    "status": "refused", "code": "TR312", "detail": "data.amount must be an integer",
}  # fmt: skip


class Engine:
    """POST /v1/events of a fake engine: keeps what it took, and refuses what the test says."""

    def __init__(self, engine: FakeEngine) -> None:
        self.events: list[dict[str, Any]] = []
        self.batches: list[int] = []
        self.refused: dict[str, dict[str, Any]] = {}
        self.problems: list[tuple[int, str]] = []
        self._changed = engine.changed
        engine.routes["POST", "/v1/events"] = self._take

    def _take(self, asked: Asked) -> tuple[int, Any]:
        if self.problems:
            return problem(*self.problems.pop(0))
        results = []
        with self._changed:
            self.batches.append(len(asked.body))
            for event in asked.body:
                refused = self.refused.get(event["id"])
                if refused is None:
                    self.events.append(event)
                results.append({"id": event["id"], **(refused or {"status": "accepted"})})
            self._changed.notify_all()
        return 207 if self.refused else 202, {"results": results}

    @property
    def ids(self) -> list[str]:
        return [event["id"] for event in self.events]


class Held:
    """A sender whose answers the test gives."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[Sequence[Row]] = asyncio.Queue()
        self.answers: asyncio.Queue[list[Said] | Exception] = asyncio.Queue()

    async def send(self, batch: Sequence[Row]) -> list[Said]:
        await self.asked.put(batch)
        answer = await self.answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def close(self) -> None: ...


@contextlib.asynccontextmanager
async def relaying(database: str, **settings: Any) -> AsyncIterator[outbox.Relay]:
    """A relay while the block lasts."""
    relay = outbox.Relay(database, poll_s=0.02, **settings)
    task = asyncio.create_task(relay.serve())
    try:
        yield relay
    finally:
        relay.stop()
        await asyncio.wait_for(task, WAIT_S)


async def until(condition: Any) -> None:
    """Wait until a condition that another thread or process makes true."""
    await eventually(lambda: asyncio.to_thread(condition), within_s=WAIT_S)


class OutboxContract:
    """A subclass says where the outbox lies: the fixture `database`, a URL."""

    @pytest.fixture
    def database(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def own(self, database: str) -> Iterator[Connection]:
        """The service's own connection."""
        with contextlib.closing(connect(database, "test")) as connection:
            outbox.create(connection, dialect_of(database, "test"))
            inbox.create(connection)
            yield connection

    @pytest.fixture
    def taken(self, engine: FakeEngine) -> Engine:
        return Engine(engine)

    def waiting(self, own: Connection) -> int:
        [(count,)] = rows(own, "SELECT count(*) FROM troth_outbox", ())
        own.commit()
        return count

    async def test_events_leave_with_their_transaction_in_order(
        self, engine: FakeEngine, taken: Engine, own: Connection, database: str
    ) -> None:
        """Not before its commit, and not at all if it rolls back."""
        run(own, "CREATE TABLE orders (number TEXT)", ())
        own.commit()
        with begun(own):
            for number in ("17", "18"):
                run(own, "INSERT INTO orders VALUES (?)", (number,))
                outbox.publish(own, Order(number=number, amount=1), id=number, subject="s")
        with contextlib.suppress(KeyError), begun(own):
            outbox.publish(own, "order.lost", {"number": "19"}, id="19")
            raise KeyError
        with begun(own):
            outbox.publish(own, {"type": "order.paid", "id": "20", "source": "urn:shop"})
        async with relaying(database, url=engine.url, api_key="key"):
            await until(lambda: engine.wait(lambda: len(taken.events) == 3))
            await until(lambda: self.waiting(own) == 0)
        assert taken.ids == ["17", "18", "20"]
        first = taken.events[0]
        assert (first["type"], first["source"]) == ("order.placed", "urn:troth:outbox")
        assert (first["data"]["number"], first["subject"]) == ("17", "s")

    async def test_what_is_refused_is_set_aside_with_the_reason(
        self, engine: FakeEngine, taken: Engine, own: Connection, database: str
    ) -> None:
        """Its neighbours go on; corrected, it is sent again."""
        taken.refused["b"] = REFUSED
        with begun(own):
            for id in "abc":
                outbox.publish(own, "order.placed", {"number": id}, id=id)
        async with relaying(database, url=engine.url):
            await until(lambda: self.waiting(own) == 1)
            [(id, reason, _)] = outbox.aside(own)
            assert (id, reason) == ("b", "TR312 data.amount must be an integer")
            taken.refused.clear()
            assert outbox.again(own, "b")
            assert not outbox.again(own, "a")
            own.commit()
            await until(lambda: self.waiting(own) == 0)
        assert taken.ids == ["a", "c", "b"]

    async def test_a_refusal_that_may_pass_is_tried_again(
        self, engine: FakeEngine, taken: Engine, own: Connection, database: str
    ) -> None:
        taken.problems = [(503, "TR720"), (429, "TR429")]
        taken.refused["a"] = {"status": "refused", "code": "TR703", "detail": "disk full"}
        with begun(own):
            outbox.publish(own, "order.placed", {}, id="a")
        async with relaying(database, url=engine.url):
            await until(lambda: len(taken.batches) >= 1)
            taken.refused.clear()
            await until(lambda: self.waiting(own) == 0)
        assert taken.ids == ["a"]

    async def test_a_batch_that_is_refused_is_halved(
        self, engine: FakeEngine, taken: Engine, own: Connection, database: str
    ) -> None:
        taken.problems = [(413, "TR311"), (413, "TR311"), (413, "TR310")]
        with begun(own):
            for id in "abcd":
                outbox.publish(own, "order.placed", {}, id=id)
        async with relaying(database, url=engine.url):
            await until(lambda: self.waiting(own) == 1)
        assert taken.ids == ["b", "c", "d"]
        assert [id for id, _, _ in outbox.aside(own)] == ["a"]

    async def test_batches_are_bounded(
        self, engine: FakeEngine, taken: Engine, own: Connection, database: str
    ) -> None:
        with begun(own):
            for n in range(25):
                outbox.publish(own, "order.placed", {}, id=f"{n:02}")
        async with relaying(database, url=engine.url, batch_max=10):
            await until(lambda: self.waiting(own) == 0)
        assert taken.ids == [f"{n:02}" for n in range(25)]
        assert taken.batches == [10, 10, 5]

    async def test_one_relay_works_at_a_time(self, own: Connection, database: str) -> None:
        """The second takes nothing while the first waits for an answer, and goes on after it."""
        first, second = Held(), Held()
        with begun(own):
            outbox.publish(own, "order.placed", {}, id="a")
        async with relaying(database, sender=first):
            await asyncio.wait_for(first.asked.get(), WAIT_S)
            async with relaying(database, sender=second):
                # Writers of the service do not wait for the network.
                with begun(own):
                    outbox.publish(own, "order.placed", {}, id="b")
                await first.answers.put(["sent"])
                rest = await asyncio.wait_for(
                    _either(first.asked.get(), second.asked.get()), WAIT_S
                )
                assert [row.id for row in rest] == ["b"]
                for held in (first, second):
                    await held.answers.put(["sent"])
                await until(lambda: self.waiting(own) == 0)

    async def test_without_an_answer_the_same_events_go_again(
        self, own: Connection, database: str
    ) -> None:
        """At least once: the same ids and bytes."""
        held = Held()
        with begun(own):
            for id in "ab":
                outbox.publish(own, "order.placed", {}, id=id)
        async with relaying(database, sender=held):
            sent = await asyncio.wait_for(held.asked.get(), WAIT_S)
            await held.answers.put(ConnectionResetError("gone"))
            assert await asyncio.wait_for(held.asked.get(), WAIT_S) == sent
            await held.answers.put(["sent", Refusal("no")])
            await until(lambda: self.waiting(own) == 1)

    def test_the_same_id_waits_once(self, own: Connection) -> None:
        def twice() -> None:
            with begun(own):
                outbox.publish(own, "order.placed", {}, id="a")
                outbox.publish(own, "order.placed", {}, id="a")

        with pytest.raises(Exception, match=r"(?i)unique"):
            twice()
        own.rollback()
        assert self.waiting(own) == 0

    def test_an_event_is_applied_once(self, own: Connection) -> None:
        """For each consumer; a transaction that rolls back applied nothing."""
        with contextlib.suppress(KeyError), begun(own):
            assert inbox.once(own, "e1")
            raise KeyError
        with begun(own):
            assert inbox.once(own, "e1")
            assert inbox.once(own, "e1", consumer="mailer")
        with begun(own):
            assert not inbox.once(own, "e1")

    def test_old_notes_of_the_inbox_go(self, own: Connection) -> None:
        with begun(own):
            inbox.once(own, "e1")
        assert inbox.prune(own, "1h") == 0
        assert inbox.prune(own, "1us") == 1
        own.commit()


async def _either(*waits: Any) -> Any:
    """What the first of these gives."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    return done.pop().result()
