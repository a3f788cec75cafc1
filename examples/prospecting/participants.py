"""`troth worker examples.prospecting.participants:app` runs the example's participants.

EXAMPLE_BOOKS names the file of their books.
"""

from __future__ import annotations

import os
from pathlib import Path

from examples.prospecting.systems import crm, outreach, research
from sagas.catalogue.prospecting import app, connect

__all__ = ["app"]

_books = Path(os.environ.get("EXAMPLE_BOOKS", "books.db"))
connect(research, outreach(_books), crm(_books))
