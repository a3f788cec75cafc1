"""The demo's child processes: an engine with short leases, and the participants."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from examples import children
from examples.children import ROOT, Child, Engine, last_lines
from examples.children import RunFailed as DemoFailed

__all__ = [
    "ROOT", "Child", "DemoFailed", "Engine", "Participants", "engine", "last_lines",
    "participants",
]  # fmt: skip

LEASE_S = 10
"""Short, so that what a killed participant held is given to the next one while you watch."""


class Participants(Child):
    """`troth worker` in the environment that has the SDK alone."""


def engine(folder: Path, on_death: Callable[[str], None]) -> Engine:
    """The engine of a demo folder, not started."""
    return children.engine(folder, on_death, settings={"TROTH_LEASE_S": str(LEASE_S)})


def participants(
    folder: Path, engine: Engine, seed: int, on_death: Callable[[str], None]
) -> Participants:
    """The example's participants for a started engine, not started."""
    command = [
        str(ROOT / ".venv-user" / "bin" / "troth"),
        "worker",
        "examples.partner_activation.participants:app",
    ]
    settings = {
        "TROTH_URL": engine.url,
        "TROTH_API_KEY": engine.keys["participant"],
        "TROTH_JOURNAL_URL": f"sqlite:///{folder.resolve() / 'journal.db'}",
        "EXAMPLE_BOOKS": str(folder.resolve() / "books.db"),
        "EXAMPLE_SEED": str(seed),
    }
    return Participants(
        "the participants' process", command, folder / "participants.log", settings, on_death
    )
