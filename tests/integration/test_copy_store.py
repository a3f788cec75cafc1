"""Copying a store: to PostgreSQL, to more or fewer lanes, and back; what is refused; and a kill."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from shutil import copyfile
from typing import Any

import orjson
import psycopg
import pytest

from adapters.postgres import PostgresCluster, PostgresStore, migrate
from adapters.postgres import cluster as cluster_module
from adapters.postgres import tables as postgres_tables
from adapters.sql import copying
from adapters.sqlite import SqliteStore
from adapters.sqlite import tables as sqlite_tables
from adapters.sqlite.copying import UNFINISHED
from domain.errors import Refusal
from domain.ports import StoreFailed
from engine.cli import run
from engine.copying import copy_store
from engine.offline import open_offline
from tests.integration.copy_world import (
    DatabasePlace,
    Deals,
    misplaced,
    picture,
    sqlite_deals,
)
from tests.integration.lane_places import SqlitePlace
from tests.servers import Databases

BOUND_S = 30


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Deals]:
    path = tmp_path_factory.mktemp("deals") / "troth.db"
    return path, sqlite_deals(path)


@pytest.fixture
def deals(prepared: tuple[Path, Deals], tmp_path: Path) -> Deals:
    """Deals half way, in troth.db."""
    path, deals = prepared
    copyfile(path, tmp_path / "troth.db")
    return deals


class Emptied:
    """Databases with the tables of a store and nothing in them, as a killed copy leaves them."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases
        self._made: list[str] = []
        self._given = 0

    def create(self) -> str:
        """One that nobody else has in this test."""
        if self._given == len(self._made):
            template = self._databases.template("no_store", migrate)
            self._made.append(self._databases.create(template))
        self._given += 1
        url = self._made[self._given - 1]
        with psycopg.connect(url) as db:
            for table in postgres_tables.metadata.tables:
                db.execute(f"DELETE FROM {table}".encode())
        return url

    def again(self) -> None:
        """The next test begins: all may be given out once more."""
        self._given = 0

    def drop_all(self) -> None:
        for url in self._made:
            self._databases.drop(url)


@pytest.fixture(scope="module")
def all_emptied(databases: Databases) -> Iterator[Emptied]:
    made = Emptied(databases)
    yield made
    made.drop_all()


@pytest.fixture
def emptied(all_emptied: Emptied) -> Emptied:
    all_emptied.again()
    return all_emptied


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


def copied(source: str, target: str, lanes: int | None = None) -> Any:
    return copy_store(source, target, lanes, lambda *_: None)


def alias(source: str, target: str, lanes: int | None = None) -> str:
    """The alias of the refusal of a copy."""
    with pytest.raises((Refusal, StoreFailed)) as refused:
        copied(source, target, lanes)
    return refused.value.alias


def is_sound(url: str, capsys: pytest.CaptureFixture[str]) -> bool:
    """Whether verify and doctor find nothing."""
    codes = [run(["verify", "--store", url]), run(["doctor", "--store", url])]
    return codes == [0, 0] or pytest.fail(capsys.readouterr().out)


