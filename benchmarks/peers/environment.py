"""The peers' own environment, made on demand: nothing of it is a dependency of this project."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.results import OUT
from benchmarks.servers import ServerMissing
from tools.servers.processes import free_port

__all__ = ["FOLDER", "PACKAGES", "python", "redis", "redis_version", "versions"]

FOLDER = OUT.parent / ".peers"
PACKAGES = (
    "dbos==3.4.0",
    "langgraph==1.2.22",
    "langgraph-checkpoint-postgres==3.2.0",
    "celery==5.7.0",
    "redis==8.1.0",
    "psycopg[binary,pool]==3.3.9",
    "py-spy==0.4.3",  # for `profile`: of this project no dependency either
)
TOLD = ("dbos", "langgraph", "langgraph-checkpoint-postgres", "celery", "redis", "psycopg")
REDIS_OPTIONS = {"appendonly": "yes", "save": ""}
READY_S = 10.0
LOOK_S = 0.05


def python() -> Path:
    """The interpreter of the environment; made, or made anew when the packages changed.

    Raises CalledProcessError if pip cannot install them.
    """
    interpreter, stamp = FOLDER / "bin" / "python", FOLDER / "packages"
    wanted = hashlib.sha256("\n".join(PACKAGES).encode()).hexdigest()
    if not (stamp.exists() and stamp.read_text() == wanted and interpreter.exists()):
        print("making the environment of the peers", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(FOLDER)], check=True)
        install = [str(interpreter), "-m", "pip", "install", "--quiet", *PACKAGES]
        subprocess.run([*install, "--disable-pip-version-check"], check=True)
        stamp.write_text(wanted)
    return interpreter


def versions() -> dict[str, str]:
    """What is installed there."""
    script = "import json, sys, importlib.metadata as m; "
    script += "print(json.dumps({name: m.version(name) for name in sys.argv[1:]}))"
    done = subprocess.run(
        [str(python()), "-c", script, *TOLD], check=True, capture_output=True, text=True
    )
    return dict(json.loads(done.stdout))


@contextlib.contextmanager
def redis(fsync: str) -> Iterator[str]:
    """The URL of a Redis of our own with an append-only file. Raises ServerMissing.

    `fsync`: `always` is on disk before it is answered, as the others are; `everysec` is what Redis
    advises, and loses up to a second.
    """
    program = shutil.which("redis-server")
    if program is None:
        raise ServerMissing("no redis-server: apt install redis-server, or leave Celery out")
    with tempfile.TemporaryDirectory(prefix="troth-bench-redis-") as folder:
        port = free_port()
        settings = REDIS_OPTIONS | {"appendfsync": fsync}
        options = [word for name, value in settings.items() for word in (f"--{name}", value)]
        server = subprocess.Popen(
            [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, *options],
            stdout=subprocess.DEVNULL,
        )
        try:
            _wait_until_it_listens(port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()
            server.wait()


def redis_version() -> str:
    """As the program says it."""
    program = shutil.which("redis-server")
    if program is None:
        return "none"
    told = subprocess.run([program, "--version"], check=True, capture_output=True, text=True)
    return told.stdout.split("v=")[1].split()[0]


def _wait_until_it_listens(port: int) -> None:
    limit = time.perf_counter() + READY_S
    while time.perf_counter() < limit:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
        time.sleep(LOOK_S)
    raise ServerMissing(f"redis-server does not listen after {READY_S} s")
