"""An engine and its participants in processes of their own, started as a user starts them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.saga import COUNTS, GROWING, app
from benchmarks.shapes import Place, Shape, place
from tools.servers.processes import free_port, kill_group

__all__ = ["ROOT", "Rig", "rig", "worker"]

ROOT = Path(__file__).resolve().parents[1]
READY_S = 30.0
STOP_S = 30.0
LIMIT_S = 300.0
BATCH_EVENTS = 500
LOOK_S = 0.05
LOG_TAIL = 2_000
CLAIM_WAIT_S = "1"
"""A worker that stops waits for its last claim: so long."""
CONCURRENCY = 400
"""Handlers of the participants' process that run at once."""
RUNNING = ("open", "compensating")
ROLES = ("producer", "participant", "operator", "reader")

Process = subprocess.Popen[bytes]


@dataclass(slots=True)
class Rig:
    """An engine. `http` speaks to it as its developer; `restart` after `kill` is the same store."""

    place: Place
    address: str
    workers: int
    """Engine processes of `work`; 0 for `dev`, which is all in one."""
    more: Mapping[str, str]
    processes: list[Process] = field(default_factory=list[Process])
    participants: list[int] = field(default_factory=list[int])
    keys: dict[str, str] = field(default_factory=dict[str, str])
    started_at: float = 0.0
    _http: httpx.Client | None = None

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def http(self) -> httpx.Client:
        """A connection that is kept."""
        if self._http is None:
            headers = {"Authorization": f"Bearer {self.keys['developer']}"}
            self._http = httpx.Client(base_url=self.url, headers=headers, timeout=LIMIT_S)
        return self._http

    @property
    def roots(self) -> dict[int, str]:
        """The engine's processes, its participants' and this one, for `usage`."""
        names = ["engine"] if self.workers == 0 else ["engine serve", "engine work"]
        named = zip(self.processes, names, strict=True)
        ours = {process.pid: name for process, name in named}
        return ours | dict.fromkeys(self.participants, "participants") | {os.getpid(): "load"}

    def start(self) -> None:
        """Start the engine and register the sagas. Raises RuntimeError if it does not come up."""
        self.started_at = time.perf_counter()
        if self.workers == 0:
            self._start_dev()
        else:
            self._start_apart()
        self.wait_ready()
        for document in [*app.documents(), GROWING]:
            path = f"/v1/definitions/{document['saga']}/{document['version']}"
            _accepted(self.http.put(path, json=document))

    def _start_dev(self) -> None:
        if self.place.broker is not None and not self.keys:
            self._once("migrate")  # topics are made on purpose, never by their first use
        line = self._run("dev", "--json", "--state", str(self.place.folder / "dev"),
                         "--store", self.place.store_url, "--listen", self.address)  # fmt: skip
        told = json.loads(line)
        self.keys = {name: told["keys"][name] for name in ("developer", "participant")}

    def _start_apart(self) -> None:
        """`serve` for the API and `work` for the lanes, as in production."""
        keys = self.place.folder / "keys.jsonl"
        if not self.keys:
            roles = {"developer": ROLES, "participant": ("participant",)}
            self.keys = {name: self._key(keys, name, given) for name, given in roles.items()}
            if self.place.shape.store is not None:
                self._once("migrate")
        self._run("serve", "--json", "--listen", self.address, "--keys-file", str(keys))
        self._run("work", "--processes", str(self.workers), tells=False)

    def _key(self, file: Path, name: str, roles: Sequence[str]) -> str:
        options = [word for role in roles for word in ("--role", role)]
        told = self._once("keys", "add", "--json", "--name", name, "--file", str(file), *options)
        return str(json.loads(told)["key"])

    def wait_ready(self) -> None:
        """Until /readyz says so. Raises RuntimeError with the end of the log."""
        limit = time.perf_counter() + READY_S
        while time.perf_counter() < limit:
            with contextlib.suppress(httpx.HTTPError):
                if self.http.get("/readyz", timeout=1.0).status_code == httpx.codes.OK:
                    return
            time.sleep(LOOK_S)
        raise RuntimeError(f"the engine is not ready after {READY_S} s: {self.log()}")

    def kill(self) -> None:
        """Send SIGKILL to all processes with what they started."""
        for process in self.processes:
            kill_group(process)
            process.wait(STOP_S)
        self._forget()

    def stop(self) -> None:
        """SIGTERM, and kill what does not end in time."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                kill_group(process)
        self._forget()

    def _forget(self) -> None:
        for process in self.processes:
            if process.stdout is not None:
                process.stdout.close()
        self.processes.clear()
        if self._http is not None:
            self._http.close()
            self._http = None

    def publish(self, kind: str, events: Sequence[Mapping[str, Any]]) -> None:
        """Send events in batches, each answered only after its commit."""
        for start in range(0, len(events), BATCH_EVENTS):
            batch = [
                {"specversion": "1.0", "id": f"{kind}-{e.get('event_id', e['id'])}",
                 "source": "urn:bench", "type": kind,
                 "data": {name: value for name, value in e.items() if name != "event_id"}}
                for e in events[start : start + BATCH_EVENTS]
            ]  # fmt: skip
            headers = {"Content-Type": "application/cloudevents-batch+json"}
            _accepted(self.http.post("/v1/events", content=json.dumps(batch), headers=headers))

    def count(self, saga: str, status: str) -> int:
        """How many commitments of a saga have this status."""
        found = self.http.get("/v1/counts", params={"saga": saga}).json()
        return int(found["status"].get(status, 0))

    def wait_for(self, saga: str, status: str, wanted: int, *, limit_s: float = LIMIT_S) -> float:
        """When that many have the status, as time.perf_counter(). Raises TimeoutError."""
        limit = time.perf_counter() + limit_s
        while time.perf_counter() < limit:
            if self.count(saga, status) >= wanted:
                return time.perf_counter()
            time.sleep(LOOK_S)
        found = f"{self.count(saga, status)} of {wanted} are {status} in {limit_s} s"
        raise TimeoutError(f"{found}: {self.log()}")

    def wait_ended(self, saga: str, ends: str, wanted: int) -> float:
        """As `wait_for`, for sagas that run to their end: cheap to ask with millions in the store.

        Counting reads a row for each; whether any is still on its way is one look at an index.
        """
        limit = time.perf_counter() + LIMIT_S
        while time.perf_counter() < limit:
            seen_at = time.perf_counter()
            if not self._any_running(saga) and self.count(saga, ends) >= wanted:
                return seen_at
            time.sleep(LOOK_S)
        return self.wait_for(saga, ends, wanted, limit_s=0.0)

    def _any_running(self, saga: str) -> bool:
        for status in RUNNING:
            query = {"saga": saga, "status": status, "limit": 1}
            if self.http.get("/v1/commitments", params=query).json()["items"]:
                return True
        return False

    def events(self) -> int:
        """Events in the store: the heads of all lanes."""
        text = self.http.get("/metrics").text
        heads = [line for line in text.splitlines() if line.startswith("troth_lane_head{")]
        return int(sum(float(line.rpartition(" ")[2]) for line in heads))

    def log(self) -> str:
        """The end of what the engine logged."""
        path = self.place.folder / "engine.log"
        return path.read_text(errors="replace")[-LOG_TAIL:] if path.exists() else ""

    def _environment(self) -> dict[str, str]:
        return clean_environment({"TROTH_LOG_FORMAT": "json", **self.place.settings(), **self.more})

    def _run(self, *command: str, tells: bool = True) -> bytes:
        """Start a command that goes on, and answer its first line, if it `tells` one."""
        with (self.place.folder / "engine.log").open("ab") as log:
            process = subprocess.Popen(
                [_console("troth-engine"), *command], cwd=ROOT, env=self._environment(),
                stdout=subprocess.PIPE if tells else log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.processes.append(process)
        if process.stdout is None:
            return b""
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"troth-engine {command[0]} did not start: {self.log()}")
        return line

    def _once(self, *command: str) -> bytes:
        """Run a command to its end. Raises CalledProcessError."""
        done = subprocess.run(
            [_console("troth-engine"), *command], cwd=ROOT, env=self._environment(),
            stdout=subprocess.PIPE, check=True,
        )  # fmt: skip
        return done.stdout


@contextlib.contextmanager
def rig(
    shape: Shape, *, workers: int = 0, settings: Mapping[str, str] | None = None
) -> Iterator[Rig]:
    """An engine on an empty store, with the sagas registered.

    Args:
        shape: which of the three.
        workers: engine processes beside the API; 0 is `dev`.
        settings: TROTH_ variables of the engine beside those of the shape.
    """
    with tempfile.TemporaryDirectory(prefix="troth-bench-") as name:
        folder = Path(name)
        with place(shape, folder) as where:
            engine = Rig(where, f"127.0.0.1:{free_port()}", workers, settings or {})
            try:
                engine.start()
                yield engine
            finally:
                engine.stop()


@contextlib.contextmanager
def worker(rig: Rig, *, counts: Path | None = None) -> Iterator[Process]:
    """The participants' process, in the environment that has the SDK alone."""
    # The extra for Kafka is not in the users' environment of this repository.
    pushed = rig.place.shape.transport == "kafka"
    troth = _console("troth") if pushed else str(ROOT / ".venv-user" / "bin" / "troth")
    command = [troth, "worker", "benchmarks.saga:app"]
    command += ["--claim-wait", CLAIM_WAIT_S]
    settings = {
        "TROTH_URL": rig.url, "TROTH_API_KEY": rig.keys["participant"],
        "TROTH_WORKER_CONCURRENCY": str(CONCURRENCY),
        "TROTH_JOURNAL_URL": f"sqlite:///{rig.place.folder / 'journal.db'}",
        **_of_transport(rig.place),
    }  # fmt: skip
    if counts is not None:
        settings[COUNTS] = str(counts)
    with (rig.place.folder / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=clean_environment(settings), stdout=log, stderr=log
        )
    rig.participants.append(process.pid)
    try:
        yield process
    finally:
        rig.participants.remove(process.pid)
        process.terminate()
        process.wait(STOP_S)


def _of_transport(where: Place) -> dict[str, str]:
    """What makes a worker take its commands from Kafka, where the shape has one."""
    if where.shape.transport == "http":
        return {}
    return {"TROTH_BUS_URL": f"kafka://{where.broker}?topic_prefix={where.topic_prefix}"}


def clean_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with these TROTH_ settings and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TROTH_")}
    return kept | dict(settings)


def _accepted(answer: httpx.Response) -> None:
    if answer.is_error:
        raise RuntimeError(f"{answer.request.url}: {answer.status_code} {answer.text}")


def _console(name: str) -> str:
    return str(Path(sys.executable).with_name(name))
