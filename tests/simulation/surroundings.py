"""Where a world lives: its folder, its empty store, its silence, and the end of its loop."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest.mock import patch

import orjson

from adapters.sqlite import SqliteStore
from consumers import owning, registering, times
from sagas.definition import Definition
from sagas.loading import load
from tests.simulation.loop import SimLoop

__all__ = ["close", "compiled", "empty_store", "folder", "knowing", "silent"]

Json = Any


KEPT_MAX = 200
"""Definitions that are remembered: those of a few worlds, and what most of them have."""

_COMPILED: dict[str, Definition] = {}
_CHECKED: dict[bytes, None] = {}


def compiled(document: dict[str, Json], hash: str) -> Definition:
    """A definition says the same in every life: compiling it once is enough."""
    found = _COMPILED.pop(hash, None) or load(document, hash)
    _keep(_COMPILED, hash, found)
    return found


def _keep(known: dict[Any, Any], key: Any, value: Any) -> None:
    known[key] = value
    if len(known) > KEPT_MAX:
        del known[next(iter(known))]


@contextmanager
def knowing() -> Iterator[None]:
    """What was found to be in order in one world is not checked, nor compiled, in the next."""
    real = registering._check

    def check(document: Json) -> None:
        body = sha256(orjson.dumps(document)).digest()
        if body not in _CHECKED:
            real(document)
        _CHECKED.pop(body, None)
        _keep(_CHECKED, body, None)

    with patch.object(registering, "_check", check), patch.object(registering, "load", compiled):
        yield


@cache
def empty_store() -> bytes:
    """A new store, made once for all seeds: making it takes longer than many a seed."""
    with tempfile.TemporaryDirectory(prefix="troth-simulation-") as name:
        path = Path(name) / "empty.db"
        SqliteStore.open(f"sqlite:///{path}", now_us=0, durable=False).close()
        return path.read_bytes()


@contextmanager
def folder() -> Iterator[Path]:
    """A place for the files of one world, in memory where there is some."""
    shared = Path("/dev/shm")
    parent = shared if shared.is_dir() and os.access(shared, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="troth-simulation-", dir=parent) as name:
        yield Path(name)


@contextmanager
def silent() -> Iterator[None]:
    """What the SDK logs under faults is of no use here."""
    logger = logging.getLogger("troth.worker")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    with patch.object(times, "_log", _Nobody), patch.object(owning, "_log", _Nobody):
        try:
            yield
        finally:
            logger.setLevel(before)


class _Nobody:
    """Where an operator's log would be."""

    @staticmethod
    def warning(action: str, **what: Json) -> None:
        """Said to nobody."""


def close(loop: SimLoop) -> None:
    """End every task that is left, and the loop."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=60))
    loop.close()
