"""Bringing tables from one form to the next: files of SQL, and alembic that runs them in order."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Engine

__all__ = ["run_to_head", "statements_in"]


def statements_in(file: Path) -> list[str]:
    """The statements of a file of SQL, each ended by a semicolon and a line end."""
    lines = file.read_text("utf-8").splitlines(keepends=True)
    text = "".join(line for line in lines if not line.startswith("--"))
    return [statement.strip() for statement in text.split(";\n") if statement.strip()]


def run_to_head(engine: Engine, place: Path, versions: Path) -> None:
    """Run what is newer than the database, in one transaction of the engine's.

    `place` is the folder with `env.py`, `versions` the one with the revisions.
    """
    # Alembic takes half a second to import: only where a migration runs.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(place).replace("%", "%%"))
    config.set_main_option("version_locations", str(versions).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
