"""A database that fails says why, with a code; what was committed stays, and the store goes on."""

import contextlib
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from adapters.postgres import PostgresCluster, PostgresStore, migrate
from adapters.postgres.transaction import PostgresTransaction
from domain.errors import CODES
from domain.ports import LaneBelief, LaneWrite, Receipt, StoreConflict, StoreFailed
from tests.contract.store_world import event, events
from tests.integration.postgres.names import in_lane
from tests.servers import leave_out
from tools.servers import Postgres

NAME = in_lane(0, 1)
BIG = os.urandom(200_000)
WAIT_S = 30.0
BATCHES_MAX = 50
"""Far more than the room that is left on a full disk."""


@pytest.fixture
def url(fresh_database: str) -> str:
    migrate(fresh_database, 1)
    return fresh_database


def opened(url: str, process: str = "p1") -> PostgresStore:
    return PostgresStore.open(url, process=process)


def own(url: str, store: PostgresStore) -> LaneBelief:
    """The one lane, claimed for a store."""
    cluster = PostgresCluster(url, process=store.process, backend=lambda: store.backend)
    belief = cluster.claim(0)
    cluster.close()
    assert belief is not None
    return belief


def append(store: PostgresStore, belief: LaneBelief, state: bytes = b"{}") -> LaneBelief:
    transaction = store.begin(belief)
    try:
        write = events(event(NAME, belief.head + 1, state), after=belief.chain)
        (after,) = transaction.write(write, clock_us=1)
        transaction.commit()
    except BaseException:
        transaction.rollback()
        raise
    return after


def fails(call: Callable[[], object], alias: str) -> str:
    """The call fails with this code; the answer is what it says."""
    with pytest.raises(StoreFailed) as failed:
        call()
    assert failed.value.alias == alias
    assert alias in CODES
    return failed.value.detail


def comes_back(store: PostgresStore) -> LaneBelief:
    """The lane, read as soon as the store has a connection again."""
    waits = threading.Event()
    for _ in range(int(WAIT_S / 0.05)):
        try:
            return store.belief(0)
        except StoreFailed as failed:
            if failed.alias != "store.gone":
                raise
            waits.wait(0.05)
    raise AssertionError("the store did not come back")


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    said = fails(lambda: opened(f"postgresql://troth:secret@127.0.0.1:{port}/troth"), "store.gone")
    assert f"127.0.0.1:{port}/troth" in said
    assert "check that the server runs" in said
    assert "secret" not in said


def test_a_database_that_is_not_there_is_named(url: str) -> None:
    said = fails(lambda: opened(url.rpartition("/")[0] + "/nowhere"), "store.gone")
    assert "nowhere" in said


def test_an_url_that_is_none_is_refused() -> None:
    assert "postgresql://" in fails(lambda: opened("sqlite:///x"), "store.failed")


def test_no_tables_or_older_ones_are_refused_with_what_to_run(fresh_database: str) -> None:
    said = fails(lambda: opened(fresh_database), "store.format")
    assert "troth-engine migrate" in said
    migrate(fresh_database, 2)
    with psycopg.connect(fresh_database) as db:
        db.execute("UPDATE alembic_version SET version_num = '0000'")
    assert "troth-engine migrate" in fails(lambda: opened(fresh_database), "store.format")
    with psycopg.connect(fresh_database) as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "newer" in fails(lambda: opened(fresh_database), "store.format")
    assert "newer" in fails(lambda: migrate(fresh_database), "store.format")


def test_another_number_of_lanes_is_refused_with_the_way_to_do_it(url: str) -> None:
    said = fails(lambda: PostgresStore.open(url, process="p", lanes=4), "store.lanes")
    assert "has 1 lanes, not 4" in said
    assert "troth-engine copy" in said
    assert "troth-engine copy" in fails(lambda: migrate(url, 4), "store.lanes")
    fails(lambda: migrate(url, 0), "store.lanes")
    PostgresStore.open(url, process="p", lanes=1).close()


def test_a_version_that_exists_is_an_alarm_and_a_full_transaction_is_undone(url: str) -> None:
    store = opened(url)
    belief = append(store, own(url, store))
    transaction = store.begin(belief)
    receipt = Receipt("north", "crm", "1", b"d" * 32, 5, 5)
    write = events(event(NAME, 1))
    write.receipts.append(receipt)
    said = fails(lambda: transaction.write(write, clock_us=1), "store.failed")
    assert "events_stream" in said
    transaction.rollback()
    assert append(store, belief).head == 2
    with psycopg.connect(url) as db:
        assert db.execute("SELECT count(*) FROM receipts").fetchone() == (0,)
    store.close()


def test_two_that_wait_for_each_other_are_a_conflict_and_go_on(url: str) -> None:
    """A deadlock is found by the server: one of the two does it over."""
    one, two = opened(url, "p1"), opened(url, "p2")
    first, second = one.begin(), two.begin()
    rows = [Receipt("north", "crm", str(n), b"d" * 32, n, 5) for n in (1, 2)]
    first.write(LaneWrite(receipts=rows[:1]), clock_us=1)
    second.write(LaneWrite(receipts=rows[1:]), clock_us=1)
    found: list[str] = []

    def cross(transaction: PostgresTransaction, row: Receipt) -> None:
        try:
            transaction.write(LaneWrite(receipts=[row]), clock_us=1)
            transaction.commit()
            found.append("done")
        except StoreConflict:
            transaction.rollback()
            found.append("conflict")

    waits = threading.Thread(target=cross, args=(first, rows[1]))
    waits.start()
    cross(second, rows[0])
    waits.join(WAIT_S)
    assert "conflict" in found
    one.close()
    two.close()


