"""Workers that are killed, brokers that go away: no command is lost, none is done twice."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.sdk.conftest import apart
from tests.unit.sdk.fake_engine import FakeEngine
from tests.unit.sdk.parties import World, app_of
from tools.servers import Kafka
from troth import Journal, Worker
from troth._bus import Bus

from .conftest import Relay, Serve, open_relay, open_topics

# A client that was giving its broker up when its loop ended leaves the socket to the collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed transport <_SelectorSocketTransport"),
    pytest.mark.filterwarnings("ignore:unclosed <socket.socket"),
    pytest.mark.filterwarnings("ignore:loop is closed"),
]

ACME = {"company": {"name": "acme", "risk": 1}}
ENDS_WITHIN_S = 30.0


@pytest.fixture(autouse=True)
def left_sockets() -> Iterator[None]:
    """What a test leaves is collected in it, not in the next one of the process."""
    yield
    gc.collect()


class Party:
    """The participant `bank` of party.py, as often as it is started."""

    def __init__(self, folder: Path, engine: FakeEngine, bus: Bus) -> None:
        self._folder = folder
        self._database = folder / "bank.db"
        self._log = folder / "worker.log"
        self._environment = os.environ | {
            "PYTHONPATH": str(Path(__file__).parent),
            "PARTY_DATABASE": str(self._database),
            "TROTH_URL": engine.url,
            "TROTH_JOURNAL_URL": f"sqlite:///{self._database}",
            "TROTH_BUS_URL": f"kafka://{bus.servers}",
            "TROTH_TOPIC_PREFIX": bus.topic_prefix,
        }
        with contextlib.closing(sqlite3.connect(self._database)) as setup:
            setup.execute("CREATE TABLE payments (effect TEXT, number INTEGER)")
            setup.commit()
        journal = Journal.at(f"sqlite:///{self._database}")
        journal.open()
        journal.close()

    @contextlib.contextmanager
    def worker(self, fate: str = "") -> Iterator[subprocess.Popen[bytes]]:
        command = [sys.executable, "-m", "troth.cli", "worker", "party:app", "--claim-wait", "0.2"]
        with (
            self._log.open("ab") as log,
            subprocess.Popen(
                command, cwd=self._folder, stderr=log,
                env=self._environment | {"PARTY_FATE": fate},
            ) as process,
        ):  # fmt: skip
            try:
                yield process
            finally:
                process.terminate()
                process.wait(ENDS_WITHIN_S)

    def payments(self) -> list[int]:
        with contextlib.closing(sqlite3.connect(self._database)) as look:
            return [number for (number,) in look.execute("SELECT number FROM payments ORDER BY 1")]


@pytest.fixture
def party(tmp_path: Path, engine: FakeEngine, bus: Bus) -> Party:
    return Party(tmp_path, engine, bus)


async def ended(process: subprocess.Popen[bytes]) -> int:
    return await apart(process.wait, ENDS_WITHIN_S)


@pytest.mark.parametrize("fate", ["before the commit", "after the commit"])
async def test_a_kill_between_effect_and_reply_pays_once(
    relay: Relay, party: Party, fate: str
) -> None:
    """The command comes again: after the commit the journal answers it, before it it runs."""
    effect = await relay.push("bank/pay@1", {"number": 17})
    with party.worker(fate) as killed:
        assert await ended(killed) == -signal.SIGKILL
    assert (await relay.committed("bank"))[0] == 0
    with party.worker():
        reply = await relay.reply_to(effect)
    assert (reply["outcome"], reply["result"]) == ("done", "receipt 17")
    assert party.payments() == [17]
    assert (await relay.committed("bank"))[0] == 1


async def test_a_worker_that_is_killed_on_the_way_loses_no_command(
    relay: Relay, party: Party
) -> None:
    effects = [
        await relay.push("bank/pay@1", {"number": n}, at=n % 2, effect=f"{n:064x}")
        for n in range(100)
    ]
    with party.worker("on the way") as killed:
        assert await ended(killed) == -signal.SIGKILL
    with party.worker():
        replies = [await relay.reply_to(effect) for effect in effects]
    assert {reply["outcome"] for reply in replies} == {"done"}
    assert party.payments() == list(range(100))
    # Drained: everything is committed.
    assert await relay.committed("bank") == {0: 50, 1: 50}


async def test_workers_share_the_partitions_and_hand_them_over(
    relay: Relay, serve: Serve, tmp_path: Path
) -> None:
    """A second worker joins while the first one works: each command is run by one of them."""
    world = World()
    app = app_of(world)
    effects = [
        await relay.push("crm/create-account@1", ACME, at=n % 2, effect=f"{n:064x}")
        for n in range(60)
    ]
    journal = f"sqlite:///{tmp_path}/journal.db"
    async with (
        serve(app, name="w1", journal=Journal.at(journal)),
        serve(app, name="w2", journal=Journal.at(journal)),
    ):
        for effect in effects:
            assert (await relay.reply_to(effect))["outcome"] == "done"
    assert world.calls == {"create-account": 60}
    assert sum((await relay.committed("crm")).values()) == 60


async def test_a_reply_outlives_its_broker(
    own_kafka: Kafka, topic_prefix: str, engine: FakeEngine, tmp_path: Path
) -> None:
    """The broker dies while the handler runs; when it is back it gets the reply, once."""
    bus = Bus.at(f"kafka://{own_kafka.address}", topic_prefix=topic_prefix)
    journal = Journal.at(f"sqlite:///{tmp_path}/journal.db")
    journal.open()
    world = World()
    worker = Worker(
        app_of(world), url=engine.url, bus=bus, journal=journal, claim_wait_s=0.2, name="w1"
    )
    async with open_topics(bus, leave=True), open_relay(bus) as relay:
        effect = await relay.push("registry/hold@1", {"name": "a"}, classes=None)
        serving = asyncio.create_task(worker.serve())
        await apart(world.reached.wait, 30)
        await apart(own_kafka.kill)
        world.release.set()
        # Meanwhile work comes over HTTP.
        claimed = engine.offer("registry/check-company@1", ACME)
        assert (await apart(engine.reply_to, claimed))["outcome"] == "done"
        await apart(own_kafka.restart)
        assert (await relay.reply_to(effect))["result"] == "a"
        worker.stop()
        await asyncio.wait_for(serving, ENDS_WITHIN_S)
    assert world.calls == {"hold": 1, "check-company": 1}


async def test_a_worker_may_be_there_before_the_broker(engine: FakeEngine, tmp_path: Path) -> None:
    """It works over HTTP, and stops at once when it is told to."""
    bus = Bus.at("kafka://127.0.0.1:1")
    journal = Journal.at(f"sqlite:///{tmp_path}/journal.db")
    worker = Worker(app_of(World()), url=engine.url, bus=bus, journal=journal, claim_wait_s=0.1)
    serving = asyncio.create_task(worker.serve())
    effect = engine.offer("registry/check-company@1", ACME)
    assert (await apart(engine.reply_to, effect))["outcome"] == "done"
    worker.stop()
    await asyncio.wait_for(serving, 10)
