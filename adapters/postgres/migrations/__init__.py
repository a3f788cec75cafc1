"""Steps from one form of the tables to the next, run by alembic for `troth-engine migrate`."""

from __future__ import annotations

from pathlib import Path

__all__ = ["PLACE", "VERSIONS", "statements_of"]

PLACE = Path(__file__).parent
VERSIONS = PLACE / "versions"


def statements_of(name: str) -> list[str]:
    """The statements of a file of SQL in `versions`, each ended by a semicolon and a line end."""
    lines = (VERSIONS / name).read_text("utf-8").splitlines(keepends=True)
    text = "".join(line for line in lines if not line.startswith("--"))
    return [statement.strip() for statement in text.split(";\n") if statement.strip()]
