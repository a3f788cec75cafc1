"""`troth worker examples.dd_room.participants:app` runs the example's participants.

EXAMPLE_BOOKS names the file of their books.
"""

from __future__ import annotations

import os
from pathlib import Path

from examples.dd_room.systems import archive, rooms
from sagas.catalogue.dd_room import app, connect

__all__ = ["app"]

_books = Path(os.environ.get("EXAMPLE_BOOKS", "books.db"))
connect(rooms(_books), archive(_books))
