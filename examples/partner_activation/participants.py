"""`troth worker examples.partner_activation.participants:app` runs the example's participants.

EXAMPLE_BOOKS names the file of their books, EXAMPLE_SEED which calls fail.
"""

from __future__ import annotations

import os
from pathlib import Path

from examples.partner_activation.systems import Faults, crm, registry
from sagas.catalogue.partner_activation import app, connect

__all__ = ["app"]

_faults = Faults(seed=int(os.environ.get("EXAMPLE_SEED", "7")))
connect(registry(_faults), crm(Path(os.environ.get("EXAMPLE_BOOKS", "books.db")), _faults))
