"""Steps from one form of the tables to the next, run by alembic.

What a revision changes in the tables stands in a file of SQL beside it: a new store runs those
files in order, without alembic, whose import would be the longest part of a cold start.
"""

from __future__ import annotations

from pathlib import Path

from adapters.sql.migrating import statements_in

__all__ = ["PLACE", "VERSIONS", "all_statements", "statements_of"]

PLACE = Path(__file__).parent
VERSIONS = PLACE / "versions"


def statements_of(name: str) -> list[str]:
    """The statements of a file of SQL in `versions`."""
    return statements_in(VERSIONS / name)


def all_statements() -> list[str]:
    """Every statement that makes the newest tables from nothing."""
    names = sorted(file.name for file in VERSIONS.glob("*.sql"))
    return [statement for name in names for statement in statements_of(name)]
