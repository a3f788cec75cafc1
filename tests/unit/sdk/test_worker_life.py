"""A worker over time: leases, progress, cancelling, lost engines, draining."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from troth._lease import cancelled, heartbeat_now
from troth._problems import EngineError
from troth._worker import Worker

from .conftest import Serve, apart
from .fake_engine import FakeEngine
from .parties import R1_CLASSES, R2_CLASSES, World, app_of

ACME = {"company": {"name": "acme", "risk": 1}}
ACCOUNT = {"account": {"account_id": "4711"}}


async def test_leases_are_renewed_with_progress(engine: FakeEngine, serve: Serve) -> None:
    """While a handler runs its lease is renewed; what it reports goes along."""
    engine.lease_s = 0.5
    effect = engine.offer("registry/long@1", {"name": "a"})
    async with serve(app_of(World()), drain_timeout_s=0.1):
        await apart(engine.wait, lambda: {"40 %"} & {beat.get("progress") for beat in engine.beats})
        told = len(engine.beats)
        await apart(engine.wait, lambda: len(engine.beats) > told + 1)
    assert {beat["effect"] for beat in engine.beats} == {effect}
    assert "progress" not in engine.beats[-1]


async def test_a_cancelled_effect_cancels_its_async_handler(
    engine: FakeEngine, serve: Serve
) -> None:
    engine.lease_s = 0.5
    world = World()
    effect = engine.offer("registry/long@1", {"name": "a"})
    async with serve(app_of(world)):
        await apart(world.reached.wait, 10)
        engine.dispatches[effect].cancelled = True
        reply = await apart(engine.reply_to, effect)
    assert world.stopped == ["a"]
    assert (reply["outcome"], reply["code"]) == ("transient", "cancelled")


async def test_a_plain_handler_asks_whether_it_is_cancelled(
    engine: FakeEngine, serve: Serve
) -> None:
    """A thread cannot be cancelled: it reports, and asks between its steps."""
    engine.lease_s = 0.5
    app = app_of(World())
    said: list[bool] = []

    def patient(name: str) -> str:
        heartbeat_now("waiting")
        engine.wait(lambda: engine.beats)
        engine.dispatches[effect].cancelled = True
        while not cancelled():
            said.append(False)
            heartbeat_now("still waiting")
            engine.next_beat()
        return name

    contract = app.contracts()["registry/hold@1"]
    contract.run = type(contract.run)(patient, False, contract.run.parameters, str)
    effect = engine.offer("registry/hold@1", {"name": "a"})
    async with serve(app):
        reply = await apart(engine.reply_to, effect)
    assert reply["outcome"] == "done"
    assert engine.beats[0]["progress"] == "waiting"
    assert said
    assert cancelled() is False


async def test_a_lost_lease_lets_a_running_handler_end(engine: FakeEngine, serve: Serve) -> None:
    """What has begun goes on: its late reply may still settle the effect."""
    engine.lease_s = 0.5
    world = World()
    effect = engine.offer("registry/hold@1", {"name": "a"})
    async with serve(app_of(world)):
        await apart(world.reached.wait, 10)
        engine.dispatches[effect].claim["token"] = "1.0.99.1"
        await apart(engine.wait, lambda: engine.calls["heartbeats"])
        world.release.set()
        reply = await apart(engine.reply_to, effect)
    assert reply["outcome"] == "done"


async def test_nothing_runs_with_a_lease_that_has_ended(engine: FakeEngine, serve: Serve) -> None:
    """The lease is looked at just before the handler acts."""
    engine.lease_s = 0.0000001
    world = World()
    effects = [
        engine.offer("crm/create-account@1", ACME, classes=R1_CLASSES),
        engine.offer("crm/activate@1", ACCOUNT, classes=R2_CLASSES),
    ]
    async with serve(app_of(world)):
        replies = [await apart(engine.reply_to, effect) for effect in effects]
    assert [(reply["outcome"], reply["code"]) for reply in replies] == [("not_done", "lease")] * 2
    assert not world.calls


async def test_a_handler_far_beyond_its_timeout_is_given_up(
    engine: FakeEngine, serve: Serve
) -> None:
    """Nobody waits for it any more, and it holds a place."""
    engine.lease_s = 0.5
    world = World()
    effect = engine.offer("registry/long@1", {"name": "a"}, deadline="2020-01-01T00:00:00.000000Z")
    async with serve(app_of(world)):
        reply = await apart(engine.reply_to, effect)
    assert (reply["outcome"], reply["code"]) == ("transient", "cancelled")


async def test_a_reply_outlives_a_killed_engine(engine: FakeEngine, serve: Serve) -> None:
    """The engine dies while the handler runs; when it is back it gets the reply."""
    world = World()
    effect = engine.offer("registry/hold@1", {"name": "a"})
    async with serve(app_of(world)):
        await apart(world.reached.wait, 10)
        await apart(engine.kill)
        world.release.set()
        await apart(engine.start)
        reply = await apart(engine.reply_to, effect)
        after = engine.offer("registry/check-company@1", ACME)
        await apart(engine.reply_to, after)
    assert reply["result"] == "a"


async def test_an_answer_that_is_lost_is_asked_for_again(engine: FakeEngine, serve: Serve) -> None:
    """The reply was recorded but the worker does not know: it sends the same again."""
    engine.lose_answers["replies"] = 2
    effect = engine.offer("registry/check-company@1", ACME)
    async with serve(app_of(World())):
        await apart(engine.wait, lambda: len(engine.replies) >= 3)
    assert {reply["effect"] for reply in engine.replies} == {effect}
    assert len({str(reply) for reply in engine.replies}) == 1


async def test_a_busy_engine_is_asked_again_later(engine: FakeEngine, serve: Serve) -> None:
    engine.problems["claims"] = [(503, "TR720"), (429, "TR429")]
    engine.problems["replies"] = [(503, "TR720")]
    effect = engine.offer("registry/check-company@1", ACME)
    async with serve(app_of(World())):
        assert (await apart(engine.reply_to, effect))["outcome"] == "done"


async def test_a_key_that_may_not_work_ends_the_worker(engine: FakeEngine) -> None:
    """Trying again would not help: the error says what is missing."""
    engine.problems["claims"] = [(403, "TR403"), (403, "TR403")]
    worker = Worker(app_of(World()), url=engine.url, claim_wait_s=0.1)
    with pytest.raises(EngineError, match="TR403"):
        await asyncio.wait_for(worker.serve(), 10)


async def test_many_claims_travel_together(engine: FakeEngine, serve: Serve) -> None:
    """200 steps and effects take few requests, and every one is answered once."""
    effects = [
        engine.offer(*work)
        for _ in range(100)
        for work in (("registry/check-company@1", ACME), ("registry/anything@1", {"value": [1]}))
    ]
    effects += [engine.offer("crm/create-account@1", ACME, classes=R1_CLASSES) for _ in range(50)]
    async with serve(app_of(World()), concurrency=100):
        await apart(engine.wait, lambda: len(engine.replies) >= 250)
    assert sorted(reply["effect"] for reply in engine.replies) == sorted(effects)
    assert engine.calls["replies"] < 100


async def test_no_more_is_claimed_than_can_run(engine: FakeEngine, serve: Serve) -> None:
    world = World()
    for name in "abcd":
        engine.offer("registry/hold@1", {"name": name})
    async with serve(app_of(world), concurrency=2):
        await apart(engine.wait, lambda: _states(engine).count("started") == 2)
        assert _states(engine).count("offered") == 2
        world.release.set()
        await apart(engine.wait, lambda: len(engine.replies) == 4)
    assert world.calls == {"hold": 4}


async def test_one_reply_that_is_refused_does_not_hold_the_others(
    engine: FakeEngine, serve: Serve
) -> None:
    """A batch that is too large is halved; the culprit is told as unknown, with the reason."""
    big = "x" * 1000
    engine.refuse_replies = lambda replies: any(reply.get("result") == big for reply in replies)
    effects = [engine.offer("registry/anything@1", {"value": value}) for value in (1, big, 2, 3)]
    async with serve(app_of(World())):
        await apart(engine.wait, lambda: len(engine.replies) == 4)
    found = {reply["effect"]: reply["outcome"] for reply in engine.replies}
    assert found == dict(zip(effects, ["done", "unknown", "done", "done"], strict=True))


async def test_a_result_that_is_no_json_is_told_as_unknown(
    engine: FakeEngine, serve: Serve
) -> None:
    """Text that UTF-8 cannot hold passes the types and fails on the wire."""
    app = app_of(World())
    contract = app.contracts()["registry/anything@1"]

    async def broken(value: Any) -> Any:
        return "\ud800" if value == 1 else value

    contract.run = type(contract.run)(broken, False, contract.run.parameters, Any)
    bad, good = (engine.offer("registry/anything@1", {"value": value}) for value in (1, 2))
    async with serve(app):
        replies = [await apart(engine.reply_to, effect) for effect in (bad, good)]
    assert replies[0]["outcome"] in {"unknown", "transient"}
    assert replies[1]["outcome"] == "done"


async def test_draining_waits_for_what_runs_and_begins_nothing_new(
    engine: FakeEngine, serve: Serve
) -> None:
    world = World()
    effect = engine.offer("registry/hold@1", {"name": "a"})
    async with serve(app_of(world)) as worker:
        await apart(world.reached.wait, 10)
        worker.stop()
        await asyncio.sleep(0)
        engine.offer("registry/check-company@1", ACME)
        world.release.set()
        reply = await apart(engine.reply_to, effect)
    assert reply["outcome"] == "done"
    assert world.calls == {"hold": 1}
    # A claim that was under way when the worker stopped is given back.
    assert {reply.get("code") for reply in engine.replies} <= {None, "draining"}


async def test_draining_is_bounded(
    engine: FakeEngine, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Async handlers are cancelled when the drain time is over; a stuck thread is left behind."""
    monkeypatch.setattr("troth._worker.DRAIN_STOP_S", 0.5)
    world = World()
    long = engine.offer("registry/long@1", {"name": "a"})
    engine.offer("registry/hold@1", {"name": "b"})
    async with serve(app_of(world), drain_timeout_s=0.05):
        await apart(engine.wait, lambda: world.calls["long"] and world.calls["hold"])
    assert engine.reply_to(long)["code"] == "cancelled"
    world.release.set()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_process_drains_on_a_signal(
    engine: FakeEngine, tmp_path: Path, stop: signal.Signals
) -> None:
    """It ends with exit code 0, after the handler that ran was answered."""
    (tmp_path / "party.py").write_text(
        textwrap.dedent("""
            import sys, threading
            from troth._app import App
            from troth._contracts import Participant
            from troth._worker import Worker
            registry = Participant("registry")
            @registry.step("wait")
            def wait(name: str) -> str:
                print("running", flush=True)
                sys.stdin.readline()
                return name
            Worker(App(participants=[registry]), url=sys.argv[1], claim_wait_s=0.1).run()
        """)
    )
    effect = engine.offer("registry/wait@1", {"name": "a"})
    with subprocess.Popen(
        [sys.executable, "party.py", engine.url],
        cwd=tmp_path, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(stop)
        process.communicate("go on\n", timeout=20)
    assert process.returncode == 0
    assert engine.reply_to(effect)["outcome"] == "done"


def _states(engine: FakeEngine) -> list[str]:
    return [dispatch.state for dispatch in engine.dispatches.values()]
