"""`work --processes N`: one parent, processes that share the lanes, and what becomes of them."""

import os
import signal
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.integration.processes.world import LANES, TAKEOVER_MAX_S, Child, Site, Speaker, until
from tools.servers import free_port


def pids(here: Site) -> set[int]:
    """The processes that own lanes."""
    return set(here.owners().values())


def is_shared_by(here: Site, count: int) -> bool:
    return len(here.owners()) == LANES and len(pids(here)) == count


def started(here: Site, count: int) -> Child:
    parent = here.work("--processes", str(count))
    until(lambda: is_shared_by(here, count))
    return parent


def test_a_process_that_is_killed_is_started_again(here: Site) -> None:
    parent, api = started(here, 2), here.serve()
    before = pids(here)
    assert parent.pid not in before
    killed = min(before)
    os.kill(killed, signal.SIGKILL)
    until(lambda: killed not in pids(here) and len(here.owners()) == LANES, TAKEOVER_MAX_S)
    until(lambda: is_shared_by(here, 2))
    (ended,) = parent.logged("worker_ended")
    assert (ended["pid"], ended["code"]) == (killed, -signal.SIGKILL)
    with Speaker(api.url, here.keys) as speaker:
        assert speaker.register().status_code == 201
        for number in range(LANES):
            assert speaker.begin(f"c{number}").status_code == 201
    assert parent.end() == 0


def test_the_parent_drains_all_and_ends_with_0(here: Site) -> None:
    parent = started(here, 2)
    children = pids(here)
    assert parent.end() == 0
    assert here.owners() == {}
    assert here.rows("processes") == 0
    assert len(parent.logged("engine_stopped")) == 2
    assert not any(map(_lives, children))


def test_processes_of_a_killed_parent_drain(here: Site) -> None:
    """Nobody would stop or restart them: they do not go on alone."""
    parent = started(here, 2)
    children = pids(here)
    parent.send(signal.SIGKILL)
    until(lambda: not any(map(_lives, children)))
    assert here.rows("processes") == 0


def test_one_that_does_not_drain_is_ended(here: Site) -> None:
    parent = here.work("--processes", "2", TROTH_DRAIN_TIMEOUT_S="0")
    until(lambda: is_shared_by(here, 2))
    stuck = min(pids(here))
    os.kill(stuck, signal.SIGSTOP)
    assert parent.end() == 1
    assert not _lives(stuck)


def test_each_process_has_an_address_of_its_own(here: Site) -> None:
    first = _two_free_ports()
    parent = here.start("work", "--processes", "2", "--listen", f"127.0.0.1:{first}")
    until(lambda: is_shared_by(here, 2))
    for port in (first, first + 1):  # lanes are given up one after the other
        until(lambda port=port: len(_lanes_at(here, port)) == LANES // 2)
    assert parent.end() == 0


def _lanes_at(here: Site, port: int) -> list[Any]:
    with Speaker(f"http://127.0.0.1:{port}", here.keys) as speaker:
        return speaker.http.get("/readyz").json()["lanes"]


def _two_free_ports() -> int:
    """A port that is free, as is the one after it; no connection of somebody else takes them."""
    while True:
        port = free_port()
        with suppress(OSError), socket.create_server(("127.0.0.1", port + 1)):
            return port


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie is dead: nobody has asked for its exit code yet.
    return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
