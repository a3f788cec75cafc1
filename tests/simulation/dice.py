"""Chance and faults: one seed decides everything, and every fault that happens is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import TypeVar

from tests.simulation.options import WHOLE, Options

__all__ = ["RATES", "Dice"]

T = TypeVar("T")

RATES: dict[str, float] = {
    # the network, for each message
    "dropped": 0.03, "repeated": 0.03, "reply lost": 0.03, "slow": 0.05, "very slow": 0.004,
    # the engine, for each call of its store
    "engine crashed": 0.002, "crashed before commit": 0.006, "crashed after commit": 0.006,
    "commit failed": 0.004, "commit unclear": 0.004, "lane lost": 0.004, "write torn": 0.004,
    "write failed": 0.001, "write conflict": 0.002, "stopped in a transaction": 0.002,
    # the engine, for each round
    "engine stalled": 0.004, "timer late": 0.1, "timers held": 0.003, "clock jumped": 0.002,
    "notice lost": 0.05,
    # a stream, for each message that it decides on
    "stream broken": 0.0015,
    # participants, at each await
    "worker crashed": 0.006, "worker paused": 0.006, "worker drained": 0.002,
    "worker cut off": 0.003, "journal failed": 0.003,
    # handlers, for each call
    "handler failed": 0.06, "handler refused": 0.03, "not done": 0.03, "answer lost": 0.05,
    "handler slow": 0.03, "undo refused": 0.08, "probe cannot tell": 0.1,
}  # fmt: skip
"""How often a fault happens where it can, in a run in which it happens at all."""

APART: dict[str, float] = {
    # a child, for each that is to begin
    "opening broken": 0.15,
}
"""The same, drawn apart: where none of them happens all else is as it would be without."""
WITH_APART = 0.3
"""The share of runs in which they happen at all."""

ABSENT = 0.25
"""The share of faults that a run does without, so that others are seen alone (swarm testing)."""


class Dice:
    """The one source of chance. `calm` ends all faults; `told` hears of each that happens."""

    def __init__(self, seed: int, options: Options = WHOLE) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.faults: Counter[str] = Counter()
        self.told: Callable[[str], None] | None = None
        self._options = options
        self._left = options.hits_max
        self.is_calm = False
        scale = self.random.choice([0.3, 1.0, 1.0, 2.0])
        self._rates = {
            name: 0.0 if self.random.random() < ABSENT else rate * scale
            for name, rate in RATES.items()
        }

        self._apart = Random(f"apart {seed}")
        is_there = self._apart.random() < WITH_APART
        self._rates |= {name: rate if is_there else 0.0 for name, rate in APART.items()}

    def also(self, rates: Mapping[str, float]) -> None:
        """Faults of worlds of some kind, drawn apart: the others stay as they are."""
        rng = Random(f"rates {self.seed}")
        for name, rate in rates.items():
            self._rates[name] = 0.0 if rng.random() < ABSENT else rate

    def calm(self) -> None:
        """No more faults from now on."""
        self.is_calm = True

    def hits(self, fault: str) -> bool:
        """Whether this fault happens here and now; it is counted."""
        rng = self._apart if fault in APART else self.random
        if self.is_calm or rng.random() >= self._rates[fault]:
            return False
        if fault in self._options.without or self._left == 0:
            return False
        if self._left is not None:
            self._left -= 1
        self.faults[fault] += 1
        if self.told is not None:
            self.told(fault)
        return True

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def between(self, low: float, high: float) -> float:
        return self.random.uniform(low, high)

    def pick(self, items: Sequence[T]) -> T:
        return self.random.choice(items)
