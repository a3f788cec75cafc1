"""The command line: python -m tools.servers up|down|status|env|install."""

import argparse
import contextlib
import signal
import sys
import time
from pathlib import Path

from tools.servers.base import NotUp
from tools.servers.installing import Missing, say
from tools.servers.running import (
    KINDS,
    STATE,
    VARIABLES,
    Running,
    detach,
    down,
    install,
    status,
    up,
    watch,
)

# Missing is not a failure of the product: a test run skips on it, loudly.
EXIT_FAILED, EXIT_MISSING = 1, 3


def main() -> int:
    """Run one command; its exit status."""
    asked = _parser().parse_args()
    # Killed in the middle of a start: leave through the finally blocks, and nothing is left over.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_FAILED))
    names = asked.only or list(KINDS)
    try:
        match asked.command:
            case "up":
                _up(asked.folder, names)
            case "down":
                stopped = down(asked.folder)
                say(
                    f"stopped {', '.join(stopped)}; data removed" if stopped else "none was running"
                )
            case "status":
                _status(asked.folder)
            case "env":
                for running in up(asked.folder, names):
                    print(f"export {VARIABLES[running.name]}={running.address}")
            case "install":
                install(names)
            case _:  # guard
                if detach():
                    watch(asked.folder, asked.owner)
    except (Missing, NotUp) as failure:
        say(f"error: {failure}")
        return EXIT_MISSING if isinstance(failure, Missing) else EXIT_FAILED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.servers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in {
        "up": "start PostgreSQL and Kafka, or say where they run",
        "env": "the same, as lines for a shell: eval $(python -m tools.servers env)",
        "status": "which of them run",
        "install": "get what is missing, and start nothing",
        "down": "stop both and remove their data",
    }.items():
        command = commands.add_parser(name, help=text)
        command.add_argument("--only", action="append", choices=list(KINDS), help="one of them")
        command.add_argument("--folder", type=Path, default=STATE, help="state: pids, ports, logs")
    watch = commands.add_parser("guard", help="down, as soon as a process has ended")
    watch.add_argument("folder", type=Path)
    watch.add_argument("owner", type=int)
    watch.set_defaults(only=None)
    return parser


def _up(folder: Path, names: list[str]) -> None:
    started_s = time.monotonic()
    for running in up(folder, names):
        _print(running)
    say(f"up after {time.monotonic() - started_s:.1f} s")
    say("stop     make servers-down (removes the data)")
    say('use      eval "$(python3 -m tools.servers env)"')


def _status(folder: Path) -> None:
    found = status(folder)
    for running in found:
        _print(running)
    if not found:
        say("none is running: make servers")


def _print(running: Running) -> None:
    line = f"{running.name:<9}{running.address}"
    if running.server is None:
        line += f"   from {VARIABLES[running.name]}"
    else:
        line += f"   pid {running.server.pid} · log {running.server.log}"
    print(line, flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
    sys.exit(130)
