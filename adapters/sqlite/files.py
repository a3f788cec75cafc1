"""The files of a store: its path, and the lock that keeps a second engine out."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from domain.ports import StoreFailed

__all__ = ["FileLock", "path_of"]

_PREFIX = "sqlite:///"


def path_of(url: str) -> Path:
    """The file of a store URL: `sqlite:///troth.db` is relative, `sqlite:////var/t.db` absolute.

    Raises StoreFailed (store.failed) for anything else: a store in memory would lose promises.
    """
    path = url.removeprefix(_PREFIX)
    if path == url or not path or path.startswith((":memory:", "file:")) or "?" in path:
        raise StoreFailed("store.failed", f"{url}: want sqlite:///PATH of a file")
    return Path(path)


class FileLock:
    """An exclusive lock on the file beside a store, held until `release` or the process's end.

    The kernel drops it with the process, so a crash leaves nothing to clean up.
    """

    def __init__(self, store: Path) -> None:
        """Raises StoreFailed (store.locked) with the process id of the holder."""
        self.path = store.with_name(store.name + ".lock")
        self._file = -1
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError as error:
            holder = os.pread(self._file, 32, 0).decode("ascii", "replace").strip() or "unknown"
            self.release()
            detail = f"{store} is held by the engine with process id {holder}"
            raise StoreFailed("store.locked", detail) from error
        except OSError as error:
            self.release()
            alias = "store.full" if error.errno == errno.ENOSPC else "store.failed"
            raise StoreFailed(alias, f"{self.path}: {error.strerror}") from error

    def release(self) -> None:
        """Let go. The file stays: removing it would let two engines lock two different files."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
