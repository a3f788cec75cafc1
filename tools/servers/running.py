"""The servers of one state folder: started once, whoever asks first, and found by all others."""

import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.servers import processes
from tools.servers.base import RECORD, Server
from tools.servers.broker import Kafka
from tools.servers.installing import say
from tools.servers.postgres import Postgres

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / ".servers"
KINDS: dict[str, type[Server]] = {"postgres": Postgres, "kafka": Kafka}
VARIABLES = {"postgres": "TROTH_TEST_POSTGRES", "kafka": "TROTH_TEST_KAFKA"}
OWNER_POLL_S = 1.0
SWEEPS, SWEEP_S = 3, 5.0


@dataclass(frozen=True, slots=True)
class Running:
    """One server: where it is, and its process; no process when it is somebody else's."""

    name: str
    address: str
    server: Server | None


def given(name: str) -> str | None:
    """The address that the environment names for a server, if it names one."""
    return os.environ.get(VARIABLES[name]) or None


def install(names: Iterable[str]) -> None:
    """Get the programs of these servers where they are missing. Raises `Missing`."""
    for name in names:
        if given(name) is None:
            KINDS[name].install()


def up(folder: Path, names: Iterable[str]) -> list[Running]:
    """Start these servers, or find them running. Raises `Missing` and `NotUp`."""
    found: list[Running] = []
    for name in names:
        if (address := given(name)) is not None:
            found.append(Running(name, address, None))
            continue
        with _locked(folder, name):
            server = KINDS[name].at(folder / name)
            if server is None or not server.running():
                say(f"starting {KINDS[name].NAME}")
                server = KINDS[name].start(folder / name)
            found.append(Running(name, server.address, server))
    return found


def status(folder: Path) -> list[Running]:
    """The servers that run, in the order of their names here."""
    found: list[Running] = []
    for name, kind in KINDS.items():
        if (address := given(name)) is not None:
            found.append(Running(name, address, None))
        elif (server := kind.at(folder / name)) is not None and server.running():
            found.append(Running(name, server.address, server))
    return found


def down(folder: Path) -> list[str]:
    """Stop every server with a record below `folder`, remove all their data; who was stopped."""
    stopped: list[str] = []
    by_name = {kind.NAME: kind for kind in KINDS.values()}
    with contextlib.ExitStack() as starters:
        for lock in _files_below(folder, ".lock"):
            starters.enter_context(_locked(lock.parent, lock.stem))
        for record in sorted(_files_below(folder, RECORD)):
            kind = by_name[json.loads(record.read_text("utf-8"))["name"]]
            if (server := kind.at(record.parent)) is not None:
                if server.running():
                    stopped.append(kind.NAME)
                server.discard()
        shutil.rmtree(folder, ignore_errors=True)
    return stopped


def _files_below(folder: Path, ending: str) -> list[Path]:
    """Files whose names end so. A broker removes folders while they are gone through."""
    return [
        Path(parent, name)
        for parent, _, names in os.walk(folder)
        for name in names
        if name.endswith(ending)
    ]


def watch(folder: Path, owner_pid: int) -> None:
    """Wait until the owner has ended, then take down what it left.

    More than once: a child that outlived the owner for a moment may still have started one.
    """
    outlive(owner_pid)
    for _ in range(SWEEPS):
        down(folder)
        processes.wait_until(folder.exists, timeout_s=SWEEP_S)


def guard(folder: Path, owner_pid: int) -> None:
    """Start a process that calls `down` when the owner has ended, however it ended."""
    subprocess.run(
        [sys.executable, "-m", "tools.servers", "guard", str(folder), str(owner_pid)],
        cwd=ROOT,
        check=True,
    )


def detach() -> bool:
    """Go on in a process that nobody waits for or reads from; False in the one that was called."""
    if os.fork():
        return False
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    return True


def outlive(owner_pid: int) -> None:
    """Return when a process has ended."""
    try:
        handle = os.pidfd_open(owner_pid)
    except ProcessLookupError:
        return
    except (AttributeError, OSError):  # not Linux, or an old one
        while processes.command_of(owner_pid):
            processes.wait_until(lambda: False, timeout_s=OWNER_POLL_S)
        return
    select.select([handle], [], [])


@contextlib.contextmanager
def _locked(folder: Path, name: str) -> Iterator[None]:
    """One starter at a time; the lock goes with the process that holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
