"""Steps from one form of the tables to the next, run by alembic for `troth-engine migrate`."""

from __future__ import annotations

from pathlib import Path

from adapters.sql.migrating import statements_in

__all__ = ["PLACE", "VERSIONS", "statements_of"]

PLACE = Path(__file__).parent
VERSIONS = PLACE / "versions"


def statements_of(name: str) -> list[str]:
    """The statements of a file of SQL in `versions`."""
    return statements_in(VERSIONS / name)
