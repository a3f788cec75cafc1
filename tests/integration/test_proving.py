"""Folding a store again: doctor --full, rebuild and replay, on both databases."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from shutil import copyfile
from typing import Any

import psycopg
import pytest

from adapters.sql.rebuilding import ViewWriter
from adapters.sql.views import VIEWS
from engine import cli_replay
from engine.cli import run
from engine.copying import copy_store
from engine.offline import is_postgres
from tests.integration.copy_world import sqlite_deals
from tests.integration.engine.world import engine_world

Store = str
Run = Callable[..., int]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("deals") / "troth.db"
    sqlite_deals(path)
    return path


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, prepared: Path, tmp_path: Path) -> Store:
    """Commitments half way in every manner, and ended ones."""
    copyfile(prepared, tmp_path / "troth.db")
    url = f"sqlite:///{tmp_path / 'troth.db'}"
    if request.param == "sqlite":
        return url
    target: str = request.getfixturevalue("fresh_database")
    copy_store(url, target, 3, lambda *_: None)
    return target


def execute(store: Store, sql: str) -> int:
    """Damage it behind the engine's back."""
    if is_postgres(store):
        with psycopg.connect(store) as db:
            return db.execute(sql.encode()).rowcount
    with closing(sqlite3.connect(store.removeprefix("sqlite:///"))) as db, db:
        return db.execute(sql).rowcount


def rows_of(store: Store) -> dict[str, list[Any]]:
    """Every row of every view."""
    found: dict[str, list[Any]] = {}
    for table in VIEWS:
        sql = f"SELECT * FROM {table} ORDER BY 1, 2"
        if is_postgres(store):
            with psycopg.connect(store) as db:
                found[table] = db.execute(sql.encode()).fetchall()
        else:
            with closing(sqlite3.connect(store.removeprefix("sqlite:///"))) as db:
                found[table] = db.execute(sql).fetchall()
    return found


class Doctor:
    """What doctor says of a store."""

    def __init__(self, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
        self._store, self._capsys = store, capsys

    def failed(self) -> dict[str, list[str]]:
        """What each failed check found."""
        self._capsys.readouterr()
        code = run(["doctor", "--full", "--store", self._store, "--json"])
        checks = json.loads(self._capsys.readouterr().out)
        found = {check["check"]: check["found"] for check in checks if not check["ok"]}
        assert (code == 1) == bool(found)
        return {name: one for name, one in found.items() if name[0] in "2358"}


@pytest.fixture
def doctor(store: Store, capsys: pytest.CaptureFixture[str]) -> Doctor:
    return Doctor(store, capsys)


WHOLE_CHAIN = "2 9 the whole chain"
FOLDS = "2 3 every stream folds"
VIEWS_EQUAL = "8 the views are what the events give"


def test_a_sound_store_has_nothing_to_find(doctor: Doctor) -> None:
    assert doctor.failed() == {}


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("UPDATE current_steps SET status = 'fulfilled' WHERE key = 'waits'", "status is 'fulf"),
        ("DELETE FROM current_steps WHERE key = 'waits'", "the row is missing"),
        ("DELETE FROM approvals", "the row is missing"),
        ("UPDATE debts SET status = 'settled'", "status is 'settled', the events give 'open'"),
    ],
)
def test_a_view_that_differs_is_told_and_rebuilt(
    store: Store, doctor: Doctor, damage: str, told: str
) -> None:
    before = rows_of(store)
    assert execute(store, damage) > 0
    (fault, *_) = doctor.failed()[VIEWS_EQUAL]
    assert told in fault
    assert run(["rebuild", "--store", store]) == 0
    assert doctor.failed() == {}
    assert rows_of(store) == before


