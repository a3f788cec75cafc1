"""Named points inside a participant, at which it holds still until somebody says go on.

A point is a file: `arm` makes it, the first handler that comes by takes it and waits. Whoever armed
it knows then that the process stands exactly there, and kills what it likes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["AFTER_EFFECT", "BEFORE_EFFECT", "HELD_MAX_S", "Gate", "pass_by"]

FOLDER = "CHAOS_GATES"
"""Names the folder of the points."""
BEFORE_EFFECT = "before_effect"
AFTER_EFFECT = "after_effect"
HELD_MAX_S = 20.0
"""A participant goes on by itself after so long: nobody may be left standing."""
LOOK_S = 0.02


class Gate:
    """A point in a participant, seen from outside."""

    def __init__(self, folder: Path, name: str) -> None:
        self._armed, self._held = folder / f"{name}.armed", folder / f"{name}.held"

    def arm(self) -> None:
        """Hold the next handler that comes to this point."""
        self._held.unlink(missing_ok=True)
        self._armed.touch()

    def is_held(self) -> bool:
        """Whether a handler stands there now."""
        return self._held.exists()

    def open(self) -> None:
        """Let it go on; nobody is held any more."""
        self._armed.unlink(missing_ok=True)
        self._held.unlink(missing_ok=True)


def pass_by(name: str, look: Callable[[float], None] = time.sleep) -> None:
    """In a handler: hold here if somebody armed this point."""
    folder = os.environ.get(FOLDER)
    if folder is None:
        return
    armed, held = Path(folder) / f"{name}.armed", Path(folder) / f"{name}.held"
    try:
        armed.rename(held)
    except FileNotFoundError:
        return
    ends_s = time.monotonic() + HELD_MAX_S
    while held.exists() and time.monotonic() < ends_s:
        look(LOOK_S)
