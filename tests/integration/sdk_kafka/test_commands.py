"""Commands over a real broker: the same step functions, nothing lost, nothing done twice."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.unit.sdk.conftest import apart
from tests.unit.sdk.fake_engine import COMMITMENT, FakeEngine
from tests.unit.sdk.parties import R1_CLASSES, R2_CLASSES, World, app_of
from tests.waiting import eventually
from troth import A0, R1, S2, App, Effect, Journal, Participant

from .conftest import Relay, Serve

ACME = {"company": {"name": "acme", "risk": 1}}
ACCOUNT = {"account": {"account_id": "4711"}}
MILLISECONDS_S = 0.005


async def test_the_same_step_function_serves_both_transports(
    engine: FakeEngine, relay: Relay, serve: Serve
) -> None:
    world = World()
    pushed = await relay.push("crm/create-account@1", ACME)
    claimed = engine.offer("crm/create-account@1", ACME, classes=R1_CLASSES)
    async with serve(app_of(world)):
        by_topic = await relay.reply_to(pushed)
        by_http = await apart(engine.reply_to, claimed)
    assert by_topic["result"] == by_http["result"] == {"account_id": "acme"}
    assert {fx.key for fx in world.effects} == {pushed, claimed}
    assert world.calls == {"create-account": 2}


async def test_a_reply_goes_to_the_partition_that_was_named(relay: Relay, serve: Serve) -> None:
    """Keyed by the commitment; a partition that is not there is no reason to keep it back."""
    effects = {
        await relay.push("crm/create-account@1", ACME, partition=n, effect=f"{n:064x}"): n
        for n in (0, 3, 99)
    }
    async with serve(app_of(World())):
        replies = {effect: await relay.reply_to(effect) for effect in effects}
    assert {reply["key"] for reply in replies.values()} == {COMMITMENT}
    found = [replies[effect]["partition"] for effect, n in effects.items() if n != 99]
    assert found == [0, 3]


async def test_steps_that_touch_nothing_need_no_journal(relay: Relay, serve: Serve) -> None:
    world = World()
    effect = await relay.push("registry/check-company@1", ACME, classes=None)
    async with serve(app_of(world), journal=Journal.at("sqlite:///:memory:", shared=False)):
        reply = await relay.reply_to(effect)
    assert reply["result"] == {"name": "acme", "risk": 20}


@pytest.mark.parametrize(
    ("contract", "args", "classes"),
    [
        ("crm/activate@1", ACCOUNT, R2_CLASSES),
        ("crm/create-account@1", ACME, R2_CLASSES),
        ("crm/create-account@1", ACME, {"A": "A2", "R": "R1", "S": "S2"}),
    ],
)
async def test_what_may_not_be_pushed_is_a_doorbell(
    engine: FakeEngine, relay: Relay, serve: Serve, contract: str, args: Any, classes: Any
) -> None:
    """R2, R3 and class B act only after the engine said start, whatever the message says."""
    world = World()
    effect = engine.offer(contract, args, classes=classes)
    await relay.push(contract, args, effect=effect, classes=classes)
    async with serve(app_of(world)):
        reply = await apart(engine.reply_to, effect)
    assert (reply["outcome"], reply["token"]) == ("done", "1.0.1.1")
    assert sum(world.calls.values()) == 1


async def test_without_a_shared_journal_a_push_is_a_doorbell(
    engine: FakeEngine, relay: Relay, serve: Serve, tmp_path: Path
) -> None:
    world = World()
    effect = engine.offer("crm/create-account@1", ACME, classes=R1_CLASSES)
    await relay.push("crm/create-account@1", ACME, effect=effect)
    journal = Journal.at(f"sqlite:///{tmp_path}/own.db", shared=False)
    async with serve(app_of(world), journal=journal):
        reply = await apart(engine.reply_to, effect)
    assert reply["outcome"] == "done"
    assert world.calls == {"create-account": 1}


async def test_a_push_without_a_shared_journal_asks_for_its_start(
    engine: FakeEngine, relay: Relay, serve: Serve, tmp_path: Path
) -> None:
    """What is pushed may be no more to claim: the engine says to one worker that it may act."""
    world = World()
    effect = engine.offer("crm/create-account@1", ACME, classes=R1_CLASSES, token="1.3.10.0")
    engine.dispatches[effect].state = "pushed"
    await relay.push("crm/create-account@1", ACME, effect=effect)
    journal = Journal.at(f"sqlite:///{tmp_path}/own.db", shared=False)
    async with serve(app_of(world), journal=journal):
        reply = await apart(engine.reply_to, effect)
    assert (reply["outcome"], reply["token"]) == ("done", "1.3.10.0")
    assert world.calls == {"create-account": 1}


async def test_commands_that_waited_for_the_first_worker_run(
    relay: Relay, serve: Serve, tmp_path: Path
) -> None:
    """A journal that is newer than they are is not in doubt while no worker was there before."""
    effect = await relay.push("crm/create-account@1", ACME)
    async with serve(app_of(World()), journal=Journal.at(f"sqlite:///{tmp_path}/new.db")):
        assert (await relay.reply_to(effect))["outcome"] == "done"


async def test_a_command_older_than_the_journal_is_unknown_once_a_worker_was_there(
    relay: Relay, serve: Serve, tmp_path: Path
) -> None:
    """Who lost the journal cannot know whether the worker before ran it."""
    first = await relay.push("crm/create-account@1", ACME)
    async with serve(app_of(World()), journal=Journal.at(f"sqlite:///{tmp_path}/lost.db")):
        assert (await relay.reply_to(first))["outcome"] == "done"

    async def was_there() -> bool:
        return any((await relay.committed("crm")).values())

    await eventually(was_there)
    effect = await relay.push("crm/create-account@1", ACME, effect="e" * 64)
    # A record's time counts milliseconds: the journal has to be younger by at least one.
    pushed_at_s = time.time()
    await eventually(lambda: time.time() > pushed_at_s + MILLISECONDS_S)
    async with serve(app_of(World()), journal=Journal.at(f"sqlite:///{tmp_path}/newer.db")):
        reply = await relay.reply_to(effect)
    assert (reply["outcome"], reply.get("code")) == ("unknown", "journal.older")


async def test_a_doorbell_claims_at_once(engine: FakeEngine, relay: Relay, serve: Serve) -> None:
    """While the long poll of the same worker still waits."""
    held = threading.Event()
    async with serve(app_of(World()), claim_wait_s=25.0, drain_timeout_s=0.1) as worker:
        await apart(engine.wait, lambda: engine.claims_asked)

        def short() -> bool:
            return any(asked.query.get("wait_s") == "0.0" for asked in engine.seen)

        await relay.bell("registry", "e")
        await apart(engine.wait, short, 20)
        held.set()
        # The long poll is the engine's to answer; this one ends it.
        worker.stop()
        await apart(engine.kill)


@pytest.mark.parametrize(
    "poison",
    [
        None, b"", b"\xff\xfe", b"[1]", b'{"form": 2, "push": true}', b'{"form": 1, "push": true}',
        b'{"form": 1, "push": true, "claim": {"effect": 7}, "reply": {}}', b"[" * 100_000,
    ],
)  # fmt: skip
async def test_an_unreadable_command_is_passed_over(
    relay: Relay, serve: Serve, caplog: pytest.LogCaptureFixture, poison: bytes | None
) -> None:
    await relay.send("crm", poison)
    effect = await relay.push("crm/create-account@1", ACME)
    async with serve(app_of(World())):
        assert (await relay.reply_to(effect))["outcome"] == "done"
    assert "action=command_skipped code=TR604" in caplog.text
    assert (await relay.committed("crm"))[0] == 2


@pytest.mark.parametrize(
    ("contract", "changed", "code"),
    [
        ("crm/no-such-step@1", {}, "contract"),
        ("crm/create-account@1", {"args": [1]}, "command"),
        ("crm/create-account@1", {"lease_s": "long"}, "command"),
    ],
)
async def test_a_command_that_cannot_be_run_is_answered(
    relay: Relay, serve: Serve, contract: str, changed: dict[str, Any], code: str
) -> None:
    world = World()
    effect = await relay.push(contract, **{"args": ACME, **changed})
    async with serve(app_of(world)):
        reply = await relay.reply_to(effect)
    assert (reply["outcome"], reply["code"]) == ("not_done", code)
    assert not world.calls


async def test_a_reply_to_a_topic_of_the_senders_choice_is_not_sent(
    relay: Relay, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    claim = {"effect": "e" * 64, "attempt": 1, "token": "1.0.1.0", "kind": "do", "args": {},
             "contract": "crm/create-account@1", "commitment": COMMITMENT}  # fmt: skip
    message = {"form": 1, "push": True, "claim": claim, "reply": {"topic": "x", "partition": 0}}
    await relay.send("crm", message)
    effect = await relay.push("crm/create-account@1", ACME)
    async with serve(app_of(World())):
        await relay.reply_to(effect)
    assert "it wants its reply in x" in caplog.text


async def test_a_long_step_says_that_it_started_and_then_renews_its_lease(
    engine: FakeEngine, relay: Relay, serve: Serve
) -> None:
    world = World()
    await relay.push("registry/hold@1", {"name": "a"}, classes=None, lease_s=0.5, effect="f" * 64)
    async with serve(app_of(world)):
        said = (await relay.started("f" * 64))["started"]
        await apart(engine.next_beat)
        world.release.set()
        reply = await relay.reply_to("f" * 64)
    assert said == {
        "effect": "f" * 64, "token": "1.3.10.0", "attempt": 1, "commitment": COMMITMENT
    }  # fmt: skip
    assert engine.beats[0] == {"effect": "f" * 64, "token": "1.3.10.0"}
    assert reply["outcome"] == "done"


async def test_no_more_is_taken_than_can_run(relay: Relay, serve: Serve) -> None:
    """The others wait in their topic; the group keeps its partitions meanwhile."""
    world = World()
    effects = [
        await relay.push("registry/hold@1", {"name": n}, classes=None, at=n_at, effect=n * 64)
        for n_at, n in ((0, "a"), (0, "b"), (0, "c"), (1, "d"))
    ]
    async with serve(app_of(world), concurrency=2):
        for _ in range(2):
            await relay.started_any(effects)
        assert world.calls == {"hold": 2}
        world.release.set()
        for effect in effects:
            await relay.reply_to(effect)
    assert world.calls == {"hold": 4}


async def test_the_same_command_twice_runs_once(relay: Relay, serve: Serve) -> None:
    """While it runs, and after it was answered: the relay may repeat itself."""
    world = World()
    for _ in range(3):
        await relay.push("registry/hold@1", {"name": "a"}, classes=None, effect="a" * 64)
    effect = await relay.push("crm/create-account@1", ACME)
    async with serve(app_of(world)):
        await relay.started("a" * 64)
        world.release.set()
        await relay.reply_to("a" * 64)
        await relay.reply_to(effect)
        await relay.push("crm/create-account@1", ACME, token="1.3.10.0")
        again = await relay.reply_to(effect)
    assert again["result"] == {"account_id": "acme"}
    assert world.calls == {"hold": 1, "create-account": 1}
    assert (await relay.committed("registry"))[0] == 3


async def test_draining_answers_what_runs_and_commits_it(relay: Relay, serve: Serve) -> None:
    world = World()
    effect = await relay.push("registry/hold@1", {"name": "a"}, classes=None)
    async with serve(app_of(world)) as worker:
        await apart(world.reached.wait, 10)
        worker.stop()
        later = await relay.push("registry/check-company@1", ACME, classes=None)
        world.release.set()
        assert (await relay.reply_to(effect))["outcome"] == "done"
    assert (await relay.committed("registry"))[0] == 1
    # What came while it drained is for the next worker.
    async with serve(app_of(world), name="w2"):
        assert (await relay.reply_to(later))["by"] == "w2"


async def test_effect_and_answer_are_one_transaction(
    relay: Relay, serve: Serve, tmp_path: Path
) -> None:
    """A handler that fails after its own transaction: the answer stands, and it ran once."""
    file = tmp_path / "bank.db"
    with sqlite3.connect(file) as setup:
        setup.execute("CREATE TABLE payments (id TEXT)")
    setup.close()
    bank = Participant("bank")

    @bank.effect("pay", A0, R1, S2, irreversible="it is paid")
    def pay(fx: Effect) -> str:
        own = sqlite3.connect(file)
        try:
            with fx.transaction(own) as answer:
                own.execute("INSERT INTO payments VALUES (?)", (fx.key,))
                answer.done("receipt 17")
        finally:
            own.close()
        raise TimeoutError("the line went dead afterwards")

    journal = Journal.at(f"sqlite:///{file}")
    journal.open()
    effect = await relay.push("bank/pay@1", {})
    async with serve(App(participants=[bank]), journal=journal):
        first = await relay.reply_to(effect)
        await relay.push("bank/pay@1", {}, effect=effect)
        second = await relay.reply_to(effect)
    assert first["result"] == second["result"] == "receipt 17"
    with sqlite3.connect(file) as look:
        assert look.execute("SELECT count(*) FROM payments").fetchone() == (1,)
    look.close()


async def test_a_worker_whose_topic_is_missing_works_over_http(
    engine: FakeEngine, bus: Any, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """It makes no topic, and says once what is missing."""
    said = threading.Event()
    caplog.handler.addFilter(lambda told: "topic_missing" not in told.msg or not said.set())
    effect = engine.offer("registry/check-company@1", ACME)
    async with serve(app_of(World())):
        assert (await apart(engine.reply_to, effect))["outcome"] == "done"
        await apart(said.wait, 20)
    assert "action=topic_missing code=TR750" in caplog.text
    assert not await bus.partitions(bus.topic("commands.registry"))
