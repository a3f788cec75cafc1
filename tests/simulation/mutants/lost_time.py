"""Restored stores that believe too much: only worlds whose store is put back can see it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from adapters.sql import restoring
from adapters.sqlite import dispatch, writes
from tests.simulation.kinds import Kinds
from tests.simulation.mutants.harness import mutant, replaced, reworded, wrapped


def _is_restored(kinds: Kinds) -> bool:
    return kinds.is_restored


@mutant(promise=14, seen=_is_restored)
def keeps_the_incarnation_of_the_lost_time() -> Iterator[None]:
    """A restored store gives out tokens that may have been given before."""
    with reworded(restoring, "_STORE", "incarnation + 1", "incarnation"):
        yield


@mutant(promise=14, seen=_is_restored)
def believes_tokens_of_the_lost_time() -> Iterator[None]:
    """Who holds a row is compared without the incarnation."""

    def held(real: Any, db: Any, reply: Any, belief: Any) -> Any:
        row = dispatch._row_of(db, reply)
        if row is None or row[dispatch.STATE] == "offered" or row[dispatch.WORKER] != reply.worker:
            return None
        mine = dispatch._token(belief, row[dispatch.POSITION], row[dispatch.RESERVATION])
        same = mine.partition(".")[2] == reply.token.partition(".")[2]
        return row if same else real(db, reply, belief)

    with wrapped(dispatch, "_held", held):
        yield


@mutant(promise=14, seen=_is_restored)
def doubts_nothing_that_waits() -> Iterator[None]:
    """What the copy had offered is done, though the lost time may have done it."""
    with reworded(restoring, "_DOUBTED", "WHERE", "WHERE 0 AND"):
        yield


@mutant(promise=14, seen=_is_restored)
def doubts_nothing_that_is_commanded() -> Iterator[None]:
    """What is commanded anew is done, though the lost time may have commanded it."""
    with replaced(writes, "DOUBT", "SELECT 0, 0 FROM store"):
        yield
