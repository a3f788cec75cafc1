"""The command line of users: `troth`."""

from __future__ import annotations

from ._main import main, run

__all__ = ["main", "run"]
