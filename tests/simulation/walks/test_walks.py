"""Walks of every test run: always the same ones, and some of definitions that nobody has seen."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys

import pytest

from tests.simulation.mutants import MUTANTS
from tests.simulation.walks.__main__ import FRESH_BITS, numbers, shown, spans
from tests.simulation.walks.drawn import drawn
from tests.simulation.walks.hunt import WALKS_PER_DEFINITION, found_in, hunted
from tests.simulation.walks.outline import outline
from tests.simulation.walks.shrink import shrunk
from tests.simulation.walks.walk import walked

FIXED = range(1, 19)
FRESH = 4
ONE = 5
LINES_MIN = 20
PROCESS_S_MAX = 60


def _told(number: int) -> str:
    """What every invariant says of the walks of a definition: nothing, if all is well."""
    seen = found_in(number, WALKS_PER_DEFINITION)
    return "\n".join(shown(outcome) for outcome in seen.smallest.values())


@pytest.mark.parametrize("number", FIXED)
def test_whatever_happens_in_whatever_order_breaks_no_invariant(number: int) -> None:
    """Late and lost answers, rivals for locks, operators, revoking: the record stays right."""
    told = _told(number)
    assert not told, told


@pytest.mark.parametrize("number", range(FRESH))
def test_a_definition_that_nobody_has_seen_breaks_no_invariant(number: int) -> None:
    """Its number is printed when it does; the command below it replays the walk."""
    fresh = secrets.randbits(FRESH_BITS)
    sys.stdout.write(f"fresh definition {number}: {fresh}\n")
    told = _told(fresh)
    assert not told, told


def test_a_walk_replays_to_the_same_events_in_every_process() -> None:
    """Nothing but its numbers decides: neither the process nor its order of sets."""
    first, second = (walked(drawn(ONE), 3, is_traced=True) for _ in range(2))
    assert first.violation is None, shown(first)
    assert len(first.lines) >= LINES_MIN
    assert first == second
    command = [sys.executable, "-m", "tests.simulation.walks", "--walk", first.name, "--trace"]
    other = "1" if os.environ.get("PYTHONHASHSEED") == "2" else "2"
    told = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=PROCESS_S_MAX,
        env={**os.environ, "PYTHONHASHSEED": other},
    ).stdout  # fmt: skip
    assert "\n".join([outline(drawn(ONE).document), *first.lines]) in told


def test_a_walk_that_fails_is_made_small() -> None:
    """Of a broken decide what remains is what shows it: fewer moves, the same invariant."""
    given = drawn(ONE)
    with MUTANTS["writes_no_undo_entry"].breaks():
        found = (walked(given, walk) for walk in range(WALKS_PER_DEFINITION))
        failed = max((o for o in found if o.violation), key=lambda o: len(o.made))
        small = shrunk(given, failed)
        again = walked(given, small.number, numbers(spans(small.without)))
    assert small.violation is not None
    assert failed.violation is not None
    assert again.violation is not None
    assert {small.violation.name, again.violation.name} == {failed.violation.name}
    assert len(small.made) < len(failed.made)
    assert f"--walk {small.name} --without {spans(small.without)} --trace" in shown(small)


def test_so_many_walks_are_made_as_were_asked_for() -> None:
    """The last definition has what is left."""
    seen = [*hunted(1, WALKS_PER_DEFINITION + 1, wall_s=None, jobs=1)]
    assert [s.walks for s in seen] == [WALKS_PER_DEFINITION, 1]
    assert [*hunted(1, 10**9, wall_s=0, jobs=1)][1:] == []


def test_moves_that_are_left_out_are_told_in_spans() -> None:
    """As the command line takes them, and reads them back."""
    assert spans(frozenset({0, 1, 2, 5, 7, 8})) == "0-2,5,7-8"
    assert numbers("0-2,5,7-8") == {0, 1, 2, 5, 7, 8}
    assert spans(frozenset()) == ""
    assert numbers("") == frozenset()
