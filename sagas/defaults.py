"""Defaults and bounds of the saga language (semantics sections 6 and 10), each with a name."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RETRY", "UNDO_RETRY", "Retry"]


@dataclass(frozen=True, slots=True)
class Retry:
    """When and how often again: attempts in all, microseconds, shares of one."""

    attempts: int
    first_us: int
    factor: float
    cap_us: int
    jitter: float
    on: tuple[str, ...] = ()


SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US

TIMEOUT = "1m"
START_WITHIN_US = 7 * DAY_US
DECISION_VALID_US = 7 * DAY_US
EARLY_TTL = "7d"
CLAIM_LEASE = "1d"
DEBT_DUE = "3d"
RETRY = Retry(10, SECOND_US, 2.0, 5 * MINUTE_US, 0.2)
UNDO_RETRY = Retry(10, SECOND_US, 2.0, HOUR_US, 0.2)

# A probe that gives no clear answer so often is a question for a person.
PROBES_MAX = 10
ASKED_MAX = 3
DECISION_USES = 1

MOVES_MAX = 10_000
NODES_MAX = 500
DEPTH_MAX = 32
DEFINITION_BYTES_MAX = 256 * 1024
VALUE_BYTES_MAX = 256 * 1024
STATE_BYTES_MAX = 4 * 1024 * 1024
ROUNDS_MAX = 10_000
ITEMS_MAX = 10_000
ITEMS_WIDTH_MAX = 1_000
HANDLER_RUNS_MAX = 1_000
HANDLER_QUEUE_MAX = 100
HANDLER_WIDTH_MAX = 1_000
COLLECT_MAX = 1_000
ENTRIES_MAX = 10_000
ATTEMPTS_MAX = 1_000
DEFERRED_MAX = 1_000
CHILDREN_MAX = 1_000
CHILD_DEPTH_MAX = 16
WITHIN_US_MAX = 366 * DAY_US
TIMER_US_MAX = 3_650 * DAY_US
VARS_MAX = 64
ATTRIBUTES_MAX = 32
