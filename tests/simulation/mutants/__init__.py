"""Engines broken on purpose: the simulator must catch each (`make mutants`)."""

from __future__ import annotations

from tests.simulation.mutants import commitments, desk, storing, streams
from tests.simulation.mutants.harness import MUTANTS, Caught, Mutant, hunt

__all__ = ["MUTANTS", "Caught", "Mutant", "commitments", "desk", "hunt", "storing", "streams"]
