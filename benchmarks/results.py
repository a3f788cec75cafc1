"""Figures: printed with their method, and kept in benchmarks/out/latest.json."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["OUT", "Figure", "Results"]

OUT = Path(__file__).parent / "out" / "latest.json"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number: what, of which workload and shape, in which unit, found how."""

    shape: str
    workload: str
    figure: str
    value: float
    unit: str
    method: str


class Results:
    """The figures of one run; those of workloads that did not run stay as they were."""

    def __init__(self) -> None:
        self._figures: list[Figure] = []

    def add(self, workload: str, figure: str, value: float, unit: str, method: str) -> None:
        """Keep a figure of the embedded shape, and print it."""
        found = Figure("embedded", workload, figure, round(value, 3), unit, method)
        self._figures.append(found)
        print(f"{workload:<8} {figure:<34} {value:>12,.1f} {unit:<10} {method}", flush=True)

    def save(self) -> None:
        """Write them beside the kept ones of other workloads."""
        ran = {f.workload for f in self._figures}
        kept = json.loads(OUT.read_text()) if OUT.exists() else []
        rows = [row for row in kept if row["workload"] not in ran]
        rows += [asdict(f) | {"python": platform.python_version()} for f in self._figures]
        OUT.parent.mkdir(exist_ok=True)
        OUT.write_text(json.dumps(rows, indent=1) + "\n")
