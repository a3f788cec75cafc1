"""The demo's child processes: an engine with short leases, and the participants."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from examples import children
from examples.children import PROGRAM, ROOT, Child, Engine, last_lines
from examples.children import RunFailed as DemoFailed
from examples.shapes import Place

__all__ = [
    "PARTICIPANTS", "PROGRAM", "ROOT", "Child", "DemoFailed", "Engine", "Participants", "engines",
    "keys_of", "last_lines", "participants",
]  # fmt: skip

LEASE_S = 10
"""Short, so that what a killed participant held is given to the next one while you watch."""
PARTICIPANTS = ("registry", "crm")
KEYS_FILE = "keys.jsonl"
KEYS = {
    "producer": ["--role", "producer"],
    "participant": ["--role", "participant"],
    "operator": ["--role", "operator"],
    "reader": ["--role", "reader"],
    "function_head": ["--role", "approver", "--seat", "function_head"],
    "legal": ["--role", "approver", "--seat", "legal"],
    "developer": ["--role", "producer", "--role", "operator", "--role", "reader"],
}
"""Who takes part, where an engine does not make keys by itself as `dev` does."""


class Participants(Child):
    """`troth worker`: on SQLite in the environment that has the SDK alone."""


def engines(folder: Path, where: Place, on_death: Callable[[str], None]) -> list[Engine]:
    """The processes of the engine of a demo folder, not started; the first has the API."""
    commands = {"the engine": ["dev", "--state", str(folder), "--store", where.store_url]}
    if where.shape.lanes:
        commands = {"serve": ["serve", "--keys-file", str(folder / KEYS_FILE)]}
        commands |= {f"work {number + 1}": ["work"] for number in range(where.shape.lanes)}
    settings = {"TROTH_LEASE_S": str(LEASE_S), **where.engine(PARTICIPANTS)}
    return [
        children.engine(folder, on_death, command=command, settings=settings, name=name)
        for name, command in commands.items()
    ]


async def keys_of(folder: Path, engines: Sequence[Engine]) -> dict[str, str]:
    """Start the engine: its keys by name. Tables and topics are made before, where it has any."""
    first, *others = engines
    if not others:
        await first.start()
        return first.keys
    migrated = children.once("migrate", log=first.log, settings=first.settings)
    keys, _ = await asyncio.gather(_make_keys(folder, first), migrated)
    # The first one takes the default port; the others then see that it is taken.
    await first.start()
    await asyncio.gather(*(engine.start() for engine in others))
    return keys


async def _make_keys(folder: Path, engine: Engine) -> dict[str, str]:
    keys: dict[str, str] = {}
    for name, given in KEYS.items():
        options = ["--json", "--name", name, "--file", str(folder / KEYS_FILE), *given]
        said = await children.once(
            "keys", "add", *options, log=engine.log, settings=engine.settings
        )
        keys[name] = json.loads(said)["key"]
    return keys


def participants(
    folder: Path, where: Place, url: str, key: str, seed: int, on_death: Callable[[str], None]
) -> Participants:
    """The example's participants for an engine at `url`, not started."""
    # The drivers of PostgreSQL and Kafka are extras that the user's environment here does not have.
    environment = ROOT / (".venv" if where.shape.servers else ".venv-user")
    command = [
        str(environment / "bin" / "troth"),
        "worker",
        "examples.partner_activation.participants:app",
    ]
    settings = {
        "TROTH_URL": url,
        "TROTH_API_KEY": key,
        "EXAMPLE_BOOKS": str(folder.resolve() / "books.db"),
        "EXAMPLE_SEED": str(seed),
        **where.worker(),
    }
    return Participants(
        "the participants' process", command, folder / "participants.log", settings, on_death
    )
