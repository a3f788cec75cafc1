"""What every server has: a folder, a port, a life that may end and begin again."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from tools.servers import processes

START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 30.0
# Another process may take a port between the moment it was found free and the server's start.
PORT_TRIES_MAX = 3
LOG_TAIL_LINES = 20
RECORD = "server.json"


class NotUp(Exception):
    """A server was started and does not answer; the message ends with its log."""


class Server(ABC):
    """A server of one's own: killed, paused and brought back on the same port with its data.

    `folder` holds its record and its log. Its data lies there too, unless the server's user could
    not reach it; then it lies in a temporary folder. Use it as a context manager, or call
    `discard`: nothing else stops it.
    """

    NAME: ClassVar[str]
    STOP_SIGNAL: ClassVar[signal.Signals]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port = 0
        self.pid = 0
        self.settings: dict[str, str] = {}
        self._child: subprocess.Popen[bytes] | None = None

    # --- what each server says of itself ------------------------------------------------------

    @classmethod
    @abstractmethod
    def install(cls) -> None:
        """Get its programs where they are missing. Raises `Missing`."""

    @property
    @abstractmethod
    def address(self) -> str:
        """What a client is given: a URL, or bootstrap servers."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it serves, asked in its own protocol. Raises OSError when nobody listens."""

    @abstractmethod
    def _place_data(self) -> Path: ...

    @abstractmethod
    def _initialise(self) -> None:
        """Make the data anew, once."""

    @abstractmethod
    def _command(self) -> list[str]:
        """The command line, for the present port and settings. It names the data folder."""

    def _spawn_options(self) -> dict[str, Any]:
        return {}

    def _first_answer(self) -> None:  # noqa: B027 - most servers have nothing to do then
        """Called once, when a new server answers for the first time."""

    # --- its life -----------------------------------------------------------------------------

    @classmethod
    def start(
        cls, folder: Path, *, settings: Mapping[str, str] | None = None, port: int | None = None
    ) -> Self:
        """Start a server in `folder`, or bring back the one that has its data there.

        `settings` are lines of its configuration file, kept for later starts. Returns when it
        answers. Raises `Missing` when it is not installed and cannot be, `NotUp` when it does not
        come up in time.
        """
        folder = folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        server = cls.at(folder)
        if server is None:
            server = cls(folder)
            server.settings = dict(settings or {})
            server._start_new(port)
        else:
            server.settings |= settings or {}
            server.restart()
        return server

    @classmethod
    def at(cls, folder: Path) -> Self | None:
        """The server whose record lies in `folder`, running or not; None without a record."""
        try:
            record = json.loads((folder / RECORD).read_text("utf-8"))
        except FileNotFoundError:
            return None
        server = cls(folder.resolve())
        server.data = Path(record["data"])
        server.port, server.pid = record["port"], record["pid"]
        server.settings = record["settings"]
        return server

    def running(self) -> bool:
        """Whether its process lives. A pid that another program got since does not count."""
        if self._child is not None:
            self._child.poll()
        return self.pid != 0 and str(self.data) in processes.command_of(self.pid)

    def restart(self) -> None:
        """Bring it up on the same port with the same data; stopped first where it runs.

        Raises `NotUp` when it does not answer in time.
        """
        if self.running():
            self.stop()
        self._launch()

    def stop(self) -> None:
        """Stop it as an operator would, and wait; killed when it does not stop in time."""
        if self.running():
            processes.thaw(self.pid)
            processes.send(self.pid, self.STOP_SIGNAL)
            if not processes.wait_until(lambda: not self.running(), timeout_s=STOP_TIMEOUT_S):
                self.kill()
        self._reap()

    def kill(self) -> None:
        """The end by kill -9: the process and its children, with no chance to write anything."""
        if self.running():
            processes.destroy(self.pid, timeout_s=STOP_TIMEOUT_S)
        self._reap()

    def pause(self) -> None:
        """Stop it in the middle of whatever it does (SIGSTOP); connections stay open."""
        if self.running():
            processes.freeze(self.pid)

    def resume(self) -> None:
        """Let a paused server go on."""
        if self.running():
            processes.thaw(self.pid)

    def discard(self) -> None:
        """Kill it and remove its data, log and record."""
        self.kill()
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.discard()

    @property
    def log(self) -> Path:
        """What the server printed."""
        return self.folder / "log"

    # --- inside -------------------------------------------------------------------------------

    def _start_new(self, port: int | None) -> None:
        self.data = self._place_data()
        try:
            self.port = port or processes.free_port()
            self._initialise()
            for tries_left in reversed(range(1 if port else PORT_TRIES_MAX)):
                try:
                    self._launch()
                    break
                except NotUp:
                    if not tries_left or "in use" not in self.log.read_text(errors="replace"):
                        raise
                    self.port = processes.free_port()
            self._first_answer()
        except BaseException:
            # Without its record nobody would find this server again.
            self.kill()
            shutil.rmtree(self.data, ignore_errors=True)
            raise

    def _launch(self) -> None:
        with self.log.open("ab") as log:
            child = subprocess.Popen[bytes](
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in the terminal is for the one who started it
                **self._spawn_options(),
            )
        self._child, self.pid = child, child.pid
        self._write_record()
        if not processes.wait_until(self._settled, timeout_s=START_TIMEOUT_S):
            self.kill()
            raise NotUp(f"{self.NAME} did not answer within {START_TIMEOUT_S:g} s\n{self._tail()}")
        if not self.running():
            self._reap()
            raise NotUp(f"{self.NAME} ended while it started\n{self._tail()}")

    def _settled(self) -> bool:
        if self._child is not None and self._child.poll() is not None:
            return True
        try:
            return self.answers()
        except OSError:
            return False

    def _write_record(self) -> None:
        record = {
            "name": self.NAME,
            "pid": self.pid,
            "port": self.port,
            "data": str(self.data),
            "settings": self.settings,
        }
        fresh = self.folder / f"{RECORD}.new"
        fresh.write_text(json.dumps(record, indent=1), "utf-8")
        fresh.replace(self.folder / RECORD)

    def _reap(self) -> None:
        if self._child is not None:
            self._child.wait(STOP_TIMEOUT_S)
            self._child = None

    def _tail(self) -> str:
        lines = self.log.read_text("utf-8", errors="replace").splitlines()
        return "\n".join(["its log ends:", *lines[-LOG_TAIL_LINES:]])


def temporary_folder(name: str) -> Path:
    """A folder of its own below the system's temporary folder."""
    return Path(tempfile.mkdtemp(prefix=f"troth-{name}-"))


def environment_without(*prefixes: str) -> dict[str, str]:
    """This process's environment without the variables that would steer the server."""
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
