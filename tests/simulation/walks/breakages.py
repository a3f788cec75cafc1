"""`python -m tests.simulation.walks.breakages`: after how many walks each breakage is seen.

Of `tests/simulation/mutants` those that live in decide: what is broken in stores, desks and lanes
no walk passes through.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache

from tests.simulation.mutants import MUTANTS
from tests.simulation.walks.drawn import Drawn, drawn
from tests.simulation.walks.walk import walked

__all__ = ["IN_DECIDE", "Caught", "caught"]

WALKS_MAX, WALKS_EACH = 4_000, 8
IN_DECIDE = (
    "decides_by_chance", "decides_in_the_state_itself", "undoes_in_forward_order",
    "undoes_all_at_once", "commands_an_undo_again", "does_again_what_an_undo_flow_did",
    "forgets_to_undo", "writes_no_undo_entry", "logs_a_failed_undo", "passes_a_failed_undo",
    "seals_nothing", "goes_on_before_all_is_settled", "ignores_a_late_done",
    "drops_a_done_that_comes_late", "reads_what_is_forgotten", "accepts_a_late_no",
    "retries_an_unknown_r2", "takes_no_reply_for_a_no", "commands_again_with_other_arguments",
    "believes_a_probe_that_cannot_tell", "ignores_an_expired_decision", "asks_for_no_decision",
    "skips_the_digest_of_a_decision", "commands_without_an_approval", "takes_a_reject_for_a_grant",
    "forgets_a_backoff", "never_expires", "repeats_beyond_its_max",
    "opens_more_items_than_its_width", "runs_a_handler_beside_itself", "retries_for_ever",
    "takes_an_event_twice", "fires_a_timer_twice", "fires_timers_early",
    "forgets_to_fire_timers_first", "ends_with_a_failure_uncaught", "moves_while_paused",
    "forgets_what_came_during_a_pause", "releases_a_lock_before_all_is_settled",
    "undoes_without_the_lock", "keeps_a_lock_after_the_end",
)  # fmt: skip
"""By what they break, from deciding alike to locks. One that needs another saga is none of them."""


@dataclass(frozen=True, slots=True)
class Caught:
    """After how many walks which invariant failed; it holds there while nothing is broken."""

    walks: int
    invariant: str


def caught(name: str, walks_max: int = WALKS_MAX) -> Caught | None:
    """Walk with a breakage, from definition 1 on, until an invariant fails."""
    for count in range(walks_max):
        given = _drawn(1 + count // WALKS_EACH)
        walk = count % WALKS_EACH
        with MUTANTS[name].breaks():
            found = walked(given, walk).violation
        if found is not None and walked(given, walk).violation is None:
            return Caught(count + 1, found.name)
    return None


@cache
def _drawn(number: int) -> Drawn:
    return drawn(number)


def main() -> None:
    """A line for each; a breakage that no walk sees survives."""
    for name in sys.argv[1:] or IN_DECIDE:
        found = caught(name)
        told = "SURVIVES" if found is None else f"after {found.walks:,} walks: {found.invariant}"
        sys.stdout.write(f"{name:45} {told}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
