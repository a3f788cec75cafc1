"""What stands still when a wait of a run is over: what a person would look at first."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from chaos.world import World

__all__ = ["SAID_CHARS", "what_is_open"]

SAID_CHARS = 1_500
"""So much of the end of a log is told."""
_LOOKS = {
    "commitments": "SELECT saga, status, step, count(*) FROM current_steps"
    " GROUP BY saga, status, step",
    "work": "SELECT lane, participant, contract, kind, state, cancelled, worker, attempt, count(*),"
    " min(lease_until_us) FROM dispatches"
    " GROUP BY lane, participant, contract, kind, state, cancelled, worker, attempt",
    "inbox": "SELECT lane, count(*), min(accepted_us) FROM inbox GROUP BY lane",
    "timers": "SELECT lane, count(*), min(due_us) FROM timers GROUP BY lane",
    "parked": "SELECT lane, reason, count(*) FROM parked_streams GROUP BY lane, reason",
    "lanes": "SELECT lane, owner, epoch, head FROM lanes",
}


def what_is_open(here: World) -> str:
    """A line each of where the commitments are, what waits, who owns it and who runs."""
    return "\n".join(_lines(here))


def _lines(here: World) -> Iterator[str]:
    for what, query in _LOOKS.items():
        try:
            yield f"{what}: {here.rows(query)}"
        except (psycopg.Error, sqlite3.Error) as broken:
            yield f"{what}: {broken}"
    ran = {role: child.process.poll() for role, child in here.engines.items()}
    yield f"engine, exit codes: {ran}"
    yield f"workers, exit codes: {[one.poll() for one in here.workers]}"
    yield f"servers, running: { {name: one.running() for name, one in here.servers.items()} }"
    for role, child in here.engines.items():
        yield f"{role} said last: {child.last_words(SAID_CHARS)}"
