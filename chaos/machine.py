"""A machine that fails: its disk, its clock; and engines that are there twice or of two ages."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress

from chaos.party import app, bank, desk, newer
from chaos.strike import STRUCK_S, Strike, now_us
from chaos.tracing import BentClock, injected
from chaos.world import LIMIT_S, World
from tests.integration.processes.world import Child
from tools.servers.processes import wait_until
from troth import App

__all__ = ["clock", "disk", "ended", "releases", "two_engines"]

JUMP_S = 20


def disk(calls: str, error: str) -> Callable[[World], Strike]:
    """Calls of the process that owns the store fail; once that was met the disk is well again."""

    def strike(world: World) -> Strike:
        embedded = world.shape == "sqlite"
        pid = world.engines["serve"].pid if embedded else world.servers["postgres"].pid
        wal = world.store_path.with_name(f"{world.store_path.name}-wal")
        paths = [wal, world.store_path] if embedded else []
        wanted = world.round()
        with injected(pid, calls, error, world.folder / "strace.log", paths=paths) as fault:
            at_us = now_us()
            world.until(lambda: world.offer(wanted) or fault.has_struck(), "the fault is met")
            wait_until(fault.has_struck, timeout_s=STRUCK_S)
            struck = fault.has_struck()
        world.mend()
        world.until(lambda: world.offer(wanted), "the round is taken")
        return Strike(at_us, 0, error if struck else f"{error} was never met")

    return strike


def clock(world: World) -> Strike:
    """The clock of an engine process jumps ahead, then back, behind all others."""
    role = "serve" if world.shape == "sqlite" else "work-1"
    bent = BentClock(world.folder)
    world.extra[role] = bent.settings
    _replaced(world, role)
    try:
        world.publish()
        at_us = now_us()
        bent.set(JUMP_S)
        world.publish()
        world.settle()
        bent.set(-JUMP_S)
        world.publish()
        world.settle()
    finally:
        world.extra.pop(role)
        _replaced(world, role)
    return Strike(at_us, 0, f"{JUMP_S} s ahead, then as much behind", timed=False)


def _replaced(world: World, role: str) -> None:
    """A process of the engine ends as an operator ends it, and a new one takes its place."""
    ended(world.engines[role])
    world.mend()


def ended(child: Child) -> None:
    """End a process of the engine as an operator does, and wait."""
    child.send(signal.SIGTERM)
    child.process.communicate(timeout=LIMIT_S)


def two_engines(world: World) -> Strike:
    """Somebody starts everything once more on the same store: refused, or it takes its share."""
    world.publish()
    at_us = now_us()
    extra: list[Child] = []
    note = "it shares the lanes"
    try:
        for role in world.roles:
            extra.append(world.start(role))
    except AssertionError:
        note = "it is refused"
    if (world.shape == "sqlite") != (note == "it is refused"):
        raise AssertionError(f"a second engine on {world.shape}: {note}")
    world.publish()
    for child in extra:
        child.send(signal.SIGKILL)
        child.wait()
    return Strike(at_us, len(extra), note)


def releases(world: World) -> Strike:
    """A rolling upgrade and back: one process after the other, old and new definitions at once."""
    world.publish()
    at_us = now_us()
    (document,) = App(participants=[desk, bank], sagas=[newer]).documents()
    world.register(document)
    for role in world.roles:
        _replaced(world, role)
        world.publish(trips=3, wires=0)
    # Back: what was begun with the newer definition goes on with it.
    for known in app.documents():
        world.register(known)
    for role in world.roles:
        with suppress(ProcessLookupError):
            world.engines[role].send(signal.SIGKILL)
        world.engines[role].wait()
        world.mend()
        world.publish(trips=3, wires=0)
    return Strike(at_us, len(world.roles), "each process in turn, forth and back")
