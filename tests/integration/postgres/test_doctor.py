"""The commands that look at a store from outside, on a database of three lanes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from adapters.postgres.cluster import PostgresCluster
from adapters.postgres.offline import PostgresOffline
from adapters.postgres.schema import migrate
from adapters.postgres.store import PostgresStore
from domain.ports import StoreFailed
from engine.cli import run
from tests.contract.reader_contract import state
from tests.contract.store_world import dispatch, event, events, step_row, stream
from tests.integration.postgres.test_reader import LANES, names_of
from tests.servers import Databases


@pytest.fixture
def url(databases: Databases) -> Iterator[str]:
    made = databases.create(databases.template("reader_3", lambda url: migrate(url, LANES)))
    yield made
    databases.drop(made)


class Terminal:
    """Runs commands on the database and keeps what they printed."""

    def __init__(self, url: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._url = url
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, *arguments: str) -> int:
        code = run([*arguments, "--store", self._url])
        self.out, self.err = self._capsys.readouterr()
        return code

    def doctor(self) -> dict[str, list[str]]:
        """What was found, by check."""
        code = self("doctor", "--json")
        checks = json.loads(self.out)
        found = {one["check"]: one["found"] for one in checks}
        assert code == int(any(found.values())), self.out
        assert all(one["ok"] is not bool(one["found"]) for one in checks)
        return {name: lines for name, lines in found.items() if lines}


@pytest.fixture
def terminal(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Terminal:
    monkeypatch.chdir(tmp_path)
    return Terminal(url, capsys)


@pytest.fixture
def written(url: str) -> str:
    """A store with events in every lane."""
    with closing(PostgresStore.open(url, process="test")) as store:
        for lane in range(LANES):
            first, second = names_of(lane, 2)
            write = events(event(first, 1, state()), event(second, 1, state()),
                           event(first, 2, state()))  # fmt: skip
            write.views.append(step_row(first, 2, lane=lane, status="fulfilled"))
            transaction = store.begin(store.belief(lane))
            transaction.write(write, clock_us=1)
            transaction.commit()
    return url


def change(url: str, statement: str, *values: Any) -> None:
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(statement, values)  # pyright: ignore[reportArgumentType] - of this test


@pytest.mark.usefixtures("written")
def test_every_lane_is_verified_and_exported(terminal: Terminal, tmp_path: Path) -> None:
    assert (terminal("verify"), terminal.out.count("the chain holds")) == (0, LANES)
    path = tmp_path / "all.ndjson"
    assert terminal("export", "-o", str(path)) == 0
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["lane"] for line in lines if "lane" in line] == [0, 1, 2]
    assert len(lines) == LANES * 4
    assert (terminal("verify", str(path)), terminal.out.count("the chain holds")) == (0, LANES)
    one = tmp_path / "one.ndjson"
    assert terminal("export", "--lane", "2", "-o", str(one)) == 0
    assert terminal("verify", str(one)) == 0
    assert terminal("export", "--lane", "3") == 3
    (name,) = names_of(1)
    assert terminal("export", f"loan/{name}#1", "--tenant", "north", "-o", str(one)) == 0
    read = [json.loads(line) for line in one.read_text().splitlines()]
    assert {line["stream"] for line in read} == {str(stream(name))}


@pytest.mark.parametrize(
    "changed", ["topic = 'node.failed'", r"state = '\x0102'", r"state = '\xff'"]
)
def test_a_changed_row_is_found_in_its_lane(terminal: Terminal, written: str, changed: str) -> None:
    """Also one whose state cannot be unpacked any more."""
    change(written, f"UPDATE events SET {changed} WHERE lane = 1 AND position = 3")
    assert terminal("verify") == 1
    assert "lane 1" in terminal.err
    assert terminal.out.count("the chain holds") == LANES - 1


def test_a_sound_store_has_no_finding(terminal: Terminal, written: str) -> None:
    assert terminal.doctor() == {}
    assert (terminal("doctor"), "FAIL" in terminal.out) == (0, False)


def test_what_no_engine_may_leave_behind_is_found(terminal: Terminal, written: str) -> None:
    (name,) = names_of(2)
    with closing(PostgresStore.open(written, process="test")) as store:
        write = events()
        write.offered.append(dispatch(name))
        write.views.append(step_row(names_of(2, 3)[2], 1, lane=2, body={"waits_for": []}))
        waits = {"waits_for": [{"kind": "event"}]}
        write.views.append(step_row(names_of(2, 4)[3], 1, lane=2, body=waits))
        transaction = store.begin(store.belief(2))
        transaction.write(write, clock_us=1)
        transaction.commit()
    change(written, "UPDATE dispatches SET state = 'started', lease_until_us = 1")
    change(written, "INSERT INTO timers VALUES (1, 2, %s)", stream(name))
    change(written, "UPDATE lanes SET head = head + 1 WHERE lane = 0")
    found = terminal.doctor()
    assert found.keys() == {
        "2 9 chain of the newest events", "6 every commitment has a next wake-up",
        "6 leases are swept", "12 timers fire",
    }  # fmt: skip
    assert len(found["6 every commitment has a next wake-up"]) == 1


def test_a_lane_without_a_living_owner_is_found(terminal: Terminal, written: str) -> None:
    """Of a dead process; and one that nobody takes while engines run."""
    one = PostgresCluster(written, process="one", backend=lambda: "")
    try:
        assert one.claim(0) is not None
        (released,) = terminal.doctor().values()
        assert released == [f"lane {n} is released, and nobody took it" for n in (1, 2)]
        change(written, "UPDATE processes SET beat_us = 1")
        (silent,) = terminal.doctor().values()
        assert len(silent) == 1
        assert silent[0].startswith("lane 0: one was not heard of")
    finally:
        one.close()


def test_what_the_server_may_not_do_is_found(
    terminal: Terminal, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unsafe setting, a clock that is off, an old transaction, an index that is not valid."""
    with psycopg.connect(written) as db:
        (name,) = db.execute("SELECT current_database()").fetchone() or ("",)
    change(written, f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    change(
        written,
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'events_stream'::regclass",
    )
    monkeypatch.setattr("adapters.postgres.offline.wall_us", lambda: 1)
    monkeypatch.setattr("adapters.postgres.offline.TRANSACTION_MAX_S", 0)
    with psycopg.connect(written) as idle:
        idle.execute("SELECT 1")
        found = terminal.doctor()
    assert found["1 what was answered survives a crash"] == ["synchronous_commit is off"]
    assert found["file is sound"] == ["index events_stream is not valid"]
    assert "clock is -" in found["12 clocks agree"][0]
    assert "idle in transaction" in found["no old transaction holds vacuum back"][0]


def test_statistics_and_dead_rows_are_found(
    terminal: Terminal, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.postgres.offline.UNSEEN_ROWS_MIN", 100)
    monkeypatch.setattr("adapters.postgres.offline.DEAD_ROWS_MIN", 100)
    with psycopg.connect(written, autocommit=True) as db:
        db.execute("ALTER TABLE tracking SET (autovacuum_enabled = off)")
        db.execute("INSERT INTO tracking SELECT n, n::text FROM generate_series(1, 600) AS n")
        db.execute("DELETE FROM tracking WHERE position <= 400")
        db.execute("SELECT pg_stat_force_next_flush()")
        db.execute("SELECT 1")
    found = terminal.doctor()
    assert found["tables are analyzed"] == ["tracking: 200 rows, never analyzed"]
    assert found["vacuum keeps up"] == ["tracking: 400 dead rows beside 200 live ones"]
    change(written, "VACUUM (ANALYZE) tracking")
    change(written, "SELECT pg_stat_force_next_flush()")
    assert terminal.doctor() == {}


def test_a_database_that_is_no_store_is_told(
    fresh_database: str, terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("doctor", "verify", "export"):
        assert run([command, "--store", fresh_database]) == 4
        assert "troth-engine migrate" in capsys.readouterr().err
    assert run(["migrate", "--lanes", "5", "--store", fresh_database]) == 0
    told = capsys.readouterr().out
    assert "from nothing" in told
    assert run(["migrate", "--lanes", "6", "--store", fresh_database]) == 4
    assert "5 lanes, not 6" in capsys.readouterr().err
    assert run(["doctor", "--store", fresh_database]) == 0


def test_a_password_is_not_shown(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    secret = make_conninfo(url, password="s3cr3t")
    parts = conninfo_to_dict(secret)
    hidden = "postgresql://{user}:{password}@{host}:{port}/{dbname}".format(**parts)
    assert run(["migrate", "--store", hidden]) == 0
    assert run(["verify", "--store", hidden]) == 0
    told = capsys.readouterr()
    assert "s3cr3t" not in told.out + told.err


def test_a_server_that_is_away_is_told() -> None:
    with pytest.raises(StoreFailed) as failed:
        PostgresOffline("postgresql://nobody@127.0.0.1:1/troth")
    assert failed.value.alias == "store.gone"
