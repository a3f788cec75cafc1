"""Processes and ports of this machine: find, signal and await them, whoever started them."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

POLL_S = 0.02
PORT_TRIES_MAX = 200
# Below the range from which the system takes ports for outgoing connections: while a server is
# down, a client's own connection could else sit on its port, and it could not come back.
PORT_FIRST, PORT_LAST = 15_000, 32_000


def wait_until(done: Callable[[], bool], *, timeout_s: float) -> bool:
    """Ask again and again until `done` or until `timeout_s` have passed; the last answer."""
    deadline_s = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() >= deadline_s:
            return False
        time.sleep(POLL_S)
    return True


def free_port() -> int:
    """A port of the loopback that nobody listens on, outside the range of outgoing connections."""
    for _ in range(PORT_TRIES_MAX):
        port = random.randint(PORT_FIRST, PORT_LAST)  # noqa: S311 - a port is no secret
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port between {PORT_FIRST} and {PORT_LAST}")


PROC = Path("/proc") if Path("/proc/self/stat").exists() else None


def _ps(*options: str) -> str:
    asked = subprocess.run(["ps", *options], capture_output=True, text=True, check=False)
    return asked.stdout


def command_of(pid: int) -> str:
    """The command line of a process; empty when there is none, or only a zombie is left."""
    if PROC is None:
        return _ps("-ww", "-o", "command=", "-p", str(pid))
    try:
        words = (PROC / str(pid) / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return words.replace(b"\0", b" ").decode(errors="replace")


def _parents() -> dict[int, int]:
    """The parent of every process. Slim machines have no ps, others no /proc."""
    if PROC is None:
        words = [int(word) for word in _ps("-A", "-o", "pid=,ppid=").split()]
        return dict(zip(words[::2], words[1::2], strict=True))
    parents: dict[int, int] = {}
    for stat in PROC.glob("[0-9]*/stat"):
        try:
            # pid (name) state parent ...; the name may hold spaces and brackets.
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return parents


def family(pid: int) -> list[int]:
    """A process and its children, itself first."""
    return [pid, *(child for child, parent in _parents().items() if parent == pid)]


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal; a process that is gone already is fine."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def kill_group(leader: subprocess.Popen[Any], number: signal.Signals = signal.SIGKILL) -> None:
    """Signal a process that leads a group, and all that it started.

    A leader that has ended gave its number back once its group was empty: whoever has it now is
    somebody else, and is left alone.
    """
    if leader.poll() is not None and command_of(leader.pid):
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader.pid, number)


def freeze(pid: int) -> list[int]:
    """Stop a process and its children where they are; those that were stopped.

    The parent first: then no child is born that the list does not hold.
    """
    send(pid, signal.SIGSTOP)
    members = family(pid)
    for member in members[1:]:
        send(member, signal.SIGSTOP)
    return members


def thaw(pid: int) -> None:
    """Let a frozen process and its children go on."""
    for member in reversed(family(pid)):
        send(member, signal.SIGCONT)


def destroy(pid: int, *, timeout_s: float) -> None:
    """Kill a process and its children at one stroke (SIGKILL), as a power cut would.

    Returns when all are gone, or after `timeout_s`.
    """
    members = freeze(pid)
    for member in members:
        send(member, signal.SIGKILL)
    wait_until(lambda: not any(command_of(member) for member in members), timeout_s=timeout_s)
