"""Steps from one form of the tables to the next, run by alembic.

What a revision changes in the tables stands in a file of SQL beside it: a new store runs those
files in order, without alembic, whose import would be the longest part of a cold start.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["PLACE", "VERSIONS", "all_statements", "statements_of"]

PLACE = Path(__file__).parent
VERSIONS = PLACE / "versions"


def statements_of(name: str) -> list[str]:
    """The statements of a file of SQL in `versions`, each ended by a semicolon and a line end."""
    lines = (VERSIONS / name).read_text("utf-8").splitlines(keepends=True)
    text = "".join(line for line in lines if not line.startswith("--"))
    return [statement.strip() for statement in text.split(";\n") if statement.strip()]


def all_statements() -> list[str]:
    """Every statement that makes the newest tables from nothing."""
    names = sorted(file.name for file in VERSIONS.glob("*.sql"))
    return [statement for name in names for statement in statements_of(name)]
