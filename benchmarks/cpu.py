"""Which process fills the cores: processor time by role, from /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Usage", "memory_mb", "usage"]

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
BY_NAME = {"postgres": "postgres", "java": "kafka", "redis-server": "redis"}
"""Servers that somebody else started are known by the name of their program."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Seconds of processor time by role, since each process began."""

    seconds: dict[str, float]

    def since(self, earlier: Usage) -> dict[str, float]:
        """Seconds used between the two, by role."""
        return {
            role: used - earlier.seconds.get(role, 0.0)
            for role, used in sorted(self.seconds.items())
            if used > earlier.seconds.get(role, 0.0)
        }


@dataclass(frozen=True, slots=True)
class _Process:
    name: str
    parent: int
    used_s: float


def usage(roots: dict[int, str]) -> Usage:
    """Processor time of `roots` with their descendants, and of the servers known by name."""
    processes = _processes()
    seconds: dict[str, float] = {}
    for pid, process in processes.items():
        role = _role(pid, processes, roots) or BY_NAME.get(process.name)
        if role is not None:
            seconds[role] = seconds.get(role, 0.0) + process.used_s
    return Usage(seconds)


def memory_mb(root: int) -> float:
    """Resident memory of a process and its descendants, in MB."""
    processes = _processes()
    total_kib = 0
    for pid in processes:
        if _role(pid, processes, {root: "it"}) is None:
            continue
        for line in (Path(f"/proc/{pid}/status")).read_text().splitlines():
            if line.startswith("VmRSS"):
                total_kib += int(line.split()[1])
    return total_kib / 1024


def _role(pid: int, processes: dict[int, _Process], roots: dict[int, str]) -> str | None:
    while pid in processes:
        if pid in roots:
            return roots[pid]
        pid = processes[pid].parent
    return None


def _processes() -> dict[int, _Process]:
    found: dict[int, _Process] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            text = (folder / "stat").read_text()
        except OSError:
            continue  # it ended while we looked
        name = text[text.index("(") + 1 : text.rindex(")")]
        fields = text[text.rindex(")") + 2 :].split()
        used_s = (int(fields[11]) + int(fields[12])) / TICKS_PER_S
        found[int(folder.name)] = _Process(name, int(fields[1]), used_s)
    return found