def test_faults_that_are_not_named_are_counted(
    store: Store, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = execute(store, "UPDATE current_steps SET status = 'changed'")
    assert changed > 1
    monkeypatch.setattr("engine.proving.FAULTS_MAX", 1)
    named, others = doctor.failed()[VIEWS_EQUAL]
    assert "status is 'changed'" in named
    assert others == f"and {changed - 1} more"


def test_the_whole_chain_is_not_read_twice(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run(["doctor", "--full", "--store", store, "--json"]) in (0, 1)
    checks = [check["check"] for check in json.loads(capsys.readouterr().out)]
    assert [name for name in checks if "chain" in name] == [WHOLE_CHAIN]


def test_a_row_without_events_is_told_and_removed(
    store: Store, doctor: Doctor, capsys: pytest.CaptureFixture[str]
) -> None:
    stray = ("INSERT INTO {0} SELECT {1} FROM {0} WHERE status = 'open'").format(
        "debts", ", ".join(_stray(name, store) for name in VIEWS["debts"].kinds)
    )
    names = ", ".join(VIEWS["debts"].kinds)
    stray = stray.replace("INTO debts", f"INTO debts ({names})")
    assert execute(store, stray) == 1
    assert any("which has no events" in fault for fault in doctor.failed()[VIEWS_EQUAL])
    assert run(["rebuild", "debts", "--store", store]) == 0
    assert "1 rows of streams without events" in capsys.readouterr().out
    assert doctor.failed() == {}


def _stray(column: str, store: Store) -> str:
    if column == "id":
        return "'stray'"
    if column != "commitment":
        return column
    return "gen_random_uuid()" if is_postgres(store) else "randomblob(16)"


def test_an_event_that_was_changed_breaks_the_chain(store: Store, doctor: Doctor) -> None:
    place = "(SELECT max(version) FROM events)"
    changed = f"UPDATE events SET topic = 'timer.fired' WHERE version = {place}"
    assert execute(store, changed) > 0
    assert WHOLE_CHAIN in doctor.failed()


def test_an_event_that_is_gone_leaves_a_stream_that_does_not_fold(
    store: Store, doctor: Doctor
) -> None:
    assert execute(store, "DELETE FROM events WHERE version = 2") > 0
    assert "stands where 2 belongs" in doctor.failed()[FOLDS][0]


def test_a_rebuild_that_dies_in_the_middle_loses_nothing(
    store: Store, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it wrote is right, the rest is as it was; the next one does it all."""
    before = rows_of(store)
    replace, left = ViewWriter.replace, [3]

    def dies(views: ViewWriter, *arguments: Any) -> None:
        left[0] -= 1
        if not left[0]:
            raise MemoryError("killed")
        replace(views, *arguments)

    monkeypatch.setattr(cli_replay, "STREAMS_AT_ONCE", 2)
    monkeypatch.setattr(ViewWriter, "replace", dies)
    assert run(["rebuild", "--store", store]) == 1
    assert rows_of(store) == before
    assert doctor.failed() == {}


async def test_a_rebuild_beside_a_running_engine_is_as_if_it_had_not_been(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Streams move while their rows are written anew."""
    store = f"sqlite:///{tmp_path / 'troth.db'}"
    async with engine_world(tmp_path) as world:
        await world.register()
        for number in range(12):
            await world.publish("partner.applied", {"company": f"c{number}"}, f"e{number}")
        rebuilt = asyncio.get_running_loop().run_in_executor(
            None, lambda: [run(["rebuild", "--store", store]) for _ in range(5)]
        )
        while not rebuilt.done():
            await world.work()
        assert await rebuilt == [0] * 5
    assert Doctor(store, capsys).failed() == {}


def test_a_commitment_is_shown_as_it_was(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replay", "sale/waits", "--store", store, "--json"]) == 0
    now = json.loads(capsys.readouterr().out)
    assert run(["replay", "sale/waits", "--at", "2", "--store", store, "--json"]) == 0
    then = json.loads(capsys.readouterr().out)
    assert then["version"] == 2 < now["version"]
    assert run(["replay", "sale/waits", "--at", then["since"], "--store", store]) == 0
    assert "sale/waits at version" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["replay", "sale/nobody"], 3),
        (["replay", "sale/waits", "--at", "yesterday"], 2),
        (["replay", "sale/waits", "--at", "0"], 3),
        (["rebuild", "everything"], 2),
    ],
)
def test_what_cannot_be_shown_is_said(
    store: Store, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int
) -> None:
    assert run([*arguments, "--store", store]) == code
    assert "error TR" in capsys.readouterr().err
