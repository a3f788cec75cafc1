"""`python -m examples.loan_offers LOG`: replay a bank's log through an engine and compare."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from rich.console import Console

from examples.children import RunFailed
from examples.loan_offers.run import Options, run
from examples.loan_offers.xes import XesError
from examples.shapes import SHAPES
from troth import TrothError

FOLDER = Path(".loans")
WRONG_USE = 2
INTERRUPTED = 130


def main(arguments: list[str]) -> int:
    """Run the replay: 0 it agrees, 1 it does not, 2 there is no log that can be read."""
    options = _options(arguments)
    if not options.log.is_file():
        print(f"failed   {options.log} is not there: README.md says where it is", file=sys.stderr)
        return WRONG_USE
    try:
        return run(options, Console())
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("\nstopped  the engine is stopped too", file=sys.stderr)
        return INTERRUPTED
    except XesError as error:
        print(f"failed   {error}", file=sys.stderr)
        return WRONG_USE
    except (RunFailed, TrothError) as failure:
        print(f"failed   {failure}", file=sys.stderr)
        return 1


def _options(arguments: list[str]) -> Options:
    parser = argparse.ArgumentParser(prog="make loans", description=__doc__)
    parser.add_argument("log", type=Path, metavar="LOG", help="BPI_Challenge_2012.xes.gz")
    parser.add_argument("--folder", type=Path, default=FOLDER, help=f"made anew, {FOLDER}")
    parser.add_argument("--shape", choices=list(SHAPES), default="embedded", help="of the engine")
    given = parser.parse_args(arguments)
    return Options(given.log, given.folder, SHAPES[given.shape])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
