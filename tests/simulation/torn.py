"""The last write of a file, torn by a crash: some of it reached the disk, the rest never did."""

from __future__ import annotations

from pathlib import Path
from random import Random

from domain.ports import Store
from tests.simulation.store import Torn

__all__ = ["Torn", "tear"]

GARBAGE_BYTES_MAX = 4096


def tear(path: Path, store: Store, crash: Torn, rng: Random) -> None:
    """Leave the files as a crash in the middle of the last commit would have left them.

    Of the bytes that the commit appended only the first ones are there; sometimes garbage follows,
    as when a disk had made room and not yet filled it.
    """
    log = Path(f"{path}-wal")
    file, after = path.read_bytes(), log.read_bytes()
    store.close()
    if file != crash.file:
        crash.survived()  # the log went into the file: this commit had long been safe
        return
    begin = _first_difference(crash.log, after)
    if begin == len(after):
        crash.survived()  # the commit wrote nothing: there is nothing to tear
        return
    cut = rng.randint(begin, len(after) - 1)
    rest = crash.log[cut : len(after)] if len(crash.log) > cut else b""
    if after[:cut] + rest == after:
        crash.survived()  # what was cut off had been there already: the whole commit is
    if not rest and rng.random() < 0.3:
        rest = rng.randbytes(rng.randint(1, GARBAGE_BYTES_MAX))
    Path(f"{path}-shm").unlink(missing_ok=True)
    path.write_bytes(file)
    log.write_bytes(after[:cut] + rest)


def _first_difference(one: bytes, other: bytes) -> int:
    """Where two logs part: there the commit began to write."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
