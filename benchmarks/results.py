"""Figures: printed with their method, and kept in benchmarks/out/latest.json with their run."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

__all__ = ["OUT", "Figure", "Results", "Run", "machine", "read_results"]

OUT = Path(__file__).parent / "out" / "latest.json"
FORM = 2
"""Of the file: what another version left is not mixed with ours."""
OWN_PACKAGES = ("troth-engine", "troth", "psycopg", "aiokafka", "uvicorn", "fastapi", "orjson")


@dataclass(frozen=True, slots=True)
class Figure:
    """One number: whose (a shape, a peer or a floor), of which workload, in which unit, how."""

    subject: str
    workload: str
    figure: str
    value: float
    unit: str
    method: str
    run: str = ""


@dataclass(slots=True)
class Run:
    """What all figures of one run share: only such figures may be compared."""

    id: str
    date: str
    sizes: str
    machine: dict[str, str]
    versions: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)


class Results:
    """The figures of one run, saved beside those of other runs that were not measured again."""

    def __init__(self, sizes: str, *, path: Path = OUT) -> None:
        now = datetime.now(UTC)
        self.path = path
        self.run = Run(
            now.strftime("%Y%m%dT%H%M%SZ"),
            now.date().isoformat(),
            sizes,
            machine(),
            _own_versions(),
        )
        self.figures: list[Figure] = []

    def add(
        self, subject: str, workload: str, figure: str, value: float, unit: str, method: str
    ) -> None:
        """Keep a figure and print it; the last of its name counts."""
        found = Figure(subject, workload, figure, _rounded(value), unit, method, self.run.id)
        self.figures = [f for f in self.figures if _name(asdict(f)) != _name(asdict(found))]
        self.figures.append(found)
        told = f"{subject:<10} {workload:<9} {figure:<28} {found.value:>14,.6g} {unit:<9} {method}"
        print(told, flush=True)

    def value(self, subject: str, workload: str, figure: str) -> float | None:
        """A figure of this run."""
        found = [f.value for f in self.figures if _name(asdict(f)) == (subject, workload, figure)]
        return found[0] if found else None

    def note(self, *, versions: Mapping[str, str] = {}, settings: Mapping[str, str] = {}) -> None:
        """Keep what was used: of which version, with which settings."""
        self.run.versions |= versions
        self.run.settings |= settings

    def save(self) -> None:
        """Write them; a figure that was measured before is replaced."""
        kept = read_results(self.path)
        ours = {_name(asdict(f)) for f in self.figures}
        figures = [row for row in kept["figures"] if _name(row) not in ours]
        figures += [asdict(f) for f in self.figures]
        used = {row["run"] for row in figures}
        runs = {run: told for run, told in kept["runs"].items() if run in used}
        runs[self.run.id] = asdict(self.run)
        document = {"form": FORM, "runs": runs, "figures": figures}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", "utf-8")


def read_results(path: Path = OUT) -> dict[str, Any]:
    """`runs` by id and `figures`; empty if there are none, or in another form."""
    if path.exists():
        found = json.loads(path.read_text("utf-8"))
        if isinstance(found, dict) and found.get("form") == FORM:
            return found
    return {"form": FORM, "runs": {}, "figures": []}


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    cpu = Path("/proc/cpuinfo")
    names = [
        line.partition(":")[2].strip()
        for line in (cpu.read_text().splitlines() if cpu.exists() else [])
        if line.startswith("model name")
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cores": str(os.cpu_count() or 0),
        "cpu": names[0] if names else platform.machine(),
        "memory_gib": f"{memory:.0f}",
        "system": f"{platform.system()} {platform.release()}",
    }


def _own_versions() -> dict[str, str]:
    found = {name: version(name) for name in OWN_PACKAGES}
    revision = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"],
        cwd=Path(__file__).parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if revision.returncode == 0:
        found["revision"] = revision.stdout.strip()
    return found | {"python": platform.python_version()}


def _name(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["subject"], row["workload"], row["figure"]


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
