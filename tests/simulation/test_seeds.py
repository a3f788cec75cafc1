"""A few worlds of every test run: always the same seeds, and one that nobody has seen before."""

import secrets

import pytest

from tests.simulation.__main__ import shown
from tests.simulation.world import run_seed

FIXED = tuple(range(1, 13))


@pytest.mark.parametrize("seed", FIXED)
def test_a_world_of_faults_breaks_no_invariant(seed: int) -> None:
    """Crashes, lost and repeated messages, pauses and hostile input: the record stays right."""
    outcome = run_seed(seed)
    assert outcome.violation is None, shown(outcome)
    assert outcome.decisions > 0


def test_a_fresh_world_breaks_no_invariant() -> None:
    """The seed is printed when it does; the command below it replays it."""
    outcome = run_seed(secrets.randbits(48))
    assert outcome.violation is None, shown(outcome)


def test_a_seed_replays_to_the_same_world() -> None:
    """Nothing but the seed decides: the chain of the lane ends equal, at the same moment."""
    first, second = run_seed(5), run_seed(5)
    assert first.fingerprint == second.fingerprint
    assert first.faults == second.faults
