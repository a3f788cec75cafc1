"""The command line of the engine: `troth-engine`."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import typer

from domain.errors import Refusal, refusal
from domain.ports import StoreFailed
from engine.cli_check import check
from engine.cli_copy import copy
from engine.cli_doctor import doctor
from engine.cli_errors import tell
from engine.cli_kafka import kafka
from engine.cli_keys import keys
from engine.cli_replay import rebuild, replay
from engine.cli_run import dev, serve, work
from engine.cli_store import export, migrate, restored, verify

__all__ = ["app", "main"]

DEBUG = "--debug"

app = typer.Typer(
    name="troth-engine",
    help="The engine that keeps business promises. Exit codes: 0 done, 1 found bad, 2 usage, "
    "3 not found, 4 the state says no, 5 not allowed, 6 no engine, database or broker, "
    "7 timed out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(dev)
app.command()(serve)
app.command()(work)
app.command()(migrate)
app.add_typer(keys, name="keys")
app.add_typer(kafka, name="kafka")
app.command()(check)
app.command()(verify)
app.command()(export)
app.command()(copy)
app.command()(doctor)
app.command()(rebuild)
app.command()(restored)
app.command()(replay)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What holds for every command."""

    debug: bool


def main() -> None:
    """Run the command of this process's arguments; `--debug` anywhere shows stack traces."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command and answer its exit code."""
    debug = DEBUG in arguments
    given = [one for one in arguments if one != DEBUG]
    try:
        app(given, prog_name="troth-engine", obj=Chosen(debug))
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    except (Refusal, StoreFailed) as refused:
        return tell(refused, debug=debug, as_json="--json" in given)
    except BrokenPipeError:
        return 0
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        detail = f"{error.filename or ''}: {error.strerror or error}".lstrip(": ")
        refused = refusal("http.not_found" if missing else "settings.value", detail)
        return tell(refused, debug=debug, as_json="--json" in given)
    # Whatever else ends here is a fault of ours: told with its code, the trace with --debug.
    except Exception as fault:  # noqa: BLE001 - nobody at a terminal wants a stack trace
        return tell(fault, debug=debug, as_json="--json" in given)
    return 0


if __name__ == "__main__":
    main()
