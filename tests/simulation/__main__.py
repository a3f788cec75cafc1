"""`python -m tests.simulation --seeds 50`: many worlds, each from a seed; exit code 1 on a find."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
from collections import Counter
from collections.abc import Sequence

from tests.simulation.jobs import lived
from tests.simulation.options import Options
from tests.simulation.world import Outcome

_HASH_SEED = "PYTHONHASHSEED"
TRACE_SHOWN = 25
FIRST_SEED = 1
PROGRESS_S = 30.0


def main() -> int:
    """Run the seeds and say what was seen."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seeds", type=int, default=50, help="how many, half of them fresh")
    parser.add_argument("--from", type=int, dest="first",
                        help="none fresh: one after the other from this one on")  # fmt: skip
    parser.add_argument("--seed", type=int, help="only this one, as a failure prints it")
    parser.add_argument("--jobs", type=int, default=1, help="processes; 0: one for each core")
    parser.add_argument("--trace", action="store_true", help="print the last events of each")
    parser.add_argument("--without", help="leave out these faults and people, by commas")
    parser.add_argument("--hits", type=int, help="end all faults after so many")
    parser.add_argument("--stories", type=int, help="only the first things that producers do")
    parser.add_argument("--whole", action="store_true", help="do not make a failure small")
    asked = parser.parse_args()
    options = Options.of(asked.without, asked.hits, asked.stories)
    seeds = _seeds(asked.seeds, asked.first) if asked.seed is None else [asked.seed]
    jobs = min(asked.jobs or os.cpu_count() or 1, len(seeds))
    began_s = told_s = time.monotonic()
    outcomes: list[Outcome] = []
    for outcome in lived(seeds, options, whole=asked.whole, jobs=jobs):
        if outcome.violation is not None or asked.trace:
            _say(shown(outcome))
        outcome.trace.clear()
        outcomes.append(outcome)
        now_s = time.monotonic()
        if now_s - told_s >= PROGRESS_S:
            told_s = now_s
            _say(_progress(outcomes, len(seeds), now_s - began_s))
    _say(_summary(outcomes, time.monotonic() - began_s))
    return int(any(outcome.violation for outcome in outcomes))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def shown(outcome: Outcome) -> str:
    """The seed, the invariant, the last events, and the command that replays it."""
    lines = [f"seed {outcome.seed}: {outcome.violation or 'every invariant holds'}"]
    lines += [f"  {line}" for line in outcome.trace[-TRACE_SHOWN:]]
    lines.append(f"  fingerprint {outcome.fingerprint}")
    left_out = outcome.options.arguments()
    whole = f"python -m tests.simulation --seed {outcome.seed}"
    lines.append(f"  replay: {whole} {left_out} --whole --trace".replace("  --", " --"))
    return "\n".join(lines)


def _seeds(count: int, first: int | None) -> list[int]:
    """The first half are always the same, the others fresh; or all from `first` on."""
    if first is not None:
        return [*range(first, first + count)]
    fixed = count - count // 2
    return [*range(FIRST_SEED, FIRST_SEED + fixed),
            *(secrets.randbits(48) for _ in range(count // 2))]  # fmt: skip


def _progress(outcomes: Sequence[Outcome], wanted: int, wall_s: float) -> str:
    found = sum(outcome.violation is not None for outcome in outcomes)
    rate = len(outcomes) / wall_s
    left_s = (wanted - len(outcomes)) / rate
    hours = sum(outcome.simulated_s for outcome in outcomes) / 3600
    core_s = max(sum(outcome.core_s for outcome in outcomes), 0.001)
    return (
        f"{len(outcomes):,} of {wanted:,} seeds, {found} with a violation; {rate:.1f} a second, "
        f"{hours / core_s:,.0f} simulated hours for each second of one core; {left_s:,.0f} s left"
    )


def _summary(outcomes: Sequence[Outcome], wall_s: float) -> str:
    hours = sum(outcome.simulated_s for outcome in outcomes) / 3600
    found = sum(outcome.violation is not None for outcome in outcomes)
    decisions = sum(outcome.decisions for outcome in outcomes)
    core_s = max(sum(outcome.core_s for outcome in outcomes), 0.001)
    lines = [
        f"{len(outcomes)} seeds in {wall_s:.1f} s, {found} with a violation",
        (
            f"{hours:,.0f} simulated hours, {hours / core_s:,.1f} for each second of one core "
            f"({core_s:.1f} s used); {decisions:,} decisions, {decisions / core_s:,.0f} a second"
        ),
        _counted("kinds of worlds", [o.kinds for o in outcomes]),
        _counted("ends", [o.ends for o in outcomes]),
        _counted("states seen", [o.statuses for o in outcomes]),
        _counted("faults", [o.faults for o in outcomes]),
        f"kinds of events: {len(set().union(*(o.topics for o in outcomes)))}",
        _covered(set().union(*(o.covered for o in outcomes))),
    ]
    return "\n".join(lines)


def _covered(pairs: set[tuple[str, str]]) -> str:
    """How many states of nodes were seen: kind of node, status of its commitment, event."""
    kinds = Counter(kind for kind, _ in pairs)
    told = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
    return f"states of nodes covered: {len(pairs)} ({told})"


def _counted(what: str, counters: list[Counter[str]]) -> str:
    total: Counter[str] = sum(counters, Counter())
    return f"{what}: " + ", ".join(f"{name} {count:,}" for name, count in total.most_common())


if __name__ == "__main__":
    if os.environ.get(_HASH_SEED) != "0":
        # The order of sets of text must be the same in every process that replays a seed.
        command = [sys.executable, "-m", "tests.simulation", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, _HASH_SEED: "0"})
    sys.exit(main())
