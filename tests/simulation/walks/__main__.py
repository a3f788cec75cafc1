"""`python -m tests.simulation.walks --walks 10000`: exit code 1 when an invariant fails.

`--walk 17.3` is walk 3 of definition 17, as a failure prints it; `--without` leaves out moves.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
from collections import Counter

from tests.simulation.walks.drawn import drawn
from tests.simulation.walks.hunt import Seen, hunted
from tests.simulation.walks.outline import outline
from tests.simulation.walks.walk import Outcome, walked

PROGRESS_S = 30.0
FRESH_BITS = 40


def main() -> int:
    """Walk, and say what was seen."""
    asked = _arguments()
    if asked.walk is not None:
        return _again(asked.walk, asked.without, is_traced=asked.trace)
    first = secrets.randbits(FRESH_BITS) if asked.first is None else asked.first
    jobs = asked.jobs or os.cpu_count() or 1
    began_s = told_s = time.monotonic()
    seen = Seen()
    for more in hunted(first, asked.walks, wall_s=asked.seconds, jobs=jobs):
        for name in sorted(more.smallest.keys() - seen.smallest.keys()):
            _say(shown(more.smallest[name]))
        seen.add(more)
        now_s = time.monotonic()
        if now_s - told_s >= PROGRESS_S:
            told_s = now_s
            _say(_counts(seen, now_s - began_s))
    _say(summary(seen, first, time.monotonic() - began_s))
    return int(bool(seen.violations))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.walks")
    parser.add_argument("--walks", type=int, default=10_000, help="how many")
    parser.add_argument("--from", type=int, dest="first",
                        help="the number of the first definition; else a fresh one")  # fmt: skip
    parser.add_argument("--seconds", type=float, help="no more after so long")
    parser.add_argument("--jobs", type=int, default=1, help="processes; 0: one for each core")
    parser.add_argument("--walk", help="only this one, as a failure prints it: 17.3")
    parser.add_argument("--without", help="its moves to leave out, as a failure prints them: 0-4,9")
    parser.add_argument("--trace", action="store_true", help="print what is said and decided in it")
    return parser.parse_args()


def _again(name: str, without: str | None, *, is_traced: bool) -> int:
    definition, _, walk = name.partition(".")
    given = drawn(int(definition))
    outcome = walked(given, int(walk or 0), numbers(without or ""), is_traced=is_traced)
    if is_traced:
        _say("\n".join([outline(given.document), *outcome.lines]))
    _say(f"walk {outcome.name}: {outcome.violation or 'every invariant holds'}")
    return int(outcome.violation is not None)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def shown(outcome: Outcome) -> str:
    """The invariant, the definition, what was said and decided, and the command that replays it."""
    lines = [f"walk {outcome.name}: {outcome.violation or 'every invariant holds'}"]
    lines += [f"  {line}" for line in outline(drawn(outcome.definition).document).split("\n")]
    lines += [f"  {line}" for line in outcome.lines]
    without = f" --without {spans(outcome.without)}" if outcome.without else ""
    replay = f"python -m tests.simulation.walks --walk {outcome.name}{without} --trace"
    lines.append(f"  definition {outcome.definition}, {len(outcome.made)} moves; replay: {replay}")
    return "\n".join(lines)


def summary(seen: Seen, first: int, wall_s: float) -> str:
    """All that was seen, in a few lines."""
    kinds = Counter(kind for kind, _ in seen.covered)
    lines = [
        f"{_counts(seen, wall_s)}; from definition {first} on",
        f"{seen.events:,} events of {len(seen.topics)} kinds",
        _counted("moves", seen.moves),
        _counted("ends", seen.ends),
        f"states of nodes covered: {len(seen.covered)} ("
        + ", ".join(f"{kind} {number}" for kind, number in kinds.most_common())
        + ")",
    ]
    if seen.violations:
        lines.append(_counted("violations", seen.violations))
    return "\n".join(lines)


def _counts(seen: Seen, wall_s: float) -> str:
    return (
        f"{seen.walks:,} walks of {seen.definitions:,} definitions in {wall_s:.1f} s, "
        f"{seen.walks / max(wall_s, 0.001):,.0f} a second; "
        f"{seen.violations.total()} with a violation"
    )


def _counted(what: str, counter: Counter[str]) -> str:
    return f"{what}: " + ", ".join(f"{name} {number:,}" for name, number in counter.most_common())


def spans(numbers: frozenset[int]) -> str:
    """As the command line takes them: 0-4,9."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][-1] + 1:
            found[-1] = [found[-1][0], number]
        else:
            found.append([number])
    return ",".join("-".join(map(str, span)) for span in found)


def numbers(text: str) -> frozenset[int]:
    """What `spans` wrote."""
    found: set[int] = set()
    for span in filter(None, text.split(",")):
        first, _, last = span.partition("-")
        found |= {*range(int(first), int(last or first) + 1)}
    return frozenset(found)


if __name__ == "__main__":
    sys.exit(main())
