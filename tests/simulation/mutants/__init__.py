"""Engines broken on purpose: the simulator must catch each (`make mutants`)."""

from __future__ import annotations

from tests.simulation.mutants import (
    borders,
    bounds,
    commitments,
    decisions,
    desk,
    lost_time,
    mended,
    storing,
    streams,
    topics,
)
from tests.simulation.mutants.harness import MUTANTS, Caught, Mutant, hunt
from tests.simulation.mutants.seeds import seed_of

__all__ = [
    "MUTANTS",
    "Caught",
    "Mutant",
    "borders",
    "bounds",
    "commitments",
    "decisions",
    "desk",
    "hunt",
    "lost_time",
    "mended",
    "seed_of",
    "storing",
    "streams",
    "topics",
]
