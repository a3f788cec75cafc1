"""A disk that is full, a file that is locked or damaged, under an engine that runs.

Each is told with its code; what was acknowledged before is there afterwards; the engine goes on.
"""

import json
import os
import resource
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from httpx2 import Client, Response

from tests.integration.engine.test_command_line import ROOT, Running, run, running

DISK_BYTES = 6 * 1024 * 1024
BOUND_S = 30
PARTNER = json.loads((ROOT / "sagas/catalogue/partner_activation.v1.json").read_bytes())
STORE = ("--store", "sqlite:///.dev/troth.db")


def register(engine: Running) -> None:
    with engine.client("operator") as client:
        path = "/v1/definitions/partner-activation/1"
        assert client.put(path, json=PARTNER).status_code == 201


def publish(client: Client, name: str, note: str = "") -> Response:
    event = {
        "specversion": "1.0", "source": "urn:test", "type": "partner.applied", "id": name,
        "data": {"company": name, "note": note},
    }  # fmt: skip
    headers = {"Content-Type": "application/cloudevents+json"}
    return client.post("/v1/events", content=json.dumps(event), headers=headers)


def code_of(answer: Response) -> Any:
    return answer.json().get("code")


def until(client: Client, name: str, status: int) -> Response:
    """Publish until it is answered so, within a bound: a sender that tries again."""
    ends_s = time.monotonic() + BOUND_S
    while (answer := publish(client, name)).status_code != status:
        assert time.monotonic() < ends_s, answer.text
    return answer


def until_refused(client: Client, acknowledged: set[str]) -> tuple[str, Response]:
    """Publish long events until one is refused; the others are acknowledged."""
    for number in range(200):
        name = f"c{number}"
        answer = publish(client, name, "x" * 20_000)
        if answer.status_code != 202:
            return name, answer
        acknowledged.add(name)
    raise AssertionError("the disk never filled up")


def keys_of(engine: Running) -> set[str]:
    """The companies that have a commitment."""
    with engine.client("reader") as client:
        page = client.get("/v1/commitments?limit=1000").json()
    assert page["next"] is None
    return {one["key"] for one in page["items"]}


@contextmanager
def small_disk(place: Path) -> Iterator[bool]:
    """A file system of a few mebibytes; False where only root may make one."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(place)]
    mounted = os.geteuid() == 0 and subprocess.run(mount, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(place)], check=True)


@contextmanager
def no_room(disk: Path, engine: Running, *, mounted: bool) -> Iterator[None]:
    """The disk is full; where none could be made, no file of the engine may grow."""
    pid = engine.process.pid
    if not mounted:
        most = max(file.stat().st_size for file in (disk / ".dev").iterdir())
        hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, hard))
        yield
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
        return
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    yield
    filler.unlink()


def test_a_full_disk_refuses_with_its_code_and_loses_nothing(tmp_path: Path) -> None:
    """What was answered 202 is there, also after kill -9; once there is room, it goes on."""
    disk = tmp_path / "disk"
    with small_disk(disk) as mounted:
        with running(disk) as engine, engine.client("producer") as client:
            register(engine)
            acknowledged = {name for name in ("a", "b") if publish(client, name).status_code == 202}
            with no_room(disk, engine, mounted=mounted):
                name, refused = until_refused(client, acknowledged)
                assert (refused.status_code, code_of(refused)) in {(503, "TR703"), (503, "TR707")}
                assert not mounted or code_of(refused) == "TR703"
                assert "Retry-After" in refused.headers
                ready = client.get("/readyz")
                assert (ready.status_code, ready.json()["ready"]) == (503, False)
                assert keys_of(engine) == acknowledged
            until(client, name, 202)
            acknowledged.add(name)
            assert client.get("/readyz").status_code == 200
            engine.process.kill()
        with running(disk) as engine, engine.client("producer") as client:
            assert keys_of(engine) == acknowledged
            assert publish(client, "later").status_code == 202
        assert run(disk, "verify", *STORE).returncode == 0


def test_a_file_that_another_program_locks_refuses_and_goes_on(tmp_path: Path) -> None:
    with running(tmp_path) as engine, engine.client("producer") as client:
        register(engine)
        assert publish(client, "a").status_code == 202
        with closing(sqlite3.connect(tmp_path / ".dev/troth.db")) as other:
            other.execute("BEGIN IMMEDIATE")
            refused = publish(client, "b")
            assert (refused.status_code, code_of(refused)) == (503, "TR701"), refused.text
            assert keys_of(engine) == {"a"}
            other.rollback()
        until(client, "b", 202)
        assert keys_of(engine) == {"a", "b"}


def test_damaged_pages_are_told_and_the_rest_is_served(tmp_path: Path) -> None:
    """The history of one is unreadable: its reader is told so, and its neighbour is not touched."""
    with running(tmp_path) as engine, engine.client("producer") as client:
        register(engine)
        for name in ("first", "big", "last"):
            assert publish(client, name, name * 20_000).status_code == 202
    # The end without a farewell left the log beside the file: put all of it into the file.
    path = tmp_path / ".dev/troth.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(path.read_bytes())
    for page in range(0, len(data), 4096):
        if data[page] == 0 and data[page + 100 : page + 112] == b"bigbigbigbig":
            data[page : page + 4096] = b"\xa5" * 4096
    path.write_bytes(data)
    with running(tmp_path) as engine, engine.client("reader") as client:
        sound = client.get("/v1/sagas/partner-activation/keys/last/history")
        assert sound.status_code == 200
        broken = client.get("/v1/sagas/partner-activation/keys/big/history")
        assert (broken.status_code, code_of(broken)) == (500, "TR702"), broken.text
        with engine.client("producer") as producer:
            assert publish(producer, "another").status_code == 202
    found = run(tmp_path, "doctor", *STORE)
    assert (found.returncode, "TR702" in found.stderr) == (1, True), found.stderr


@pytest.mark.parametrize("command", ["serve", "dev"])
def test_a_folder_nobody_may_write_to_is_said(tmp_path: Path, command: str) -> None:
    """A file stands where the folder of the store should be."""
    (tmp_path / "taken").write_text("x")
    run(tmp_path, "keys", "add", "--role", "reader", "--tenant", "north")
    done = run(tmp_path, command, "--listen", "127.0.0.1:0", "--store", "sqlite:///taken/troth.db")
    assert done.returncode in {2, 4}, done.stderr
    assert "TR707" in done.stderr or "TR714" in done.stderr
    assert "Traceback" not in done.stderr
