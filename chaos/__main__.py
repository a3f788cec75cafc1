"""`make chaos`: kill real processes at named points, then compare books. See docs/chaos.md."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from chaos.recovery import recover
from chaos.releases import beside
from chaos.report import as_json, as_table
from chaos.run import Options, Outcome, run
from chaos.world import SHAPES, Faulty

KILLS = 20
BAD, STUCK = 1, 3


def main(words: Sequence[str]) -> int:
    """0 when nothing was lost or doubled, 1 when something was, 3 when a part did not come back."""
    options = _options(words)
    # Else what was started would outlive a run that is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    code = 0
    for shape in [options.shape] if options.shape else SHAPES:
        try:
            asked = Options(shape, options.kills, options.seed, options.only, keep=options.keep)
            if options.in_flight:
                measured = recover(Outcome(asked), options.in_flight)
                print(measured.as_json())
                code = code or (0 if measured.sound else BAD)
                continue
            if options.releases or options.older:
                found = beside(Outcome(asked), options.older)
            else:
                found = run(asked)
        except Faulty as fault:
            print(f"{shape}, seed {options.seed}: {fault}", file=sys.stderr)
            return STUCK
        print(as_table(found))
        print(as_json(found))
        code = code or (0 if found.sound else BAD)
    return code


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--shape", choices=SHAPES, help="one shape; default: each")
    parser.add_argument("--kills", type=int, default=KILLS, help=f"at least, on each; {KILLS}")
    parser.add_argument("--seed", type=int, default=1, help="of the order of the points; 1")
    parser.add_argument("--only", default="", help="points whose name has this in it")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="for books and logs, if something is found"
    )
    parser.add_argument(
        "--in-flight", type=int, metavar="N", help="instead: one kill with so many under way, timed"
    )
    parser.add_argument(
        "--releases", action="store_true", help="instead: this release and a next one, and back"
    )
    parser.add_argument(
        "--older", default="", metavar="REF", help="instead: a commit's engine and this one"
    )
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
