"""Connections that the kernel resets while both ends live: `ss -K`, as an administrator would."""

from __future__ import annotations

import shutil
import socket
import subprocess

from chaos.strike import Strike, now_us
from chaos.world import World
from tools.servers.processes import wait_until

__all__ = ["MISSING", "broker_reset", "reset_port"]

SS = shutil.which("ss")
LOOPBACK = "127.0.0.1"
ANSWER_S = 5.0
RESETS = 3
"""A client that has just connected again loses that connection too."""
BETWEEN_S = 0.3


def reset_port(port: int) -> int:
    """Reset every connection from or to a port of this machine; how many sockets that were."""
    assert SS is not None
    told = subprocess.run(
        [SS, "-K", "-t", "-n", "-H", f"( sport = :{port} or dport = :{port} )"],
        check=True, capture_output=True, text=True, timeout=ANSWER_S,
    )  # fmt: skip
    return len(told.stdout.splitlines())


def _missing() -> str:
    """Why connections cannot be reset here; nothing where they can: that is tried."""
    if SS is None:
        return "ss is not installed"
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection((LOOPBACK, port), ANSWER_S) as near, listener.accept()[0]:
            try:
                reset_port(port)
                near.recv(1)
            except ConnectionError:
                return ""
            except (OSError, subprocess.SubprocessError):
                pass
    return "ss -K resets nothing here: it needs root and a kernel that lets it"


MISSING = _missing()


def broker_reset(world: World) -> Strike:
    """RST on every connection of engine and participants to the broker, which lives."""
    before = world.written()
    world.publish()
    world.until(lambda: world.written() > before, "work is under way")
    at_us, sockets = now_us(), 0
    for _ in range(RESETS):
        sockets += reset_port(world.servers["kafka"].port)
        wait_until(lambda: False, timeout_s=BETWEEN_S)
    return Strike(at_us, 0, f"{sockets} sockets")
