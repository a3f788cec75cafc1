"""Which statements each test runs, remembered between runs: to find that out takes minutes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = ["Seen"]

Place = tuple[str, int]


class Seen:
    """What was seen of each test, in a file.

    It holds as long as no source of the code under test changes, nor the test's own module.
    """

    def __init__(self, file: Path, sources: Iterable[Path]) -> None:
        self.file = file
        self._sources = _digest(sources)
        self._keys: dict[Path, str] = {}
        known: Any = json.loads(file.read_text("utf-8")) if file.exists() else {}
        self._known: dict[str, Any] = known

    def of(self, path: Path, test: str) -> tuple[float, set[Place]] | None:
        """What a test costs in seconds and which statements it runs; None where that is unknown."""
        found = self._known.get(test)
        if found is None or found["key"] != self._key(path):
            return None
        lines: dict[str, list[int]] = found["lines"]
        return found["cost_s"], {(module, n) for module, of in lines.items() for n in of}

    def note(self, path: Path, test: str, cost_s: float, places: Iterable[Place]) -> None:
        """Remember a test."""
        lines: dict[str, list[int]] = {}
        for module, line in sorted(places):
            lines.setdefault(module, []).append(line)
        self._known[test] = {"key": self._key(path), "cost_s": cost_s, "lines": lines}

    def write(self) -> None:
        """Keep it for the next run."""
        self.file.write_text(json.dumps(self._known, separators=(",", ":")), "utf-8")

    def _key(self, path: Path) -> str:
        if path not in self._keys:
            self._keys[path] = f"{self._sources}.{_digest([path])}"
        return self._keys[path]


def _digest(paths: Iterable[Path]) -> str:
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in paths)).hexdigest()[:16]
