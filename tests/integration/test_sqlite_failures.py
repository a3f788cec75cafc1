"""A store that cannot work says why, with a code, and keeps all that was acknowledged."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from adapters.sqlite import SqliteStore, migrate
from domain.errors import CODES
from domain.ports import LaneWrite, Receipt, StoreFailed
from tests.contract.store_world import ask, commit, event, events, stream

BIG = b'{"x":"' + b"y" * 60_000 + b'"}'
FULL = 2
SMALL_DISK = 3 * 1024 * 1024
HOLD = """
import sys
from adapters.sqlite import SqliteStore
store = SqliteStore.open(sys.argv[1], now_us=1)
print(store.belief(0).epoch, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "troth.db"


def open_store(path: Path, lanes: int = 1) -> SqliteStore:
    return SqliteStore.open(f"sqlite:///{path}", now_us=1, lanes=lanes)


def refused(path: Path, alias: str, lanes: int = 1) -> str:
    """Opening is refused with this code; the answer is what it says."""
    with pytest.raises(StoreFailed) as failed:
        open_store(path, lanes)
    assert failed.value.alias == alias
    assert alias in CODES
    return failed.value.detail


def change(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(sql)


def fill(path: Path, batches: int = 20) -> None:
    """A store with some hundred kilobytes of log, closed and checkpointed."""
    with closing(open_store(path)) as store:
        for number in range(1, batches + 1):
            found = ask(store, lambda t: t.load(stream("a")))
            commit(store, events(event("a", number, BIG), after=found.hash))


def test_every_commit_is_flushed_unless_it_was_asked_otherwise(path: Path) -> None:
    with closing(open_store(path)) as store:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        found = [store.connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]
    assert found == ["wal", FULL, 1, 5_000]


def test_a_second_engine_is_refused_and_told_who_holds_the_store(path: Path) -> None:
    with closing(open_store(path)):
        assert f"process id {os.getpid()}" in refused(path, "store.locked")
    open_store(path).close()


def test_a_second_process_is_refused_until_the_first_is_gone(path: Path) -> None:
    first = subprocess.Popen(
        [sys.executable, "-c", HOLD, f"sqlite:///{path}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert first.stdin is not None
    assert first.stdout is not None
    with first.stdin, first.stdout:
        assert first.stdout.readline() == b"1\n"
        assert f"process id {first.pid}" in refused(path, "store.locked")
        with pytest.raises(StoreFailed) as failed:
            migrate(f"sqlite:///{path}")
        assert failed.value.alias == "store.locked"
        first.kill()
        first.wait()
    with closing(open_store(path)) as store:
        assert store.belief(0).epoch == 2


def test_a_file_that_another_program_writes_to_is_locked(path: Path) -> None:
    with closing(open_store(path)) as store, closing(sqlite3.connect(path)) as other:
        store.connection.execute("PRAGMA busy_timeout = 10")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreFailed) as failed:
            store.begin(store.belief(0))
        assert failed.value.alias == "store.locked"
        other.rollback()
        commit(store, events(event("a", 1)))


def test_a_file_that_is_no_database_is_corrupt(path: Path) -> None:
    path.write_bytes(b"this was never a database\n" * 500)
    refused(path, "store.corrupt")


def test_an_overwritten_header_is_corrupt(path: Path) -> None:
    fill(path, 1)
    with path.open("r+b") as file:
        file.write(bytes(200))
    refused(path, "store.corrupt")


def test_overwritten_pages_are_found_when_they_are_read(path: Path) -> None:
    fill(path)
    data = bytearray(path.read_bytes())
    for page in range(0, len(data), 4096):
        # A page that continues a long row: it begins with the number of the next one.
        if data[page] == 0 and data[page + 100 : page + 200] == b"y" * 100:
            data[page : page + 4096] = b"\xa5" * 4096
    path.write_bytes(data)
    with closing(open_store(path)) as store, pytest.raises(StoreFailed) as failed:
        ask(store, lambda t: t.load(stream("a")))
    assert failed.value.alias == "store.corrupt"


def test_a_log_without_its_tail_is_corrupt(path: Path) -> None:
    fill(path, 3)
    change(path, "DELETE FROM events WHERE position = 3")
    assert "ends at 2" in refused(path, "store.corrupt")


def test_a_stream_with_a_hole_is_corrupt(path: Path) -> None:
    fill(path, 3)
    change(path, "DELETE FROM events WHERE position = 2")
    with closing(open_store(path)) as store, pytest.raises(StoreFailed) as failed:
        ask(store, lambda t: t.load(stream("a")))
    assert failed.value.alias == "store.corrupt"


def test_a_database_of_something_else_is_not_a_store(path: Path) -> None:
    change(path, "CREATE TABLE customers (name TEXT)")
    refused(path, "store.format")
    with pytest.raises(StoreFailed) as failed:
        migrate(f"sqlite:///{path}")
    assert failed.value.alias == "store.format"


@pytest.mark.parametrize(
    "sql", ["UPDATE alembic_version SET version_num = '9999'", "UPDATE lanes SET format = 2"]
)
def test_a_store_of_another_format_is_refused(path: Path, sql: str) -> None:
    fill(path, 1)
    change(path, sql)
    refused(path, "store.format")


def test_a_newer_store_is_not_migrated(path: Path) -> None:
    fill(path, 1)
    change(path, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreFailed) as failed:
        migrate(f"sqlite:///{path}")
    assert failed.value.alias == "store.format"


def test_the_number_of_lanes_is_fixed(path: Path) -> None:
    refused(path, "store.lanes", lanes=4)
    fill(path, 1)
    change(path, "UPDATE store SET lanes = 16")
    assert "16 lanes" in refused(path, "store.lanes")


@pytest.mark.parametrize(
    "url",
    ["troth.db", "sqlite:///", "sqlite:///:memory:", "sqlite:///a.db?mode=ro", "postgres://x"],
)
def test_a_url_that_names_no_file_is_refused(url: str) -> None:
    with pytest.raises(StoreFailed) as failed:
        SqliteStore.open(url, now_us=1)
    assert failed.value.alias == "store.failed"


def test_a_directory_that_is_not_there_is_named(path: Path) -> None:
    assert "missing" in refused(path.parent / "missing" / "troth.db", "store.failed")


@pytest.mark.parametrize("wrong", [2**63, "\ud800"])
def test_a_value_the_database_cannot_hold_fails_its_batch_only(path: Path, wrong: object) -> None:
    with closing(open_store(path)) as store:
        bad = Receipt("north", str(wrong), "1", b"d", wrong if isinstance(wrong, int) else 1, 1)
        transaction = store.begin(store.belief(0))
        with pytest.raises(StoreFailed) as failed:
            transaction.write(LaneWrite(receipts=[bad]), clock_us=1)
        transaction.rollback()
        assert failed.value.alias == "store.failed"
        commit(store, events(event("a", 1)))


@contextmanager
def limited_pages(store: SqliteStore) -> Iterator[None]:
    """A database that may not grow: SQLite then says what it says on a full disk."""
    pages = store.connection.execute("PRAGMA page_count").fetchone()[0]
    store.connection.execute(f"PRAGMA max_page_count = {pages + 20}")
    yield
    store.connection.execute("PRAGMA max_page_count = 1000000")


def write_until_full(store: SqliteStore) -> tuple[int, StoreFailed]:
    """How many batches were acknowledged before one failed, and how."""
    for number in range(1, 200):
        transaction = store.begin(store.belief(0))
        found = transaction.load(stream("a"))
        try:
            transaction.write(events(event("a", number, BIG), after=found.hash), clock_us=1)
            transaction.commit()
        except StoreFailed as failed:
            transaction.rollback()
            return number - 1, failed
    raise AssertionError("the disk never filled up")


def test_a_full_database_refuses_and_goes_on_once_there_is_room(path: Path) -> None:
    with closing(open_store(path)) as store:
        with limited_pages(store):
            done, failed = write_until_full(store)
        assert failed.alias == "store.full"
        assert store.belief(0).head == done
        commit(store, events(event("b", 1)))
    with closing(open_store(path)) as store:
        assert store.belief(0).head == done + 1
        assert ask(store, lambda t: t.load(stream("a"))).version == done


def small_disk(place: Path) -> bool:
    """Mount a file system of three mebibytes there; False where only root may."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "tmpfs", str(place)]
    return os.geteuid() == 0 and subprocess.run(mount, check=False).returncode == 0


def fill_up(filler: Path) -> None:
    """Write until the disk has no byte left."""
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass


def test_a_full_disk_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """On a real small disk as root; elsewhere the limit of pages above must serve."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = small_disk(disk)
    filler = disk / "filler"
    path = disk / "troth.db"
    try:
        with closing(open_store(path)) as store:
            filler.write_bytes(bytes(1024 * 1024))
            if not mounted:
                store.connection.execute("PRAGMA max_page_count = 300")
            done, failed = write_until_full(store)
            assert failed.alias == "store.full"
            filler.unlink()
            if not mounted:
                store.connection.execute("PRAGMA max_page_count = 1000000")
            commit(store, events(event("b", 1)))
            assert store.belief(0).head == done + 1
        with closing(open_store(path)) as store:
            assert ask(store, lambda t: t.load(stream("a"))).version == done
            assert ask(store, lambda t: t.load(stream("b"))).version == 1
    finally:
        if mounted:
            subprocess.run(["umount", str(disk)], check=True)


def test_a_store_on_a_full_disk_does_not_open_half_made(tmp_path: Path) -> None:
    """What could not be made whole is refused, and made once there is room."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = small_disk(disk)
    filler = disk / "filler"
    try:
        if mounted:
            fill_up(filler)
            assert refused(disk / "troth.db", "store.full")
            filler.unlink()
        open_store(disk / "troth.db").close()
    finally:
        if mounted:
            subprocess.run(["umount", str(disk)], check=True)
