"""How much a run measures: counts, seconds, rates."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FULL", "QUICK", "TINY", "Sizes"]


@dataclass(frozen=True, slots=True)
class Sizes:
    """The numbers of every workload. `label` says in the results which ones were used."""

    label: str
    sagas: int
    """W1 and W2, each repetition."""
    warm_up: int
    repeats: int
    rate_per_s: int
    rate_s: int
    """W3: sagas a second, for so many seconds."""
    waiting: tuple[int, ...]
    woken: int
    rest_s: float
    """W4: how many wait, how many of them are woken, how long the engine is watched at rest."""
    in_flight: int
    """W5."""
    histories: int
    """W6: how many are read."""
    lanes: tuple[int, ...]
    stored_events: tuple[int, ...]
    stream_events: tuple[int, ...]
    appends: int
    """Growth: lanes, events in the store, events of one commitment and appends to it."""
    peer_sagas: int
    decides: int
    long_stream: int
    items: tuple[int, ...]
    """In-process figures: sagas of 50 steps, events of the long history, items of a list."""


FULL = Sizes(
    label="full", sagas=5_000, warm_up=500, repeats=3, rate_per_s=10, rate_s=30,
    waiting=(20_000, 100_000), woken=1_000, rest_s=20.0, in_flight=2_000, histories=500,
    lanes=(1, 2, 4, 8), stored_events=(0, 1_000_000, 5_000_000),
    stream_events=(10, 1_000, 100_000), appends=200, peer_sagas=2_000, decides=40,
    long_stream=100_000, items=(20, 2_000, 10_000),
)  # fmt: skip
QUICK = Sizes(
    label="quick", sagas=1_000, warm_up=200, repeats=1, rate_per_s=10, rate_s=8,
    waiting=(2_000,), woken=200, rest_s=5.0, in_flight=500, histories=100,
    lanes=(1, 4), stored_events=(0, 50_000), stream_events=(10, 1_000), appends=50,
    peer_sagas=300, decides=5, long_stream=5_000, items=(20, 2_000),
)  # fmt: skip
TINY = Sizes(
    label="tiny", sagas=30, warm_up=5, repeats=1, rate_per_s=10, rate_s=1,
    waiting=(50,), woken=10, rest_s=0.2, in_flight=60, histories=5,
    lanes=(1,), stored_events=(0, 500), stream_events=(10, 50), appends=5,
    peer_sagas=20, decides=1, long_stream=200, items=(20,),
)  # fmt: skip
"""For the test that keeps the workloads working: its figures mean nothing."""