def test_a_connection_that_an_administrator_ended_is_gone_and_comes_back(url: str) -> None:
    store = opened(url)
    belief = append(store, own(url, store))
    transaction = store.begin(belief)
    with psycopg.connect(url) as db:
        db.execute("SELECT pg_terminate_backend(%s, 5000)", [int(store.backend.split(":")[0])])
    before = store.backend
    fails(lambda: transaction.write(LaneWrite(), clock_us=1), "store.gone")
    transaction.rollback()
    assert append(store, comes_back(store)).head == 2
    assert store.backend != before
    with psycopg.connect(url) as db:
        assert db.execute("SELECT backend FROM lanes").fetchone() == (store.backend,)
    store.close()


def test_a_killed_server_keeps_what_was_committed_and_nothing_else(own_postgres: Postgres) -> None:
    url = own_postgres.address
    migrate(url, 1)
    store = opened(url)
    belief = append(store, own(url, store))
    transaction = store.begin(belief)
    transaction.write(events(event(NAME, 2), after=b"p" * 32), clock_us=9)
    own_postgres.kill()
    fails(transaction.commit, "store.gone")
    transaction.rollback()
    assert "check that the server runs" in fails(lambda: store.belief(0), "store.gone")
    own_postgres.restart()
    assert comes_back(store) == belief
    assert append(store, belief).head == 2
    store.close()


class Proxy:
    """Between a client and the server; it cuts the line when it is told to, as a network does."""

    def __init__(self, url: str) -> None:
        parts = conninfo_to_dict(url)
        self._server = (str(parts["host"]), int(str(parts["port"])))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = url.replace(f":{parts['port']}/", f":{self._listener.getsockname()[1]}/")
        self.cut_answer_to: bytes | None = None
        self._links: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                self._links += [client, server]
                threading.Thread(target=self._pump, args=(client, server), daemon=True).start()
                threading.Thread(target=self._pump, args=(server, client), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if self.cut_answer_to is not None and self.cut_answer_to in data:
                    # The server gets it, the client never hears of it.
                    target.sendall(data)
                    self._reset(source)
                    return
                target.sendall(data)
        self._reset(target)

    def _reset(self, link: socket.socket) -> None:
        with contextlib.suppress(OSError):
            link.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()
        for link in self._links:
            link.close()


@pytest.fixture
def proxy(url: str) -> Iterator[Proxy]:
    between = Proxy(url)
    yield between
    between.close()


def test_a_commit_whose_answer_is_lost_is_gone_and_is_read_again(url: str, proxy: Proxy) -> None:
    store = opened(proxy.url)
    belief = own(url, store)
    # The first one prepares COMMIT: from then on its name is all that is sent of it.
    belief = append(store, belief)
    transaction = store.begin(belief)
    write = events(event(NAME, 2), after=belief.chain)
    transaction.write(write, clock_us=1)
    proxy.cut_answer_to = b""
    said = fails(transaction.commit, "store.gone")
    assert "check that" in said
    transaction.rollback()
    proxy.cut_answer_to = None
    found = comes_back(store)
    assert found.head in (1, 2)
    with psycopg.connect(url) as db:
        assert db.execute("SELECT max(position) FROM events").fetchone() == (found.head,)
    transaction = store.begin(found)
    stored = write.events[0].originator_id
    assert isinstance(stored, UUID)
    assert transaction.load(stored).version == found.head
    transaction.rollback()
    store.close()


@pytest.fixture
def small_disk(pytestconfig: pytest.Config) -> Iterator[Path]:
    """A file system of 48 MiB for the log and the tables, which the server's user may enter."""
    place = Path("/var/tmp") / f"troth-small-{os.getpid()}"
    place.mkdir(mode=0o755)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48m,mode=777", "tmpfs", str(place)], check=False
    )
    if mounted.returncode != 0:
        place.rmdir()
        leave_out(pytestconfig, "only root can mount a small file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
        shutil.rmtree(place, ignore_errors=True)


def test_a_full_disk_refuses_the_batch_and_goes_on_when_there_is_room(
    own_postgres: Postgres, small_disk: Path
) -> None:
    url = own_postgres.address
    inside = small_disk / "space"
    inside.mkdir()
    shutil.chown(inside, own_postgres.data.owner())
    inside.chmod(0o700)
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(f"CREATE TABLESPACE small LOCATION '{inside}'".encode())
        db.execute("CREATE DATABASE tight TABLESPACE small")
    tight = url.rpartition("/")[0] + "/tight"
    migrate(tight, 1)
    store = opened(tight)
    belief = own(tight, store)
    ballast = small_disk / "ballast"
    with ballast.open("wb") as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(65_536))
            file.flush()

    def fill() -> None:
        nonlocal belief
        for _ in range(BATCHES_MAX):
            belief = append(store, belief, BIG)

    fails(fill, "store.full")
    assert store.belief(0) == belief
    ballast.unlink()
    assert append(store, belief, BIG).head == belief.head + 1
    store.close()
