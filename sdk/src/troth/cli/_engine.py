"""The engine as a child process: found, asked to check definitions, started for development."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from troth._problems import EngineError

__all__ = ["CUT_OFF", "DevEngine", "check_documents", "find_engine", "start_dev"]

NAME = "troth-engine"
CHECK_TIMEOUT_S = 60.0
EXPLORED_TOLD_S = 10.0
"""For each definition that is explored: what lies between its end and its time."""
BUSY = 20
"""How many times longer than its processor seconds an exploration may last on a busy machine."""
CUT_OFF = 7
"""Exit code when all is right, and an exploration was cut off before it had looked at all."""
STOP_TIMEOUT_S = 30.0
"""How long an engine may drain before it is killed."""
TOLD_MAX = 2_000
"""Characters of its last words that are shown."""
PARENTS_MAX = 32


def find_engine(environ: Mapping[str, str] | None = None, folder: Path | None = None) -> str:
    """The path of troth-engine: TROTH_ENGINE, PATH, or a `.venv` beside or above the project.

    Raises EngineError TR742 when it is nowhere.
    """
    environ = os.environ if environ is None else environ
    named = environ.get("TROTH_ENGINE")
    if named:
        if shutil.which(named) is None:
            raise _missing(f"TROTH_ENGINE names {named}, which cannot be run")
        return named
    found = shutil.which(NAME, path=environ.get("PATH"))
    if found is not None:
        return found
    here = folder or Path.cwd()
    beside = Path(sys.prefix)
    for place in [beside, beside.parent / ".venv", *_venvs(here)]:
        script = place / ("Scripts" if os.name == "nt" else "bin") / NAME
        found = shutil.which(str(script))
        if found is not None:
            return found
    raise _missing("it is not in PATH and in no .venv of this folder or above")


def _venvs(folder: Path) -> list[Path]:
    return [place / ".venv" for place in [folder, *folder.parents][:PARENTS_MAX]]


def _missing(detail: str) -> EngineError:
    return EngineError(
        "TR742", "troth-engine cannot be found", detail,
        do="install it in an environment of its own, or set TROTH_ENGINE to its path",
    )  # fmt: skip


def check_documents(
    engine: str, files: Sequence[Path], *, draw: Path | None = None,
    explore_s: float | None = None, bounds: str | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """What the rules of registration say of definition files: `file`, `faults`, perhaps `hash`.

    With `draw` it also draws them into that folder, with `explore_s` it tries every run of each, in
    so many seconds of the processor at most, as far as `bounds` say. Raises EngineError TR999 when
    the engine gives no answer.
    """
    more = [] if draw is None else ["--draw", str(draw)]
    timeout_s = CHECK_TIMEOUT_S
    if explore_s is not None:
        more += ["--explore", "--explore-seconds", str(explore_s)]
        more += [] if bounds is None else ["--explore-bounds", bounds]
        timeout_s += (explore_s * BUSY + EXPLORED_TOLD_S) * len(files)
    command = [engine, "check", "--json", *more, *map(str, files)]
    try:
        done = subprocess.run(  # noqa: S603  the engine the user installed or named
            command, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _broken(str(error)) from error
    try:
        found = json.loads(done.stdout)
    except ValueError:
        found = None
    if done.returncode not in {0, 1, CUT_OFF} or not isinstance(found, list):
        raise _broken((done.stderr or done.stdout).strip()[-TOLD_MAX:])
    return cast(list[dict[str, Any]], found)


def _broken(said: str) -> EngineError:
    return EngineError(
        "TR999", "troth-engine gave no answer", said or "it ended without a word",
        do="try it by hand: troth-engine check FILE",
    )  # fmt: skip


@dataclass
class DevEngine:
    """A `troth-engine dev` that runs."""

    process: subprocess.Popen[str]
    url: str
    store: str
    keys: dict[str, str]

    def stop(self) -> None:
        """Let it drain, then make sure that it has ended."""
        stop_process(self.process, STOP_TIMEOUT_S)


def start_dev(engine: str, *, listen: str | None, state: Path, log: Path) -> DevEngine:
    """Start it and wait until it serves. Raises EngineError with its last words if it does not.

    Its log goes to a file: the terminal belongs to the person.
    """
    command = [engine, "dev", "--json", "--state", str(state)]
    if listen is not None:
        command += ["--listen", listen]
    state.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as words:
        process = subprocess.Popen(  # noqa: S603  the engine the user installed or named
            command, stdout=subprocess.PIPE, stderr=words, text=True, start_new_session=True
        )
    assert process.stdout is not None
    line = _first_object(process.stdout)
    if line is None:
        process.wait()
        process.stdout.close()
        raise _not_started(log)
    return DevEngine(process, line["url"], line.get("store", ""), line.get("keys", {}))


def _first_object(stream: IO[str]) -> dict[str, Any] | None:
    """The line of JSON that says it serves; None when the stream ends before."""
    for line in stream:
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict) and "url" in found:
            return cast(dict[str, Any], found)
    return None


def _not_started(log: Path) -> EngineError:
    """What the engine said before it ended: its own error, if it told one."""
    words = log.read_text("utf-8", "replace").strip()
    try:
        told = json.loads(words.rpartition("\n")[2])
    except ValueError:
        told = None
    if isinstance(told, dict) and "code" in told:
        said = cast(dict[str, str], told)
        return EngineError(
            said["code"], said.get("title", ""), said.get("detail", ""),
            do=said.get("do"), status=409,
        )  # fmt: skip
    return EngineError(
        "TR740", "The engine did not start", words[-TOLD_MAX:] or "it ended without a word",
        do=f"see {log}, or try it by hand: troth-engine dev",
    )  # fmt: skip


def stop_process(process: subprocess.Popen[str], timeout_s: float) -> int:
    """End a child: SIGTERM, and SIGKILL when its time is over. Returns its exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        code = process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    if process.stdout is not None:
        process.stdout.close()
    return code
