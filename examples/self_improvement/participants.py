"""`troth worker examples.self_improvement.participants:app` runs the example's participants.

EXAMPLE_BOOKS names the file of their books.
"""

from __future__ import annotations

import os
from pathlib import Path

from examples.self_improvement.systems import analyst, governance, releases, trials
from sagas.catalogue.self_improvement import app, connect

__all__ = ["app"]

_books = Path(os.environ.get("EXAMPLE_BOOKS", "books.db"))
connect(analyst, trials(_books), governance, releases(_books))
