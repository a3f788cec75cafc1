"""What kind of world a seed is: drawn apart from its faults, so plain worlds stay as they are."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from tests.simulation.network import TENANT
from tests.simulation.options import Options

__all__ = ["KINDS", "NEIGHBOUR", "Kinds", "kinds_of"]

NEIGHBOUR = "south"
"""The second tenant, where there is one."""
KINDS: dict[str, float] = {"neighbours": 0.12, "restore": 0.12, "bus": 0.12}
"""The share of worlds of each kind; a world may be of several."""


@dataclass(frozen=True, slots=True)
class Kinds:
    """`tenants` share one engine and its sagas; `is_restored`: its store is put back once.
    `has_bus`: Kafka is beside the lanes of it, then nothing else is.
    """

    tenants: tuple[str, ...] = (TENANT,)
    is_restored: bool = False
    has_bus: bool = False

    def names(self) -> list[str]:
        """What it is beside a plain world; "plain" where it is nothing else."""
        found = {
            "neighbours": len(self.tenants) > 1, "restore": self.is_restored, "bus": self.has_bus,
        }  # fmt: skip
        return [name for name, is_so in found.items() if is_so] or ["plain"]


def kinds_of(seed: int, options: Options) -> Kinds:
    """The kinds of a seed, without those that are left out."""
    rng = Random(f"kinds {seed}")
    drawn = {name for name, share in KINDS.items() if rng.random() < share}
    drawn -= options.without
    tenants = (TENANT, NEIGHBOUR) if "neighbours" in drawn else (TENANT,)
    has_bus = "bus" in drawn and len(drawn) == 1
    return Kinds(tenants, is_restored="restore" in drawn, has_bus=has_bus)
