"""Broken bounds, broken repetition of decisions, and one stream that stops its neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any
from unittest.mock import patch

from consumers.batch import Batch
from domain.ports import StoreFailed
from sagas.decide import effects, for_each, repeats, waits
from sagas.decide.machine import Machine
from tests.simulation.mutants.harness import mutant, replaced, wrapped

Json = Any


# --- deciding --------------------------------------------------------------------------------


@mutant(promise=3)
def decides_by_chance() -> Iterator[None]:
    """A pause depends on more than stream and message."""
    draws = count()
    with wrapped(effects, "_backoff_us", lambda real, *args: real(*args) + next(draws)):
        yield


@mutant(promise=3)
def decides_in_the_state_itself() -> Iterator[None]:
    """What is decided changes the state it was decided on, also if it is never committed."""
    from domain.commitment import Commitment

    with replaced(Commitment, "fork", lambda self: self):
        yield


# --- bounds ----------------------------------------------------------------------------------


@mutant(promise=10)
def repeats_beyond_its_max() -> Iterator[None]:
    """One round more than was declared."""

    def turn(real: Any, m: Machine, path: str, node: Any, out: Json) -> None:
        more = {**node.doc, "max": node.doc.get("max", 0) + 1}
        with patch.object(node, "doc", more):
            real(m, path, node, out)

    with wrapped(repeats, "turn", turn):
        yield


@mutant(promise=10)
def opens_more_items_than_its_width() -> Iterator[None]:
    """One item more beside the others."""
    with wrapped(for_each, "_next", lambda real, m, path, width: real(m, path, width + 1)):
        yield


@mutant(promise=10)
def runs_a_handler_beside_itself() -> Iterator[None]:
    """However many runs are going on, another one begins."""
    with replaced(waits, "open_runs", lambda m, path: []):
        yield


# --- neighbours ------------------------------------------------------------------------------


@mutant(promise=13)
def stops_a_lane_for_one_stream() -> Iterator[None]:
    """A stream that cannot be decided is not set aside: its lane tries it again and again."""

    def park(self: Batch, *_: Any) -> None:
        raise StoreFailed("store.full", "this stream does not go on")

    with replaced(Batch, "park", park):
        yield
