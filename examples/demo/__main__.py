"""`python -m examples.demo`: see the package."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from rich.console import Console

from examples.demo.children import DemoFailed
from examples.demo.run import Options, run
from examples.demo.screen import LiveScreen, PlainScreen
from examples.demo.script import PARTNERS_MAX, PARTNERS_MIN
from examples.shapes import SHAPES
from troth import TrothError

FOLDER = Path(".demo")
PARTNERS = 300
SEED = 7
INTERRUPTED = 130


def main(arguments: list[str]) -> int:
    """Run the demo; 0 when every promise is accounted for and the books agree."""
    options = _options(arguments)
    console = Console()
    screen = PlainScreen() if options.plain or not console.is_terminal else LiveScreen(console)
    try:
        return run(options, screen)
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("\nstopped  the engine and the participants are stopped too", file=sys.stderr)
        return INTERRUPTED
    except (DemoFailed, TrothError) as failure:
        print(f"failed   {failure}", file=sys.stderr)
        return 1


def _options(arguments: list[str]) -> Options:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--partners", type=int, default=PARTNERS, help=f"promises, {PARTNERS}")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of everything by chance, {SEED}")
    parser.add_argument("--shape", choices=list(SHAPES), default="embedded", help="of the engine")
    parser.add_argument("--plain", action="store_true", help="plain lines on a terminal too")
    parser.add_argument(
        "--keep", action="store_true", help="let the engine run at the end, until Ctrl-C"
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help=f"made anew, {FOLDER}")
    given = parser.parse_args(arguments)
    if not PARTNERS_MIN <= given.partners <= PARTNERS_MAX:
        parser.error(f"--partners: {PARTNERS_MIN} to {PARTNERS_MAX}")
    return Options(
        given.partners, given.seed, given.plain, given.keep, given.folder, SHAPES[given.shape]
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
