"""Child processes of an example: started, watched, started again when they die, then stopped."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["ROOT", "Child", "Engine", "RunFailed", "engine", "last_lines", "once"]

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = str(Path(sys.executable).with_name("troth-engine"))
READY_S = 60.0
STOP_S = 15.0
STARTS_MAX = 20
"""How often a child that died is started again."""
LOG_LINES = 15
LOG_COLUMNS = 220
HOST, PORT = "127.0.0.1", 8080


class RunFailed(Exception):
    """The example cannot go on; its text says why."""


@dataclass(slots=True)
class Child:
    """One process with its log; `on_death` is told each time it dies and is started again."""

    name: str
    command: list[str]
    log: Path
    settings: dict[str, str]
    on_death: Callable[[str], None]
    process: asyncio.subprocess.Process | None = None
    deaths: int = 0
    _stopping: bool = field(default=False)

    @property
    def pid(self) -> int:
        return self.process.pid if self.process is not None else 0

    async def start(self) -> None:
        """Start it. Raises RunFailed when it cannot be."""
        try:
            with self.log.open("ab") as log:
                self.process = await asyncio.create_subprocess_exec(
                    *self.command,
                    cwd=ROOT,
                    env=_environment(self.settings),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=log,
                    # Ctrl-C is for the example: it stops its children in order.
                    start_new_session=True,
                )
        except OSError as error:
            raise RunFailed(f"{self.command[0]}: {error.strerror}. Run make setup.") from error
        await self._ready()

    async def _ready(self) -> None:
        """Until it can be used."""

    async def watch(self) -> None:
        """Start it again whenever it dies. Raises RunFailed when that does not help."""
        assert self.process is not None
        for _ in range(STARTS_MAX):
            with contextlib.suppress(asyncio.IncompleteReadError):
                await _read_all(self.process)
            code = await self.process.wait()
            if self._stopping:
                return
            self.deaths += 1
            self.on_death(f"{self.name} {_how(code)}; it is started again")
            await self.start()
        raise RunFailed(f"{self.name} died {STARTS_MAX} times")

    async def stop(self) -> None:
        """Ask it to stop, and end it when it does not."""
        self._stopping = True
        if self.process is None or self.process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), STOP_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()


class Engine(Child):
    """A process of `troth-engine`; `url`, and of `dev` the `keys`, are known once it is started."""

    url: str
    keys: dict[str, str]

    async def start(self) -> None:
        if self.process is not None:
            await Child.start(self)  # where it was: its address is known to others
            return
        command, address = self.command, _free_address()
        self.command = [*command, "--listen", address]
        try:
            await Child.start(self)
        except RunFailed:
            if _is_free(address):
                raise  # it was something else
            self.command = [*command, "--listen", _free_address()]  # somebody was faster
            await Child.start(self)

    async def _ready(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        try:
            line = await asyncio.wait_for(self.process.stdout.readline(), READY_S)
        except TimeoutError:
            raise RunFailed(f"{self.name} is not ready after {READY_S:g} s") from None
        if not line:
            code = await self.process.wait()
            raise RunFailed(f"{self.name} {_how(code)} while it was started")
        told = json.loads(line)
        self.url, self.keys = told["url"], told.get("keys", {})


def engine(
    folder: Path,
    on_death: Callable[[str], None],
    *,
    command: Sequence[str],
    settings: Mapping[str, str],
    name: str = "the engine",
) -> Engine:
    """An engine's process, not started; it logs into the folder. `command`: `dev` or another."""
    log = folder / "engine.log"
    return Engine(name, [PROGRAM, *command, "--json"], log, _logged(settings), on_death)


async def once(*command: str, log: Path, settings: Mapping[str, str]) -> bytes:
    """What a command of `troth-engine` printed. Raises RunFailed when it fails."""
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            PROGRAM,
            *command,
            cwd=ROOT,
            env=_environment(_logged(settings)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
        said, _ = await process.communicate()
    if process.returncode:
        raise RunFailed(f"troth-engine {command[0]} {_how(process.returncode)}, see {log}")
    return said


def last_lines(log: Path, lines: int = LOG_LINES) -> list[str]:
    """The end of a log, each line cut to a screen's width."""
    try:
        text = log.read_text("utf-8", "replace")
    except FileNotFoundError:
        return []
    return [line[:LOG_COLUMNS] for line in text.splitlines()[-lines:]]


async def _read_all(process: asyncio.subprocess.Process) -> None:
    """Until it closes its output: a full pipe would stop it."""
    assert process.stdout is not None
    while await process.stdout.read(65_536):
        pass


def _logged(settings: Mapping[str, str]) -> dict[str, str]:
    return {"TROTH_LOG_FORMAT": "json", **settings}


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's, without settings of the user's own engine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TROTH_")}
    return kept | dict(settings)


def _free_address() -> str:
    """The default address, or a free port when that one is taken."""
    for port in (PORT, 0):
        address = _to_be_had(port)
        if address is not None:
            return address
    raise RunFailed(f"no port of {HOST} is free")


def _is_free(address: str) -> bool:
    return _to_be_had(int(address.rpartition(":")[2])) is not None


def _to_be_had(port: int) -> str | None:
    """The address if it can be had now, of port 0 any; None where it is taken."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((HOST, port))
            tried.listen()
        except OSError:
            return None
        return f"{HOST}:{tried.getsockname()[1]}"


def _how(code: int) -> str:
    """What an exit code says."""
    if code >= 0:
        return f"ended with exit code {code}"
    return f"was killed ({signal.Signals(-code).name})"
