"""An engine that is broken on purpose is caught: in CI each by a seed that is known to see it.

`make mutants` hunts all of them from the first seed on, and says after how many each was caught.
"""

from __future__ import annotations

import pytest

from tests.simulation.mutants import MUTANTS, hunt, seed_of

SEEDS_MAX = 30
FIRST_SEED = 1
QUICK = (
    "undoes_in_forward_order", "forgets_to_undo", "writes_no_undo_entry", "retries_for_ever",
    "forgets_the_receipt", "lets_an_agent_decide", "grants_with_a_seat_empty",
    "fires_timers_early", "fires_a_timer_twice", "sweeps_silently",
)  # fmt: skip


@pytest.mark.parametrize("name", QUICK)
def test_a_broken_engine_is_caught(name: str) -> None:
    """Within a bounded number of seeds some invariant fails."""
    seed = seed_of(name)
    others = [s for s in range(FIRST_SEED, FIRST_SEED + SEEDS_MAX) if s != seed]
    caught = hunt(MUTANTS[name], [seed, *others])
    assert caught is not None, f"{SEEDS_MAX} seeds did not see that it {name}"
