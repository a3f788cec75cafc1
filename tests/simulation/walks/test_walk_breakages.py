"""A decide that is broken on purpose is seen by walks, within so many."""

from __future__ import annotations

import pytest

from tests.simulation.mutants import MUTANTS
from tests.simulation.walks.breakages import IN_DECIDE, caught

WALKS_MAX = 400
QUICK = (
    "decides_in_the_state_itself", "undoes_in_forward_order", "commands_an_undo_again",
    "forgets_to_undo", "passes_a_failed_undo", "goes_on_before_all_is_settled",
    "drops_a_done_that_comes_late", "believes_a_probe_that_cannot_tell",
    "commands_without_an_approval",
    "releases_a_lock_before_all_is_settled",
)  # fmt: skip
"""Each is seen by one of the first hundred walks; docs/simulation.md says by which."""


@pytest.mark.parametrize("name", QUICK)
def test_a_broken_decide_is_seen_by_walks(name: str) -> None:
    """Within a bounded number of walks some invariant fails."""
    assert caught(name, WALKS_MAX) is not None, f"{WALKS_MAX} walks did not see that it {name}"


def test_what_is_broken_in_decide_is_a_breakage_of_the_engine() -> None:
    """The names are those of the list that `make mutants` hunts."""
    assert {*QUICK} <= {*IN_DECIDE} <= MUTANTS.keys()
