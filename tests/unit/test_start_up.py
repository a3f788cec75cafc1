"""What every command of `troth-engine` loads before it knows what is wanted of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HEAVY = (
    "aiokafka", "cel_expr_python", "fastapi", "psycopg", "sqlite3", "uvicorn",
    "consumers", "projections", "sagas",
)  # fmt: skip
"""Loaded where they are used: together they take longer than all the rest of a start."""


def test_no_command_waits_for_what_only_another_one_needs() -> None:
    """The parts of an engine, of a fold and of a driver are imported inside their commands."""
    # A traced process would load what the tracer itself needs: a database, to begin with.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    loaded = subprocess.run(
        [
            sys.executable, "-c",
            "import engine.cli, sys; print(*{one.partition('.')[0] for one in sys.modules})",
        ],
        cwd=ROOT, env=env, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert "engine" in loaded
    assert [one for one in HEAVY if one in loaded] == []
