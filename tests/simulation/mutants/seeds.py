"""The seeds by which breakages are known, and the table of them in docs/simulation.md.

Both are written by `make mutants ARGS=--reseed`, after a change of the simulator shifts what
each seed means.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from tests.simulation.mutants.harness import MUTANTS, Caught

__all__ = ["FIRST_SEED", "Known", "known", "learn", "publish", "seed_of"]

FIRST_SEED = 1
_FILE = Path(__file__).with_name("seeds.json")
_PAGE = Path(__file__).parents[3] / "docs" / "simulation.md"
_BEGIN, _END = "<!-- mutants: written by make mutants -->\n", "<!-- /mutants -->\n"
_HEAD = "| breakage | promise | caught by | after worlds | seed |\n|---|---|---|---|---|\n"


@dataclass(frozen=True, slots=True)
class Known:
    """How a breakage was last caught: by which seed and invariant, after how many worlds.

    One that survived has no seed. Worlds of a kind that cannot see it are not counted.
    """

    seed: int | None
    worlds: int
    invariant: str


def known() -> dict[str, Known]:
    """What is known, by the name of the breakage."""
    return {name: Known(**values) for name, values in orjson.loads(_FILE.read_bytes()).items()}


def seed_of(name: str) -> int:
    """The seed to try first."""
    found = known().get(name)
    return FIRST_SEED if found is None or found.seed is None else found.seed


def learn(name: str, caught: Caught | None, tried: int) -> None:
    """Write down how one was caught, or that it survived so many seeds."""
    there = known()
    if caught is None:
        there[name] = Known(None, tried, "")
    else:
        there[name] = Known(caught.seed, caught.worlds, caught.invariant)
    kept = {name: asdict(one) for name, one in sorted(there.items()) if name in MUTANTS}
    lines = (f'  "{name}": {orjson.dumps(one).decode()}' for name, one in kept.items())
    _FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


def publish() -> None:
    """Write the table of what is known into the page, between its marks."""
    before, begin, rest = _PAGE.read_text("utf-8").partition(_BEGIN)
    _, end, after = rest.partition(_END)
    assert end, f"{_PAGE.name} has no place for the table"
    _PAGE.write_text(before + begin + table() + end + after, "utf-8")


def table() -> str:
    """One row for each breakage: by promise, then by name."""
    there = known()
    rows = [_HEAD]
    for one in sorted(MUTANTS.values(), key=lambda m: (m.promise or 99, m.name)):
        found = there.get(one.name)
        cells = [one.name.replace("_", " "), one.promise or "-", *_caught(found)]
        rows.append("| " + " | ".join(str(cell) for cell in cells) + " |\n")
    return "".join(rows)


def _caught(found: Known | None) -> tuple[str | int, ...]:
    if found is None:
        return "not hunted yet", "", ""
    if found.seed is None:
        return "**survives**", found.worlds, ""
    return found.invariant, found.worlds, found.seed
