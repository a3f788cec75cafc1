"""Several processes that share the lanes: started, watched, and stopped together."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType

import structlog

from engine.cli_errors import Exit
from engine.logs import set_up_logs
from engine.settings import PREFIX, Settings, listen_parts

__all__ = ["supervise"]

LOOK_S = 0.2
AGAIN_FIRST_S, AGAIN_CAP_S = 0.5, 30.0
"""Before a process that ended is started again; longer each time it ends soon."""
STEADY_S = 60.0
"""A process that lived so long begins anew with the shortest pause."""
STOP_MORE_S = 10.0
"""Beyond the time to drain, for closing down."""
REFUSED = frozenset({Exit.USAGE, Exit.STATE_SAYS_NO, Exit.NOT_ALLOWED})
"""Exit codes of a process that will say no as often as it is started."""
PR_SET_PDEATHSIG = 1
"""Of prctl(2): the signal that a process gets when its parent ends."""
# Loaded beforehand: between fork and exec as little as possible happens.
_LIBC = ctypes.CDLL(None)
_log = structlog.get_logger("engine")


class _Worker:
    """One process with the command that starts it."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._command = command
        self._environment = environment
        self._again_s = 0.0
        self._pause_s = AGAIN_FIRST_S
        self.start()

    def start(self) -> None:
        self._begun_s = time.monotonic()
        # In a group of its own, so that Ctrl-C reaches it once: through us.
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            self._command,
            env=self._environment,
            start_new_session=True,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - this process has one thread
        )

    def look(self) -> None:
        """Start it again when it ended, after a pause."""
        now_s = time.monotonic()
        if self.process.poll() is None:
            return
        if self._again_s == 0.0:
            if now_s - self._begun_s >= STEADY_S:
                self._pause_s = AGAIN_FIRST_S
            self._again_s = now_s + self._pause_s
            self._pause_s = min(2 * self._pause_s, AGAIN_CAP_S)
            _log.warning("worker_ended", pid=self.process.pid, code=self.process.returncode)
        elif now_s >= self._again_s:
            self._again_s = 0.0
            self.start()


def _end_with_parent() -> None:
    """Drain when the parent is killed: nobody would stop this process or start it again."""
    if sys.platform == "linux":
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def supervise(
    count: int, settings: Settings, listen: str | None, *, debug: bool, as_json: bool = False
) -> int:
    """Run `count` processes of `work` until SIGTERM or SIGINT; 0 when all of them drained.

    A process that ends is started again: the others own its lanes meanwhile. One that refuses to
    start (settings, tables or lanes that do not fit) ends all, and its exit code is ours.
    """
    set_up_logs(settings.log_format, "debug" if debug else settings.log_level)
    stopping = False

    # A signal handler is called with the frame.
    def stop(sig: int, frame: FrameType | None) -> None:  # noqa: ARG001 - see above
        nonlocal stopping
        stopping = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    # Not as an argument, where everybody on the machine could read its password.
    environment = {**os.environ, f"{PREFIX}STORE_URL": settings.store_url}
    more = [*(["--debug"] if debug else []), *(["--json"] if as_json else [])]
    workers = [_Worker([*_command(listen, n), *more], environment) for n in range(count)]
    while not stopping:
        time.sleep(LOOK_S)
        for worker in workers:
            worker.look()
        refused = [w.process.returncode for w in workers if w.process.returncode in REFUSED]
        if refused:
            _stop(workers, settings.drain_timeout_s)
            return refused[0]
    return _stop(workers, settings.drain_timeout_s)


def _command(listen: str | None, number: int) -> list[str]:
    command = [sys.executable, "-m", "engine.cli", "work"]
    if listen is not None:
        host, port = listen_parts(listen)
        command += ["--listen", f"{host}:{port + number if port else 0}"]
    return command


def _stop(workers: Sequence[_Worker], drain_timeout_s: float) -> int:
    """Stop those that run; 1 when one of them did not end in order."""
    processes = [worker.process for worker in workers if worker.process.poll() is None]
    for process in processes:
        process.terminate()
    ends_s = time.monotonic() + drain_timeout_s + STOP_MORE_S
    for process in processes:
        try:
            process.wait(max(0.1, ends_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return int(any(process.returncode for process in processes))
