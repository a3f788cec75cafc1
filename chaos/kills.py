"""Processes that are killed at a named point, stopped, or cut off.

A point publishes a round, waits until what it names is true, and strikes; it leaves the mending to
the world, which starts again whatever ended.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence

import psycopg

from chaos.gates import AFTER_EFFECT
from chaos.strike import STRUCK_S, Strike, now_us
from chaos.tracing import killed_at_call
from chaos.world import Faulty, World
from tools.servers.processes import wait_until

__all__ = [
    "at_gate", "before_publish", "database_reset", "engine_stopped", "http_reset", "in_migration",
    "in_rebuild", "participant_stopped", "under_load", "while_draining",
]  # fmt: skip

STOPPED_S = 6.0
"""Longer than a lane's owner may be silent (3 s) and than a claim is held (2 s)."""

# --- kill -9 ----------------------------------------------------------------------------------


def _kill(world: World, victim: str) -> int:
    """SIGKILL for a part of the system; how many processes of ours that were."""
    match victim:
        case "engine":
            killed = [world.engines["serve"], world.owner()]
            for child in {child.pid: child for child in killed}.values():
                child.send(signal.SIGKILL)
                child.wait()
            return len({child.pid for child in killed})
        case "participant":
            worker = world.chance.choice(world.workers)
            worker.kill()
            worker.wait()
            return 1
        case _:
            world.servers["postgres" if victim == "database" else "kafka"].kill()
            return 1


def at_gate(victim: str, gate_name: str) -> Callable[[World], Strike]:
    """A handler is held exactly at the point while the victim is killed."""

    def strike(world: World) -> Strike:
        gate = world.gate(gate_name)
        gate.arm()
        world.publish()
        try:
            world.until(gate.is_held, f"a participant is {gate_name}")
            at_us = now_us()
            if victim == "participant":
                # Whichever of them stands there: all of them.
                killed = [worker.pid for worker in world.workers]
                for worker in world.workers:
                    worker.kill()
                    worker.wait()
                return Strike(at_us, len(killed))
            return Strike(at_us, _kill(world, victim))
        finally:
            gate.open()

    return strike


def under_load(victim: str) -> Callable[[World], Strike]:
    """At any moment: the first lines of a round are in the book."""

    def strike(world: World) -> Strike:
        before = world.written()
        lines = world.chance.randint(1, 8)
        world.publish(trips=9, wires=3)
        world.until(lambda: world.written() >= before + lines, "work is under way")
        at_us = now_us()
        return Strike(at_us, _kill(world, victim))

    return strike


def before_publish(world: World) -> Strike:
    """Committed, and nobody was told: participants and broker stand still until the engine died."""
    broker = world.servers.get("kafka")
    for worker in world.workers:
        worker.send_signal(signal.SIGSTOP)
    try:
        before = _dispatched(world)
        world.publish()
        world.until(lambda: _dispatched(world) > before, "commands are committed")
        if broker is not None:
            broker.pause()
        at_us = now_us()
        killed = _kill(world, "engine")
    finally:
        if broker is not None:
            broker.resume()
        for worker in world.workers:
            worker.send_signal(signal.SIGCONT)
    return Strike(at_us, killed)


def _dispatched(world: World) -> int:
    return world.rows("SELECT count(*) FROM dispatches")[0][0]


def while_draining(world: World) -> Strike:
    """SIGTERM came, something is still under way, then SIGKILL."""
    gate = world.gate(AFTER_EFFECT)
    gate.arm()
    world.publish()
    victim = world.owner()
    try:
        world.until(gate.is_held, "something is under way")
        victim.send(signal.SIGTERM)
        wait_until(
            lambda: victim.process.poll() is not None or bool(victim.logged("engine_draining")),
            timeout_s=STRUCK_S,
        )
        at_us = now_us()
        victim.send(signal.SIGKILL)
        victim.wait()
    finally:
        gate.open()
    return Strike(at_us)


def in_rebuild(world: World) -> Strike:
    """`rebuild` beside the engine dies at one of its writes; the next one ends well."""
    world.publish()
    calls = "pwrite64" if world.shape == "sqlite" else "sendto"
    number = world.chance.randint(2, 6)
    at_us = now_us()
    _killed_in(world, killed_at_call(calls, number), "rebuild")
    world.command("rebuild")
    return Strike(at_us, 1, f"at {calls} {number}")


def in_migration(world: World) -> Strike:
    """`migrate` of a new store dies at one of its writes; the next one makes it whole."""
    world.publish()
    if world.shape == "sqlite":
        store, calls = f"sqlite:///{world.folder / f'new-{world.rounds}.db'}", "pwrite64"
    else:
        server, _, _ = world.site.store.rpartition("/")
        store, calls = f"{server}/new_{world.rounds}", "sendto"
        with psycopg.connect(world.site.store, autocommit=True) as db:
            db.execute(f"CREATE DATABASE new_{world.rounds}".encode())
    number = world.chance.randint(1, 25)
    plain = {"TROTH_STORE_URL": store, "TROTH_BUS_URL": "in-process"}
    if world.shape != "sqlite":
        plain["TROTH_BUS_URL"] = "postgres"
    at_us = now_us()
    _killed_in(world, killed_at_call(calls, number), "migrate", **plain)
    world.command("migrate", **plain)
    world.command("doctor", **plain)
    return Strike(at_us, 1, f"at {calls} {number}")


def _killed_in(world: World, before: Sequence[str], word: str, **more: str) -> None:
    """Run a command that dies on its way. Raises Faulty when it does not."""
    done = world.tried(before, word, **more)
    if done.returncode != -signal.SIGKILL:
        raise Faulty(f"{word} was to be killed, and ended with {done.returncode}: {done.stderr}")


# --- stopped, cut off -------------------------------------------------------------------------


def engine_stopped(world: World) -> Strike:
    """SIGSTOP beyond the lease of its lanes and claims; then it wakes and believes it is owner."""
    world.publish()
    victim, at_us = world.owner(), now_us()
    victim.send(signal.SIGSTOP)
    wait_until(lambda: False, timeout_s=STOPPED_S)
    victim.send(signal.SIGCONT)
    return Strike(at_us, 0, f"{STOPPED_S:g} s")


def participant_stopped(world: World) -> Strike:
    """SIGSTOP with a handler under way, beyond its lease; another one takes over, then it wakes."""
    gate = world.gate(AFTER_EFFECT)
    gate.arm()
    world.publish()
    stopped = list(world.workers)
    try:
        world.until(gate.is_held, "a handler is under way")
        at_us = now_us()
        for worker in stopped:
            worker.send_signal(signal.SIGSTOP)
        wait_until(lambda: False, timeout_s=STOPPED_S)
    finally:
        gate.open()
        for worker in stopped:
            worker.send_signal(signal.SIGCONT)
    return Strike(at_us, 0, f"{STOPPED_S:g} s")


def http_reset(world: World) -> Strike:
    """RST on every connection between participants and engine."""
    before = world.written()
    world.publish()
    world.until(lambda: world.written() > before, "work is under way")
    at_us = now_us()
    return Strike(at_us, 0, f"{world.relay.reset()} sockets")


def database_reset(world: World) -> Strike:
    """Every connection of the engine to its database is ended by the server."""
    before = world.written()
    world.publish()
    world.until(lambda: world.written() > before, "work is under way")
    at_us = now_us()
    with psycopg.connect(world.site.store, autocommit=True) as db:
        ended = db.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone()
    return Strike(at_us, 0, f"{ended[0] if ended else 0} sessions")
