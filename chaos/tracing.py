"""Faults of the kernel and the clock: strace injects the former, a preloaded library the latter."""

from __future__ import annotations

import contextlib
import shutil
import struct
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.servers.processes import family, wait_until

__all__ = ["COMPILER", "STRACE", "BentClock", "Injected", "injected", "killed_at_call"]

STRACE = shutil.which("strace")
COMPILER = shutil.which("cc")
CLOCK = Path(__file__).with_name("clock.c")
ATTACH_S = 20.0
WRITES = "pwrite64,pwritev,write,writev"
FLUSHES = "fdatasync,fsync"


class Injected:
    """strace beside running processes: every further call of a kind fails."""

    def __init__(self, log: Path) -> None:
        self._log = log

    def has_struck(self) -> bool:
        """Whether a call has failed by it."""
        return self._log.exists() and "INJECTED" in self._log.read_text(errors="replace")


class BentClock:
    """The wall clock of processes that are started with `settings`; it may be set at any time."""

    def __init__(self, folder: Path) -> None:
        assert COMPILER is not None
        self._file, library = folder / "clock", folder / "clock.so"
        command = [COMPILER, "-shared", "-fPIC", "-O1", "-o", str(library), str(CLOCK), "-ldl"]
        subprocess.run(command, check=True)
        self.set(0)
        self.settings = {"LD_PRELOAD": str(library), "CHAOS_CLOCK": str(self._file)}

    def set(self, ahead_s: int) -> None:
        """From now on it is ahead by so many seconds; behind, if negative."""
        if not self._file.exists():
            self._file.write_bytes(struct.pack("q", ahead_s))
            return
        # In place: the processes have this very file in their memory.
        with self._file.open("r+b") as file:
            file.write(struct.pack("q", ahead_s))


@contextlib.contextmanager
def injected(
    pid: int, calls: str, error: str, log: Path, *, paths: Sequence[Path] = (), first: int = 1
) -> Iterator[Injected]:
    """Let the calls of a process and its children fail from the `first` on, while this lasts.

    Args:
        pid: the process; its threads and children too.
        calls: names of system calls, with commas.
        error: what they answer, such as ENOSPC.
        log: where strace writes what it saw.
        paths: only calls on these files; default: on all.
        first: how many calls go well, and one.
    """
    assert STRACE is not None
    pids = family(pid)
    command = [STRACE, "-f", "-qq", "-o", str(log)]
    command += [word for one in pids for word in ("-p", str(one))]
    command += [word for path in paths for word in ("-P", str(path))]
    command += ["-e", f"trace={calls}", "-e", f"inject={calls}:error={error}:when={first}+"]
    log.unlink(missing_ok=True)
    tracer = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        if not wait_until(lambda: _is_traced(pid), timeout_s=ATTACH_S):
            raise RuntimeError(f"strace does not come to {pid}: it may need ptrace")
        yield Injected(log)
    finally:
        tracer.terminate()
        tracer.communicate(timeout=ATTACH_S)


def killed_at_call(calls: str, number: int) -> list[str]:
    """What goes before a command so that it dies (SIGKILL) at its `number`th call of a kind."""
    assert STRACE is not None
    # Not with --seccomp-bpf, which is faster: strace 6.1 injects no signals then, and says nothing.
    return [
        STRACE, "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}",
        "-e", f"inject={calls}:signal=KILL:when={number}",
    ]  # fmt: skip


def _is_traced(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True
    tracer = next(line for line in status.splitlines() if line.startswith("TracerPid:"))
    return tracer.split()[1] != "0"
