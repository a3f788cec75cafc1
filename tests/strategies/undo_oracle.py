"""What the text of the semantics says about undoing, read from the log alone.

The explorer of definitions holds every run to the same oracle, so there is one of it.
"""

from __future__ import annotations

from sagas.explore.undone import UndoOracle

__all__ = ["UndoOracle"]
