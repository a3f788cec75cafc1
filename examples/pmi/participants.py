"""`troth worker examples.pmi.participants:app` runs the example's participant.

EXAMPLE_BOOKS names the file of its books.
"""

from __future__ import annotations

import os
from pathlib import Path

from examples.pmi.systems import office
from sagas.catalogue.pmi import app, connect

__all__ = ["app"]

connect(office(Path(os.environ.get("EXAMPLE_BOOKS", "books.db"))))
