"""An engine that is broken on purpose is caught: in CI each by a seed that is known to see it.

`make mutants` hunts all of them from the first seed on, and says after how many each was caught.
"""

from __future__ import annotations

import pytest

from tests.docs.test_guarantees import PROMISES
from tests.simulation.mutants import MUTANTS, hunt, seed_of
from tests.simulation.mutants.seeds import known

SEEDS_MAX = 30
FIRST_SEED = 1
QUICK = (
    "undoes_in_forward_order", "writes_no_undo_entry", "fires_a_timer_twice", "decides_by_chance",
    "forgets_the_receipt", "loses_an_event_of_a_batch", "sweeps_silently",
    "lets_one_person_take_two_seats", "commands_without_an_approval", "gives_work_to_every_tenant",
)  # fmt: skip
"""Of every module some that are seen early in their worlds, most of them in one and the same."""


@pytest.mark.parametrize("name", QUICK)
def test_a_broken_engine_is_caught(name: str) -> None:
    """Within a bounded number of seeds some invariant fails."""
    seed = seed_of(name)
    others = [s for s in range(FIRST_SEED, FIRST_SEED + SEEDS_MAX) if s != seed]
    caught = hunt(MUTANTS[name], [seed, *others])
    assert caught is not None, f"{SEEDS_MAX} seeds did not see that it {name}"


@pytest.mark.parametrize("name", MUTANTS)
def test_a_breakage_finds_what_it_breaks(name: str) -> None:
    """A function that was renamed, or a statement that was reworded, would end its hunt."""
    with MUTANTS[name].breaks():
        pass


def test_every_promise_is_broken_by_something() -> None:
    """And nothing is known of a breakage that is no more."""
    assert {m.promise for m in MUTANTS.values()} >= set(range(1, PROMISES + 1))
    assert known().keys() <= MUTANTS.keys()
