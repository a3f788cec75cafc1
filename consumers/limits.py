"""The bounds of the message loop, each with its name."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DeskLimits", "LaneLimits"]

US_PER_S = 1_000_000


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """Counts, sizes in bytes, times in microseconds."""

    mail_per_batch_max: int = 5_000
    """Messages one transaction applies; what is sent beyond it waits in the inbox."""
    inbox_per_batch_max: int = 500
    timers_per_batch_max: int = 500
    sweep_per_batch_max: int = 500
    streams_cached_max: int = 10_000
    snapshot_every: int = 200
    """Events of a stream between two snapshots."""
    tries_max: int = 3
    """After so many tries mail that the database refuses parks its stream."""
    parked_held_max: int = 1_000
    """Messages held for a parked stream; a request beyond it is refused."""
    rounds_max: int = 64
    """Transactions of inbox and timers before requests get their turn again."""
    payload_bytes_max: int = 262_144
    lease_us: int = 30 * US_PER_S


@dataclass(frozen=True, slots=True)
class DeskLimits:
    """Counts, and times in seconds."""

    batch_messages_max: int = 500
    queue_max: int = 10_000
    """Requests that wait for the writer; a further one is refused (TR429)."""
    tenant_queue_max: int = 5_000
    """Of these, events and starts of one tenant."""
    claims_waiting_max: int = 2_000
    """Claims that wait for work."""
    clock_skew_max_s: float = 5.0
    idle_poll_s: float = 1.0
    """The writer looks for due timers at least so often."""
    due_again_s: float = 0.1
    """What is due but could not be done is tried again after this time."""
    fault_pause_s: float = 0.5
    """After a failure of the store, before the next try."""
    passed_wait_s: float = 5.0
    """How long the answer to a request that was passed on is waited for."""
    answers_poll_s: float = 0.05
    """How often answers are looked for, should nobody say that one came."""
    heads_poll_s: float = 0.05
    """How often the head of another owner's lane is looked at while somebody waits for it."""
