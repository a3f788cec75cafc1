"""The commands, the options that hold for all of them, and how errors end."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from troth._errors import TrothError
from troth._problems import EngineError, exit_code_of

from . import _checking, _dev, _events, _outbox, _people, _project, _read, _tasks, _worker
from ._session import Session

__all__ = ["app", "main", "run"]

EXIT_BUG = 1
_GLOBAL_FLAGS = frozenset({"--json", "--debug"})
_GLOBAL_VALUES = frozenset({"--url", "--api-key", "--tenant", "--as"})

app = typer.Typer(
    name="troth",
    help="Keep business promises: declare sagas, run their steps, see where each promise is. "
    "The options below may stand anywhere. Exit codes: 0 done, 1 found bad, 2 usage, "
    "3 not found, 4 the state says no, 5 not allowed, 6 no engine, 7 timed out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def options(
    ctx: typer.Context,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show stack traces.")] = False,
    url: Annotated[str | None, typer.Option(help="Address of the engine; TROTH_URL.")] = None,
    api_key: Annotated[str | None, typer.Option(help="Its key; TROTH_API_KEY.")] = None,
    tenant: Annotated[str | None, typer.Option(help="For a key of all tenants.")] = None,
    actor: Annotated[
        str | None, typer.Option("--as", help="Key of this name in .dev/keys.json.")
    ] = None,
) -> None:
    """Options of every command."""
    folder = Path.cwd()
    ctx.obj = Session(url, api_key, tenant, actor, json_, debug, folder)


app.command("dev")(_dev.dev)
app.command("check")(_checking.check)
app.command("compile")(_project.compile_)
app.command("register")(_project.register)
app.command("start")(_events.start)
app.command("send")(_events.send)
app.command("show")(_read.show)
app.command("list")(_read.list_)
app.command("history")(_read.history)
app.command("watch")(_read.watch)
app.command("inbox")(_people.inbox)
app.command("decide")(_people.decide)
app.command("tasks")(_tasks.tasks)
app.command("claim")(_tasks.claim)
app.command("give-back")(_tasks.release)
app.command("complete")(_tasks.complete)
app.command("update")(_tasks.update)
app.command("finish")(_tasks.finish)
app.command("move")(_tasks.move)
app.command("cancel")(_people.cancel)
app.command("pause")(_people.pause)
app.command("resume")(_people.resume)
app.command("retry")(_people.retry)
app.command("debts")(_people.debts)
app.command("settle")(_people.settle)
app.add_typer(_events.dead, name="dead", no_args_is_help=True)
app.command("parked")(_events.parked)
app.command("worker")(_worker.worker)
app.add_typer(_outbox.outbox_app, name="outbox", no_args_is_help=True)
app.command("explain")(_project.explain)


def main() -> None:
    """Run the command of this process's arguments."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run a command and give its exit code."""
    given = hoisted(arguments)
    debug, as_json = "--debug" in given, "--json" in given
    try:
        app(given, prog_name="troth")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    except TrothError as error:
        _tell(error, debug=debug, as_json=as_json)
        return exit_code_of(error)
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        return 130
    # Whatever else ends here is a fault of ours, or of the app's own import.
    except Exception as error:  # noqa: BLE001  nobody at a terminal wants a stack trace
        _tell_fault(error, debug=debug, as_json=as_json)
        return EXIT_BUG
    return 0


_DEAD_LETTERS = frozenset({"TR307", "TR308", "TR309", "TR312", "TR313", "TR314"})
"""Codes of events that came to the engine and could not be taken."""


def hoisted(arguments: Sequence[str]) -> list[str]:
    """The arguments with the options of every command in front, wherever they stood."""
    front: list[str] = []
    rest: list[str] = []
    waiting = list(arguments)
    while waiting:
        one = waiting.pop(0)
        name, mark, _ = one.partition("=")
        if one == "--":
            rest += [one, *waiting]
            break
        if one in _GLOBAL_FLAGS or (mark and name in _GLOBAL_VALUES):
            front.append(one)
        elif one in _GLOBAL_VALUES:
            front += [one, *waiting[:1]]
            del waiting[:1]
        else:
            rest.append(one)
    return front + rest


def _tell(error: TrothError, *, debug: bool, as_json: bool) -> None:
    if debug:
        traceback.print_exception(error)
    session = Session(json=as_json)
    if as_json:
        session.data(_body(error))
        return
    explain = f"   troth explain {error.code}"
    first, *others = str(error).splitlines()
    session.say(first, *others, *_kept(error), explain, error=True)


def _kept(error: TrothError) -> list[str]:
    """What is there after an engine said no."""
    if not isinstance(error, EngineError) or error.status in {0, 401, 404}:
        return []
    if error.code in _DEAD_LETTERS:
        return ["  kept   the event, as a dead letter: troth dead list"]
    if error.status >= 500:
        return ["  kept   everything that was acknowledged; this was not"]
    return ["  kept   nothing of this; what was accepted before stays"]


def _body(error: TrothError) -> dict[str, object]:
    body: dict[str, object] = {"code": error.code, "message": error.message, "do": error.do}
    if isinstance(error, EngineError):
        body |= {"title": error.title, "detail": error.detail, "status": error.status}
        body["errors"] = list(error.errors)
    elif error.file is not None:
        body |= {"file": error.file, "line": error.line, "column": error.column}
    return body


def _tell_fault(error: Exception, *, debug: bool, as_json: bool) -> None:
    if debug:
        traceback.print_exception(error)
    said = f"{type(error).__name__}: {error}"
    if as_json:
        print(json.dumps({"code": "TR999", "message": said}))
        return
    place = traceback.extract_tb(error.__traceback__)[-1:]
    where = [f"  where  {one.filename}:{one.lineno}" for one in place]
    Session().say(f"error TR999: {said}", *where, "  do     again with --debug", error=True)
