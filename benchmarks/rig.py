"""An engine and its participants in processes of their own, on a folder that is thrown away."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.saga import app

__all__ = ["ROOT", "Rig", "rig", "worker"]

ROOT = Path(__file__).resolve().parents[1]
READY_S = 30.0
BATCH_EVENTS = 500
LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Rig:
    """A running engine. `http` speaks to it as its developer."""

    url: str
    pid: int
    folder: Path
    keys: dict[str, str]
    http: httpx.Client
    started_at: float

    def publish(self, kind: str, events: list[dict[str, Any]]) -> None:
        """Send events in batches, each answered only after its commit."""
        for start in range(0, len(events), BATCH_EVENTS):
            batch = [
                {"specversion": "1.0", "id": f"{kind}-{e['id']}", "source": "urn:bench",
                 "type": kind, "data": e}
                for e in events[start : start + BATCH_EVENTS]
            ]  # fmt: skip
            headers = {"Content-Type": "application/cloudevents-batch+json"}
            answer = self.http.post("/v1/events", content=json.dumps(batch), headers=headers)
            answer.raise_for_status()

    def count(self, saga: str, status: str) -> int:
        """How many commitments of a saga have this status."""
        found = self.http.get("/v1/counts", params={"saga": saga}).json()
        return int(found["status"].get(status, 0))

    def wait_for(self, saga: str, status: str, wanted: int, limit_s: float) -> float:
        """When that many have the status, as time.perf_counter(). Raises TimeoutError."""
        limit = time.perf_counter() + limit_s
        while time.perf_counter() < limit:
            if self.count(saga, status) >= wanted:
                return time.perf_counter()
            time.sleep(LOOK_S)
        raise TimeoutError(f"{self.count(saga, status)} of {wanted} are {status} in {limit_s} s")


@contextlib.contextmanager
def rig() -> Iterator[Rig]:
    """Start an engine on an empty store and register the sagas."""
    with tempfile.TemporaryDirectory(prefix="troth-bench-") as name:
        folder = Path(name)
        begun = time.perf_counter()
        command = [str(Path(sys.executable).with_name("troth-engine")), "dev", "--json",
                   "--state", name, "--listen", f"127.0.0.1:{_free_port()}"]  # fmt: skip
        settings = {"TROTH_LOG_FORMAT": "json"}
        with (folder / "engine.log").open("wb") as log:
            engine = subprocess.Popen(
                command, cwd=ROOT, env=_environment(settings), stdout=subprocess.PIPE, stderr=log
            )
        assert engine.stdout is not None
        told = json.loads(engine.stdout.readline())
        headers = {"Authorization": f"Bearer {told['keys']['developer']}"}
        try:
            with httpx.Client(base_url=told["url"], headers=headers, timeout=READY_S) as http:
                for document in app.documents():
                    path = f"/v1/definitions/{document['saga']}/{document['version']}"
                    http.put(path, json=document).raise_for_status()
                yield Rig(told["url"], engine.pid, folder, told["keys"], http, begun)
        finally:
            engine.terminate()
            engine.wait(READY_S)


@contextlib.contextmanager
def worker(rig: Rig, concurrency: int = 400) -> Iterator[int]:
    """The participants' process, in the environment that has the SDK alone."""
    command = [str(ROOT / ".venv-user" / "bin" / "troth"), "worker", "benchmarks.saga:app"]
    settings = {
        "TROTH_URL": rig.url, "TROTH_API_KEY": rig.keys["participant"],
        "TROTH_WORKER_CONCURRENCY": str(concurrency),
    }  # fmt: skip
    with (rig.folder / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=_environment(settings), stdout=log, stderr=log
        )
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(READY_S)


def _environment(settings: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TROTH_")}
    return kept | settings


def _free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])