def test_a_copy_goes_on_where_the_store_was_whatever_its_lanes(
    deals: Deals,
    tmp_path: Path,
    emptied: Emptied,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """SQLite, 4 lanes, 16 lanes, SQLite: the same streams and rows, and the same end of all."""
    monkeypatch.setattr(copying, "BATCH_ROWS", 7)
    four, sixteen = emptied.create(), emptied.create()
    old, new = url_of(tmp_path / "troth.db"), url_of(tmp_path / "back.db")
    way = [(old, 1), (four, 4), (sixteen, 16), (new, 1)]
    known = picture(old)
    for (source, _), (target, lanes) in pairwise(way):
        copied(source, target, lanes)
        assert is_sound(target, capsys)
        assert misplaced(target) == []
        found = picture(target)
        assert {name: found[name] for name in known} == known
    ends: list[Any] = []
    for url, lanes in way:
        place: Any = SqlitePlace(Path(url.removeprefix("sqlite:///")))
        if url.startswith("postgresql"):
            place = DatabasePlace(url, lanes)
        going_on = deals.moved_to(place)
        assert going_on.world.lane.incarnation == 1 + way.index((url, lanes))
        if url != old:
            said = going_on.old_tokens()
            assert said == {"held": "refused", "begun": "lost", "paying": "lost"}
        ends.append(going_on.finish())
        going_on.close()
        assert is_sound(url, capsys)
    assert ends == [ends[0]] * len(ends)
    assert set(ends[0]["books"].values()) == {1}
    assert set(ends[0]["ends"].values()) == {"fulfilled", "cancelled"}


def test_a_late_answer_under_an_old_token_never_leads_to_a_second_payment(
    deals: Deals, tmp_path: Path, emptied: Emptied
) -> None:
    """In the same lane it settles the effect; in another it is refused and a person is asked."""
    database = emptied.create()
    other = tmp_path / "other.db"
    copied(url_of(tmp_path / "troth.db"), database, 4)
    copied(url_of(tmp_path / "troth.db"), url_of(other))
    heard: list[tuple[str, str]] = []
    for place in (DatabasePlace(database, 4), SqlitePlace(other)):
        going_on = deals.moved_to(place)
        said = going_on.world.reply(deals.old["paying"], result={})["status"]
        heard.append((said, going_on.world.step("paying")["status"]))
        going_on.world.later(3_600_000_000)
        effects = [claim["effect"] for claim in going_on.claims().values()]
        assert deals.old["paying"]["effect"] not in effects
        going_on.close()
    assert heard == [("fenced", "open"), ("late", "fulfilled")]


def test_what_was_published_comes_first_and_is_not_published_again(
    deals: Deals, tmp_path: Path, emptied: Emptied
) -> None:
    """Each new lane's cursor stands behind exactly what the old cursors had passed."""
    four, three = emptied.create(), emptied.create()
    copied(url_of(tmp_path / "troth.db"), four, 4)
    with psycopg.connect(four) as db:
        db.execute("INSERT INTO relays SELECT head / 2, lane, 'kafka' FROM lanes WHERE lane < 3")
        db.execute("INSERT INTO relays VALUES (1, 0, 'kafka-dead-letters')")
        db.execute(
            "INSERT INTO cursors SELECT 5, n, n % 4, 'e', 't', '' FROM generate_series(0,7) n"
        )
    copied(four, three, 3)
    published = """SELECT e.stream, e.version FROM events e JOIN relays r USING (lane)
        WHERE r.name = 'kafka' AND e.position <= r.position ORDER BY 1, 2"""
    with psycopg.connect(four) as db, psycopg.connect(three) as after:
        assert db.execute(published).fetchall() == after.execute(published).fetchall() != []
        letters = "SELECT lane, position FROM relays WHERE name = 'kafka-dead-letters'"
        assert after.execute(letters).fetchall() == [(0, 1)]
        lanes = after.execute("SELECT lane FROM cursors ORDER BY partition").fetchall()
        assert [lane for (lane,) in lanes] == [0, 1, 2, 0, 1, 2, 0, 1]
        # No number of a dead letter or of mail is given twice.
        ((letter,),) = after.execute("SELECT nextval('dead_letters_id_seq')")
        assert letter == 2
    back = tmp_path / "back.db"
    assert any("Kafka" in note for note in copied(three, url_of(back)).notes)


def test_nothing_is_overwritten(deals: Deals, tmp_path: Path, emptied: Emptied) -> None:
    """A store, a file, tables of others, the store itself: refused, and left as they are."""
    old, url = url_of(tmp_path / "troth.db"), emptied.create()
    before = (tmp_path / "troth.db").read_bytes()
    assert alias(old, old) == "store.not_empty"
    assert alias(old, url_of(tmp_path / "sub" / ".." / "troth.db")) == "store.not_empty"
    (tmp_path / "notes.txt").write_text("mine")
    assert alias(old, url_of(tmp_path / "notes.txt")) == "store.not_empty"
    assert (tmp_path / "notes.txt").read_text() == "mine"
    copied(old, url, 2)
    known = picture(url)
    assert alias(old, url, 2) == alias(url, url, 4) == "store.not_empty"
    assert alias(url, old) == "store.not_empty"
    assert picture(url) == known
    made = emptied.create()
    migrate(made, 4)
    assert alias(old, made) == "store.not_empty"
    foreign = emptied.create()
    with psycopg.connect(foreign) as db:
        db.execute("ALTER TABLE lanes RENAME TO streets")
    assert alias(old, foreign) == "store.not_empty"
    with psycopg.connect(foreign) as db:
        db.execute("ALTER TABLE streets RENAME TO lanes")
    assert alias(old, url_of(tmp_path / "two.db"), 2) == "store.lanes"
    assert alias(old, made, 4_000) == "store.lanes"
    assert alias(old, "mysql://x") == "settings.value"
    assert (tmp_path / "troth.db").read_bytes() == before


def test_a_store_that_somebody_uses_is_not_copied(
    deals: Deals,
    tmp_path: Path,
    emptied: Emptied,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On SQLite the lock says so, on PostgreSQL the heartbeat; afterwards nobody can begin."""
    database = emptied.create()
    old, target = url_of(tmp_path / "troth.db"), url_of(tmp_path / "new.db")
    with closing(SqliteStore.open(old, now_us=1)):
        assert alias(old, target) == "store.locked"
    assert alias(url_of(tmp_path / "none.db"), target) == "http.not_found"
    assert not (tmp_path / "none.db.lock").exists()
    copied(old, database, 4)
    cluster = PostgresCluster(database, process="engine", backend=lambda: "")
    assert cluster.claim(1) is not None
    assert alias(database, target) == "store.locked"
    cluster.leave()
    monkeypatch.setattr(cluster_module, "WAIT_FOR_ROW_MS", 100)
    tried: list[Any] = []

    def claims_meanwhile(*_: Any) -> None:
        if not tried:
            late = PostgresCluster(database, process="late", backend=lambda: "")
            tried.append(late.claim(1))
            late.close()

    copy_store(database, target, None, claims_meanwhile)
    assert tried == [None]


def test_a_log_that_does_not_verify_is_not_copied(deals: Deals, tmp_path: Path) -> None:
    """A changed event is found while it is read; no target is left."""
    with closing(sqlite3.connect(tmp_path / "troth.db")) as db, db:
        db.execute("UPDATE events SET state = CAST(state || ' ' AS BLOB) WHERE position = 5")
    assert alias(url_of(tmp_path / "troth.db"), url_of(tmp_path / "new.db")) == "verify.broken"
    assert [path.name for path in tmp_path.glob("new.db*")] == ["new.db.lock"]
    with closing(sqlite3.connect(tmp_path / "troth.db")) as db, db:
        db.execute("DELETE FROM events WHERE position = (SELECT max(position) FROM events)")
    assert alias(url_of(tmp_path / "troth.db"), url_of(tmp_path / "new.db")) == "verify.broken"


def test_requests_on_their_way_to_a_lane_are_applied_first(
    deals: Deals,
    tmp_path: Path,
    emptied: Emptied,
) -> None:
    """They were promised to be applied, and name a lane that another number does not have."""
    four, same = emptied.create(), emptied.create()
    copied(url_of(tmp_path / "troth.db"), four, 4)
    with psycopg.connect(four) as db:
        db.execute(
            "INSERT INTO inbox (accepted_us, lane, tries, tenant, kind, asker, ask, body)"
            " VALUES (1, 2, 0, 'north', 'request.control', 'p', 'a', '{}')"
        )
    assert alias(four, same, 8) == "store.unapplied"
    assert alias(four, url_of(tmp_path / "new.db")) == "store.unapplied"
    assert copied(four, same).tables["inbox"] == 1


KILLED = """
import sys
from engine.copying import copy_store
def tell(table, done, total):
    print(table, flush=True)
    sys.stdin.read()
copy_store(sys.argv[1], sys.argv[2], 4 if len(sys.argv) > 3 else None, tell)
"""


@pytest.mark.parametrize("is_database", [True, False])
def test_a_copy_that_is_killed_leaves_no_store_and_can_be_made_again(
    deals: Deals,
    tmp_path: Path,
    fresh_database: str,
    is_database: bool,
) -> None:
    """The source is as it was; no engine opens what is left; the next copy makes it anew."""
    old = url_of(tmp_path / "troth.db")
    target = fresh_database if is_database else url_of(tmp_path / "new.db")
    before = picture(old)
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, old, target, *(["4"] if is_database else [])],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stdout.readline() == "events\n"
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=BOUND_S)
    assert picture(old) == before
    assert is_database or (tmp_path / f"new.db{UNFINISHED}").exists()
    with pytest.raises(StoreFailed) as refused:
        _ = PostgresStore.open(target, process="p") if is_database else open_offline(target)
    assert refused.value.alias == ("store.format" if is_database else "http.not_found")
    copied(old, target, 4 if is_database else None)
    found = picture(target)
    assert {name: found[name] for name in before} == before
    assert not (tmp_path / f"new.db{UNFINISHED}").exists()


def test_the_command_says_what_was_copied_and_what_comes_next(
    deals: Deals,
    tmp_path: Path,
    emptied: Emptied,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The setting names the source; heads and chains are told; a second time it is refused."""
    database = emptied.create()
    monkeypatch.setenv("TROTH_STORE_URL", url_of(tmp_path / "troth.db"))
    assert run(["copy", "--to", database, "--lanes", "4", "--json"]) == 0
    told = orjson.loads(capsys.readouterr().out)
    with closing(open_offline(database)) as store:
        heads = [(r.lane, r.head.position, r.head.chain.hex()) for r in store.lanes()]
        assert [(r["lane"], r["head"], r["chain"]) for r in told["lanes"]] == heads
        assert (told["store"], told["incarnation"]) == (store.id, store.incarnation)
    assert told["tables"]["events"] == sum(head for _, head, _ in heads)
    assert run(["copy", "--to", database]) == 4
    assert "TR716" in capsys.readouterr().err
    target = url_of(tmp_path / "back.db")
    assert run(["copy", "--from", database, "--to", target]) == 0
    out = capsys.readouterr().out
    assert "attempts were under way" in out
    assert "never start one on the old store again" in out


def test_every_table_is_copied_or_left_for_a_reason() -> None:
    """A table that is new must be thought of here."""
    thought = {"store", "lanes", "events", "relays", *copying.TABLES, *copying.LEFT}
    assert set(postgres_tables.metadata.tables) == thought
    assert set(sqlite_tables.metadata.tables) <= thought
