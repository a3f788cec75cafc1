"""`make mutants`: hunt every breakage through seeds; exit code 1 if one survives.

Only worlds of a kind that can see a breakage are tried, and counted.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import count, islice

from tests.simulation.mutants import MUTANTS, Caught, hunt, seeds
from tests.simulation.parent import end_with_parent

WORLDS = 200
FEW = 10
DETAIL_CHARS = 70
_HASH_SEED = "PYTHONHASHSEED"


def main() -> int:
    """Hunt, and say after how many worlds each was caught."""
    asked = _asked()
    if asked.publish and not asked.reseed:
        seeds.publish()
        return 0
    wanted = asked.names or [*MUTANTS]
    assert not (asked.known and asked.reseed), (
        "how many worlds it took is only said from the first on"
    )
    found: dict[str, Caught | None] = {}
    for name, caught in _hunted(wanted, asked):
        found[name] = caught
        _say(_told(name, caught))
        if asked.reseed:
            seeds.learn(name, caught, asked.seeds)
    if asked.reseed:
        seeds.publish()
    alive = [name for name, caught in found.items() if caught is None]
    counts = Counter(c.worlds for c in found.values() if c is not None)
    few = sum(n for worlds, n in counts.items() if worlds <= FEW)
    _say(f"{len(wanted)} breakages, {len(wanted) - len(alive)} caught: {counts[1]} by the first "
         f"world, {few} within {FEW}; survivors: {', '.join(alive) or 'none'}")  # fmt: skip
    return int(bool(alive))


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.mutants")
    parser.add_argument("names", nargs="*", choices=[[], *MUTANTS], metavar="NAME",
                        help="only these")  # fmt: skip
    parser.add_argument("--seeds", type=int, default=WORLDS,
                        help="worlds at most, for each: of the kinds that can see it")  # fmt: skip
    parser.add_argument("--from", type=int, default=seeds.FIRST_SEED, dest="first",
                        help="first seed")  # fmt: skip
    parser.add_argument("--known", action="store_true", help="try the seed it is known by first")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--reseed", action="store_true",
                        help="write down the seeds, and the table of the docs")  # fmt: skip
    parser.add_argument("--publish", action="store_true", help="write the table as it is known")
    return parser.parse_args()


def _hunted(names: list[str], asked: argparse.Namespace) -> Iterator[tuple[str, Caught | None]]:
    ranges: list[list[int]] = []
    for name in names:
        first = [seeds.seed_of(name)] if asked.known else []
        others = islice(filter(MUTANTS[name].is_for, count(asked.first)), asked.seeds)
        ranges.append([*first, *(seed for seed in others if seed not in first)])
    if asked.jobs == 1:
        yield from ((name, _hunt(name, tried)) for name, tried in zip(names, ranges, strict=True))
        return
    # Forked: what the processes know, and their order of sets, is that of this one.
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(asked.jobs, context, end_with_parent) as pool:
        hunts = {pool.submit(_hunt, n, tried): n for n, tried in zip(names, ranges, strict=True)}
        yield from ((hunts[done], done.result()) for done in as_completed(hunts))


def _hunt(name: str, tried: list[int]) -> Caught | None:
    return hunt(MUTANTS[name], tried)


def _told(name: str, caught: Caught | None) -> str:
    if caught is None:
        return f"{name:45} SURVIVES"
    detail = " ".join(caught.detail.split())[:DETAIL_CHARS]
    after = f"{caught.worlds} world{'s' if caught.worlds > 1 else ''}"
    return (
        f"{name:45} after {after:10} (seed {caught.seed}, {caught.wall_s:.1f} s): "
        f"{caught.invariant}: {detail}"
    )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if os.environ.get(_HASH_SEED) != "0":
        command = [sys.executable, "-m", "tests.simulation.mutants", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, _HASH_SEED: "0"})
    sys.exit(main())
