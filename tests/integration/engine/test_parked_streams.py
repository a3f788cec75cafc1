"""A stream set aside after a fault of ours: seen by its tenant, released by its operator."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from engine.cli import run
from tests.integration.engine.test_story import SIGNED, to_the_gate
from tests.integration.engine.world import EngineWorld, engine_world

TIME, NO_TIME = '"timestamp":"', '"timestamp":"about '
PATH = "/v1/parked-streams"


def rewrite(folder: Path, topic: str, was: str, now: str) -> None:
    """The first events of a kind become unreadable, or readable again."""
    with closing(sqlite3.connect(folder / "troth.db")) as db, db:
        db.execute(
            "UPDATE events SET state = CAST(replace(CAST(state AS TEXT), ?, ?) AS BLOB)"
            " WHERE topic = ? AND version = 1",
            (was, now, topic),
        )


async def parked(world: EngineWorld, key: str = "operator") -> list[dict[str, object]]:
    return (await world.get(PATH, key))["items"]


async def release(world: EngineWorld, stream: object, key: str = "operator") -> tuple[int, object]:
    answer = await world.call(key, "POST", f"{PATH}/{stream}/release", {"reason": "corrected"})
    return answer.status_code, answer.json().get("code")


@pytest.mark.parametrize(
    ("topic", "kind"),
    [("key.opened", "key"), ("sagakey.opened", "saga_key"), ("commitment.opened", "commitment")],
)
async def test_every_kind_of_stream_is_listed_and_released(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], topic: str, kind: str
) -> None:
    """What was accepted meanwhile is held, and runs once the stream can be read again."""
    async with engine_world(tmp_path) as world:
        await world.register()
        await to_the_gate(world)
        before, keys = await world.step(), world.keys
    rewrite(tmp_path, topic, TIME, NO_TIME)
    async with engine_world(tmp_path) as world:
        world.keys = keys
        if kind == "key":
            answer = await world.publish("partner.signed", SIGNED, "e3")
            assert answer.status_code == 202
        elif kind == "saga_key":
            answer = await world.publish("partner.applied", {"company": "acme"}, "e3")
            assert answer.status_code == 202
        else:
            assert (await world.decide("legal", "reject", reason="no")).status_code == 500
        assert await world.publish("partner.applied", {"company": "globex"}, "e4")
        assert (await world.step("globex"))["step"] == "check_company"
        (one,) = await parked(world)
        assert (one["code"], one["alias"]) == ("TR506", "internal.fault")
        assert "about " in str(one["detail"])
        assert await parked(world, "foreign") == []
        assert await release(world, one["stream"], "foreign") == (404, "TR404")
        assert (await release(world, one["stream"], "reader"))[0] == 403
        stream = one["stream"]
    assert run(["doctor", "--store", f"sqlite:///{tmp_path / 'troth.db'}"]) == 1
    told = capsys.readouterr().out
    assert str(stream) in told
    assert "POST /v1/parked-streams/{id}/release" in told
    rewrite(tmp_path, topic, NO_TIME, TIME)
    async with engine_world(tmp_path) as world:
        (one,) = await parked(world)
        assert (one["kind"], one["key"], one["held"]) == (kind, "acme", int(kind != "commitment"))
        assert await release(world, stream) == (202, None)
        assert await parked(world) == []
        assert await release(world, stream) == (404, "TR404")
        assert (await world.step())["id"] == before["id"]
        assert (await world.decide("legal", "reject", reason="no")).status_code == 200
        await world.work()
        assert (await world.step())["status"] == "compensated"


async def test_a_commitment_whose_opening_raised_is_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no row and no event: only its mail says whose it is."""
    async with engine_world(tmp_path) as world:
        await world.register()
        core = world.engine.desk.lane._parts.core
        step = core.step

        def broken(before: Any, message: Any, **more: Any) -> Any:
            if type(message).__name__ == "Open":
                raise RuntimeError("a fault of ours")
            return step(before, message, **more)

        with monkeypatch.context() as patch:
            patch.setattr(core, "step", broken)
            answer = await world.publish("partner.applied", {"company": "acme"}, "e1")
            assert answer.status_code == 202
            (one,) = await parked(world)
            assert (one["kind"], one["held"]) == (None, 1)
        assert await release(world, one["stream"], "foreign") == (404, "TR404")
        assert await release(world, one["stream"]) == (202, None)
        assert (await world.step())["step"] == "check_company"
