"""`make mutants`: hunt every breakage through seeds; exit code 1 if one survives."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter

from tests.simulation.mutants import MUTANTS, Caught, Mutant, hunt

SEEDS = 40
FIRST_SEED = 1
DETAIL_CHARS = 70


def main() -> int:
    """Hunt, and say after how many seeds each was caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.mutants")
    parser.add_argument("names", nargs="*", help="only these")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="at most, for each")
    parser.add_argument("--from", type=int, default=FIRST_SEED, dest="first", help="first seed")
    parser.add_argument("--known", action="store_true", help="try the seed it is known by first")
    asked = parser.parse_args()
    wanted = [MUTANTS[name] for name in asked.names] or list(MUTANTS.values())
    found: dict[str, Caught | None] = {}
    for one in wanted:
        seeds = [*range(asked.first, asked.first + asked.seeds)]
        found[one.name] = caught = hunt(one, [one.seed, *seeds] if asked.known else seeds)
        _say(_told(one, caught))
    alive = [name for name, caught in found.items() if caught is None]
    counts = Counter(c.seeds for c in found.values() if c is not None)
    first, few = counts[1], sum(n for seeds, n in counts.items() if seeds <= 10)
    _say(f"{len(wanted)} breakages, {len(wanted) - len(alive)} caught: {first} by the first seed, "
         f"{few} within 10; survivors: {', '.join(alive) or 'none'}")  # fmt: skip
    return int(bool(alive))


def _told(one: Mutant, caught: Caught | None) -> str:
    if caught is None:
        return f"{one.name:45} SURVIVES"
    detail = " ".join(caught.detail.split())[:DETAIL_CHARS]
    seeds = f"{caught.seeds} seed{'s' if caught.seeds > 1 else ''}"
    return (
        f"{one.name:45} after {seeds:9} (seed {caught.seed}, {caught.wall_s:.1f} s): "
        f"{caught.invariant}: {detail}"
    )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        command = [sys.executable, "-m", "tests.simulation.mutants", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, "PYTHONHASHSEED": "0"})
    sys.exit(main())
