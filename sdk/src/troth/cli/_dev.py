"""`troth dev`: engine, worker, and a restart of the worker whenever a file changes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from ._engine import DevEngine, find_engine, start_dev, stop_process
from ._params import App, session_of
from ._session import DEV_KEY, STATE_FOLDER, Session

__all__ = ["dev"]

POLL_S = 0.5
"""How often files are looked at."""
FILES_MAX = 20_000
"""More files than this are not watched: it is no project but a disk."""
CLAIM_WAIT_S = 0.5
"""A worker that stops waits for its claim: short here, where it stops with every change."""
WORKER_STOP_S = 10.0
WORKER_KEY = "participant"
"""The worker's key: with that of a person its replies would be audited as a person's."""
SKIPPED = frozenset({"node_modules", "__pycache__", "site-packages", STATE_FOLDER})

Times = dict[str, int]


def dev(
    ctx: typer.Context,
    app: App = None,
    listen: Annotated[str | None, typer.Option(help="HOST:PORT of the engine.")] = None,
    state: Annotated[Path, typer.Option(help="Folder of the store and the keys.")] = Path(
        STATE_FOLDER
    ),
) -> None:
    """An engine and a worker for one person: registers the sagas, restarts on a change."""
    session = session_of(ctx)
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        stopping.set()

    before = [(one, signal.signal(one, stop)) for one in (signal.SIGINT, signal.SIGTERM)]
    try:
        engine = start_dev(
            find_engine(folder=session.folder), listen=listen, state=state,
            log=state / "engine.log",
        )  # fmt: skip
        try:
            _announce(session, engine, state)
            code = _serve(session, engine, app, state, stopping)
        finally:
            engine.stop()
            (state / "engine.json").unlink(missing_ok=True)
    finally:
        for one, handler in before:
            signal.signal(one, handler)
    if code:
        raise typer.Exit(code)


def _announce(session: Session, engine: DevEngine, state: Path) -> None:
    body = {"url": engine.url, "store": engine.store, "pid": engine.process.pid}
    (state / "engine.json").write_text(json.dumps(body), "utf-8")
    session.give(
        {**body, "keys": engine.keys},
        [
            f"engine   {engine.url}/docs · store {engine.store} · log {state / 'engine.log'}",
            f"keys     in {state / 'keys.json'}: {', '.join(engine.keys)}",
            "         commands in this folder use developer; others by --as NAME",
        ],
    )


def _serve(
    session: Session, engine: DevEngine, app: str | None, state: Path, stopping: threading.Event
) -> int:
    """Run workers until it is asked to stop, or the engine ends. Returns the exit code."""
    command = [sys.executable, "-m", "troth.cli"]
    command += ["--debug"] if session.debug else []
    command += ["worker", "--register", "--claim-wait", str(CLAIM_WAIT_S), *([app] if app else [])]
    environ = {
        **os.environ,
        "TROTH_URL": engine.url,
        "TROTH_API_KEY": engine.keys.get(WORKER_KEY, ""),
        "TROTH_REGISTER_KEY": engine.keys.get(DEV_KEY, ""),
        "TROTH_JOURNAL_URL": os.environ.get("TROTH_JOURNAL_URL")
        or f"sqlite:///{state / 'journal.db'}",
    }
    times = _times(session.folder)
    while True:
        worker = subprocess.Popen(  # noqa: S603  our own command, in this interpreter
            command, cwd=session.folder, env=environ, text=True, start_new_session=True
        )
        try:
            changed = _until_changed(session.folder, times, engine, worker, stopping)
        finally:
            stop_process(worker, WORKER_STOP_S)
        if changed is None:
            return 0 if stopping.is_set() else _ended(session, engine)
        session.say(f"changed  {changed}", error=session.json)
        times = _times(session.folder)


def _until_changed(
    folder: Path,
    times: Times,
    engine: DevEngine,
    worker: subprocess.Popen[str],
    stopping: threading.Event,
) -> str | None:
    """The file that changed; None when it is time to stop. A worker that failed waits for it."""
    while not stopping.wait(POLL_S):
        if engine.process.poll() is not None:
            return None
        now = _times(folder)
        if now != times:
            return min(set(now.items()) ^ set(times.items()))[0]
        # A worker that ended by itself has said why; the next change starts another.
        worker.poll()
    return None


def _ended(session: Session, engine: DevEngine) -> int:
    code = engine.process.returncode
    session.say(f"error TR740: the engine ended with code {code}", error=True)
    return 6


def _times(folder: Path) -> Times:
    """When each Python file and pyproject.toml of the project was written."""
    times: Times = {}
    for file in _files(folder):
        try:
            times[file.relative_to(folder).as_posix()] = file.stat().st_mtime_ns
        except FileNotFoundError:
            continue
        if len(times) >= FILES_MAX:
            break
    return times


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [one for one in folders if not one.startswith(".") and one not in SKIPPED]
        here: Any = Path(place)
        if (here / "pyvenv.cfg").is_file():
            folders.clear()
            continue
        yield from (here / name for name in names if name.endswith((".py", "pyproject.toml")))
