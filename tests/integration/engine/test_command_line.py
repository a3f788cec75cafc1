"""The engine as a process: starting, refusing to start, stopping in order."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from httpx2 import Client

ROOT = Path(__file__).parents[3]
BOUND_S = 30


@dataclass
class Running:
    """An engine in a process of its own, as `dev --json` tells about itself."""

    process: subprocess.Popen[str]
    told: Any

    def client(self, key: str) -> Client:
        headers = {"Authorization": f"Bearer {self.told['keys'][key]}"}
        return Client(base_url=self.told["url"], headers=headers, timeout=BOUND_S)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "engine.cli", *arguments]


def environment(**more: str) -> dict[str, str]:
    # Compiled modules are kept, whatever this machine says: each start would compile everything.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


def run(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), cwd=folder, env=environment(**more), capture_output=True, text=True,
        timeout=BOUND_S, check=False,
    )  # fmt: skip


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[Running]:
    process = subprocess.Popen(
        command("dev", "--json", "--listen", "127.0.0.1:0", *arguments),
        cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        yield Running(process, json.loads(line))
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def end(engine: Running, by: signal.Signals) -> tuple[int, list[Any]]:
    """Send a signal; the exit code and what was logged."""
    engine.process.send_signal(by)
    _, logged = engine.process.communicate(timeout=BOUND_S)
    return engine.process.returncode, [json.loads(line) for line in logged.splitlines()]


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_engine_in_order(tmp_path: Path, by: signal.Signals) -> None:
    """A worker that waits for work is answered at once, and the exit code is 0."""
    with running(tmp_path) as engine:
        answers: list[int] = []

        def wait_for_work() -> None:
            body = {"worker": "w", "contracts": ["crm/nothing@1"]}
            path = "/v1/participants/crm/claims?wait_s=25"
            with engine.client("participant") as client:
                answers.append(client.post(path, json=body).status_code)

        with engine.client("reader") as client:
            waiting = Thread(target=wait_for_work)
            waiting.start()
            while client.get("/readyz").json()["claims_waiting"] == 0:
                pass
        code, logged = end(engine, by)
        waiting.join(BOUND_S)
    assert (code, answers) == (0, [204])
    assert [line["action"] for line in logged] == [
        "lanes_opened",
        "engine_started",
        "engine_draining",
        "engine_stopped",
    ]
    assert logged[-1]["orderly"] is True
    assert {"at", "level", "action"} <= set(logged[0])


def test_the_keys_of_dev_stay_and_open_what_they_say(tmp_path: Path) -> None:
    with running(tmp_path) as engine:
        told = engine.told
        with engine.client("operator") as client:
            assert client.get("/v1/counts").status_code == 200
            assert client.post("/v1/events", json={}).status_code == 403
        end(engine, signal.SIGTERM)
    assert (tmp_path / ".dev/keys.json").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / ".dev/keys.jsonl").stat().st_mode & 0o777 == 0o600
    assert all(
        text not in (tmp_path / ".dev/keys.jsonl").read_text() for text in told["keys"].values()
    )
    with running(tmp_path) as engine:
        assert engine.told["keys"] == told["keys"]


def test_a_revoked_key_is_refused_from_the_next_request_on(tmp_path: Path) -> None:
    with running(tmp_path) as engine, engine.client("reader") as client:
        assert client.get("/v1/counts").status_code == 200
        done = run(tmp_path, "keys", "revoke", "reader", "--file", ".dev/keys.jsonl")
        assert done.returncode == 0
        assert client.get("/v1/counts").json()["code"] == "TR402"


def test_a_port_in_use_is_said_and_nothing_is_started(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run(tmp_path, "dev", "--listen", listen)
    assert done.returncode == 4
    assert "TR710" in done.stderr
    assert listen in done.stderr
    assert not (tmp_path / ".dev/troth.db").exists()


def test_a_second_engine_on_the_same_store_refuses(tmp_path: Path) -> None:
    with running(tmp_path) as engine:
        done = run(tmp_path, "dev", "--listen", "127.0.0.1:0")
        assert (done.returncode, "TR701" in done.stderr) == (4, True)
        assert str(engine.process.pid) in done.stderr
        with engine.client("reader") as client:
            assert client.get("/v1/counts").status_code == 200


def test_a_damaged_file_is_said_and_not_written_to(tmp_path: Path) -> None:
    damaged = tmp_path / "troth.db"
    damaged.write_bytes(b"not a database, but long enough to be read as one" * 200)
    before = damaged.read_bytes()
    done = run(tmp_path, "dev", "--listen", "127.0.0.1:0", "--store", "sqlite:///troth.db")
    assert (done.returncode, "TR702" in done.stderr) == (1, True), done.stderr
    assert damaged.read_bytes() == before


def test_serve_takes_the_keys_that_were_added(tmp_path: Path) -> None:
    added = run(tmp_path, "keys", "add", "--role", "reader", "--tenant", "north", "--json")
    key = json.loads(added.stdout)
    assert key["key"] not in (tmp_path / "troth-keys.jsonl").read_text()
    process = subprocess.Popen(
        command("serve", "--listen", "127.0.0.1:0", "--json"),
        cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        headers = {"Authorization": f"Bearer {key['key']}"}
        with Client(base_url=url, headers=headers, timeout=BOUND_S) as client:
            assert client.get("/v1/counts").status_code == 200
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=BOUND_S)
    assert process.returncode == 0


def test_a_changed_store_does_not_verify(tmp_path: Path) -> None:
    """Also when one byte was changed and the table is otherwise whole."""
    with running(tmp_path) as engine, engine.client("operator") as client:
        document = json.loads((ROOT / "sagas/catalogue/partner_activation.v1.json").read_text())
        client.put("/v1/definitions/partner-activation/1", json=document)
        start = {"saga": "partner-activation", "input": {"company": "acme"}}
        assert client.post("/v1/commitments", json=start).status_code == 201
        end(engine, signal.SIGTERM)
    store = ("--store", "sqlite:///.dev/troth.db")
    assert run(tmp_path, "verify", *store).returncode == 0
    shutil.copy(tmp_path / ".dev/troth.db", tmp_path / "changed.db")
    with closing(sqlite3.connect(tmp_path / "changed.db")) as db:
        (state,) = db.execute("SELECT state FROM events WHERE position = 3").fetchone()
        changed = bytes(state).replace(b"acme", b"acmf")
        db.execute("UPDATE events SET state = ? WHERE position = 3", (changed,))
        db.commit()
    done = run(tmp_path, "verify", "--store", "sqlite:///changed.db")
    assert (done.returncode, "TR730" in done.stderr) == (1, True)
    assert "position" in done.stdout


def test_events_drive_the_clock_of_dev(tmp_path: Path) -> None:
    """Logs of the past run at their own times, in order."""
    with running(tmp_path, "--clock", "events") as engine:
        with engine.client("operator") as operator:
            document = json.loads((ROOT / "sagas/catalogue/partner_activation.v1.json").read_text())
            operator.put("/v1/definitions/partner-activation/1", json=document)
        with engine.client("producer") as client:
            codes = [
                client.post(
                    "/v1/events",
                    json={"company": company},
                    headers={
                        "ce-specversion": "1.0", "ce-id": company, "ce-source": "urn:log",
                        "ce-type": "partner.applied", "ce-time": time,
                    },
                ).status_code
                for company, time in (
                    ("acme", "2011-10-01T00:38:44+02:00"),
                    ("late", "2011-09-30T00:00:00Z"),
                )
            ]  # fmt: skip
            current = client.get("/v1/sagas/partner-activation/keys/acme").json()
        assert codes == [202, 409]
        assert current["started_at"].startswith("2011-09-30T22:38:44")
