"""A backup restored, on SQLite: what the lost future did is not done again without being asked."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from engine.cli import run
from tests.integration.engine.world import CRM, EngineWorld, engine_world
from tests.waiting import eventually

SIGNED = {"company": "acme", "signed_by": "ceo"}
ACCOUNT = {"account_id": "4711"}


def back_up(folder: Path) -> Path:
    """As the runbook says: beside the running engine."""
    backup = folder / "backup.db"
    with closing(sqlite3.connect(folder / "troth.db")) as db:
        db.execute("VACUUM INTO ?", (str(backup),))
    return backup


def restore(folder: Path, backup: Path, *more: str) -> None:
    """The newer file is gone, with its log; the store is told."""
    for leftover in folder.glob("troth.db*"):
        leftover.unlink()
    backup.rename(folder / "troth.db")
    assert run(["restored", "--store", f"sqlite:///{folder / 'troth.db'}", *more]) == 0


async def asked(world: EngineWorld) -> None:
    """Signed, so that two people are asked: what comes next may not be repeated."""
    await world.register()
    await world.publish("partner.applied", {"company": "acme"}, "a1")
    await world.work()


async def allowed(world: EngineWorld) -> None:
    await world.publish("partner.signed", SIGNED, "s1")
    for person in ("legal", "legal2"):
        assert (await world.decide(person, "approve")).status_code == 200


async def activated(world: EngineWorld) -> Any:
    """A worker does it; its claim."""
    (claim,) = await world.claim(CRM)
    assert await world.start(claim)
    assert (await world.reply(claim))["status"] == "recorded"
    assert (await world.step())["status"] == "fulfilled"
    return claim


async def work_of(world: EngineWorld) -> Any:
    """The one piece of work that there is, once it is there."""
    found: list[Any] = []

    async def is_there() -> bool:
        found.extend(await world.claim(CRM))
        return bool(found)

    await eventually(is_there)
    return found[0]


@pytest.mark.parametrize("backed_up", ["once it is allowed", "before it is allowed"])
async def test_an_effect_of_the_lost_future_is_probed_and_not_done_again(
    tmp_path: Path, backed_up: str
) -> None:
    async with engine_world(tmp_path) as world:
        await asked(world)
        early = back_up(tmp_path) if backed_up == "before it is allowed" else None
        await allowed(world)
        backup = early or back_up(tmp_path)
        done = await activated(world)
    restore(tmp_path, backup)
    keys = world.keys
    async with engine_world(tmp_path) as world:
        world.keys.update(keys)
        if early:
            await allowed(world)
        probe = await work_of(world)
        assert (probe["kind"], probe["effect"]) == ("probe", done["effect"])
        await world.reply(probe, "present", result=ACCOUNT)
        assert (await world.step())["status"] == "fulfilled"
    assert run(["doctor", "--full", "--store", f"sqlite:///{tmp_path / 'troth.db'}"]) == 0


async def test_what_did_not_happen_in_the_lost_future_is_done(tmp_path: Path) -> None:
    async with engine_world(tmp_path) as world:
        await asked(world)
        await allowed(world)
        backup = back_up(tmp_path)
    restore(tmp_path, backup)
    async with engine_world(tmp_path) as world:
        await world.reply(await work_of(world), "absent")
        again = await work_of(world)
        assert (again["kind"], again["attempt"]) == ("do", 2)


async def test_a_retry_that_the_lost_future_may_have_made_is_probed(tmp_path: Path) -> None:
    """The copy waits before the next attempt: the lost time may have made that one."""
    async with engine_world(tmp_path) as world:
        await asked(world)
        await allowed(world)
        (claim,) = await world.claim(CRM)
        assert await world.start(claim)
        await world.reply(claim, "transient")
        backup = back_up(tmp_path)
        again = await work_of(world)
        assert (again["kind"], again["attempt"]) == ("do", 2)
        assert await world.start(again)
        await world.reply(again)
        assert (await world.step())["status"] == "fulfilled"
    restore(tmp_path, backup)
    async with engine_world(tmp_path) as world:
        probe = await work_of(world)
        assert (probe["kind"], probe["effect"]) == ("probe", claim["effect"])
        await world.reply(probe, "absent")
        again = await work_of(world)
        assert (again["kind"], again["attempt"]) == ("do", 3), "heard of now: not doubted again"


async def test_an_answer_from_the_lost_future_settles_what_is_asked_about(tmp_path: Path) -> None:
    """The worker did it, and its answer comes after the restore: that is no repetition."""
    async with engine_world(tmp_path) as world:
        await asked(world)
        await allowed(world)
        backup = back_up(tmp_path)
        (claim,) = await world.claim(CRM)
        assert await world.start(claim)
    restore(tmp_path, backup)
    async with engine_world(tmp_path) as world:
        await world.reply(claim)
        assert (await world.step())["status"] == "fulfilled"


async def test_positions_of_the_lost_future_are_refused(tmp_path: Path) -> None:
    """Nobody is told that a reader has caught up with what is not there any more."""
    async with engine_world(tmp_path) as world:
        await asked(world)
        backup = back_up(tmp_path)
        await allowed(world)
        answer = await world.call("reader", "GET", "/v1/sagas/partner-activation/keys/acme")
        position = answer.headers["Troth-Position"]
    restore(tmp_path, backup)
    async with engine_world(tmp_path) as world:
        path = f"/v1/sagas/partner-activation/keys/acme?wait_for={position}"
        answer = await world.call("reader", "GET", path)
        assert answer.status_code in {400, 409, 410, 422}, answer.text


async def test_once_the_doubt_is_over_work_is_offered_as_ever(tmp_path: Path) -> None:
    async with engine_world(tmp_path) as world:
        await asked(world)
        backup = back_up(tmp_path)
    restore(tmp_path, backup, "--doubt", "1ms")
    keys = world.keys
    async with engine_world(tmp_path) as world:
        world.keys.update(keys)
        await allowed(world)
        assert (await work_of(world))["kind"] == "do"


async def test_a_store_that_an_engine_runs_on_is_not_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = f"sqlite:///{tmp_path / 'troth.db'}"
    async with engine_world(tmp_path):
        assert run(["restored", "--store", store]) == 4
        assert "TR701" in capsys.readouterr().err
    assert run(["restored", "--store", store, "--doubt", "soon"]) == 2
