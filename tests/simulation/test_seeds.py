"""A few worlds of every test run: always the same seeds, and one that nobody has seen before."""

import secrets
import sys
from contextlib import AbstractAsyncContextManager
from typing import Never

import pytest

from sagas.catalogue import partner_activation as partner
from tests.simulation.__main__ import shown
from tests.simulation.mutants import MUTANTS
from tests.simulation.shrink import shrunk
from tests.simulation.world import run_seed

FIXED = tuple(range(1, 13))
FRESH = 2


@pytest.mark.parametrize("seed", FIXED)
def test_a_world_of_faults_breaks_no_invariant(seed: int) -> None:
    """Crashes, lost and repeated messages, pauses and hostile input: the record stays right."""
    outcome = run_seed(seed)
    assert outcome.violation is None, shown(outcome)
    assert outcome.decisions > 0


@pytest.mark.parametrize("number", range(FRESH))
def test_a_fresh_world_breaks_no_invariant(number: int) -> None:
    """The seed is printed when it does; the command below it replays it."""
    seed = secrets.randbits(48)
    sys.stdout.write(f"fresh seed {number}: {seed}\n")
    outcome = run_seed(seed)
    assert outcome.violation is None, shown(shrunk(outcome))


def test_a_failure_is_made_small() -> None:
    """Of a broken engine what remains is what shows it: fewer faults, the same invariant."""
    with MUTANTS["fires_a_timer_twice"].breaks():
        failed = next(o for seed in FIXED if (o := run_seed(seed)).violation is not None)
        small = shrunk(failed)
    assert small.violation is not None
    assert failed.violation is not None
    assert small.violation.name == failed.violation.name
    assert sum(small.faults.values()) <= sum(failed.faults.values())
    assert small.options.arguments() in shown(small)


def test_a_seed_replays_to_the_same_world() -> None:
    """Nothing but the seed decides: the chain of the lane ends equal, at the same moment."""
    first = run_seed(5)
    partner.connect(_elsewhere, _elsewhere)
    second = run_seed(5)
    assert first.fingerprint == second.fingerprint
    assert first.faults == second.faults


def _elsewhere() -> AbstractAsyncContextManager[Never]:
    """As another test in this process left the catalogue connected: no world may reach it."""
    raise AssertionError("a world reached what is not its own")
