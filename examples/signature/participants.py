"""`troth worker examples.signature.participants:app` runs the example's participants.

EXAMPLE_BOOKS names the file of their books.
"""

from __future__ import annotations

import os
from pathlib import Path

from examples.signature.systems import archive, drafts, esign
from sagas.catalogue.signature import app, connect

__all__ = ["app"]

_books = Path(os.environ.get("EXAMPLE_BOOKS", "books.db"))
connect(drafts, esign(_books), archive(_books))
