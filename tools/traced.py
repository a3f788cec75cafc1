"""A plugin of pytest for `make coverage`: that what is counted is what was run.

A test that recurses too deep must not end the tracing: Python takes the trace function away when it
cannot be called, at the bound of recursion, and every later test of that process would count as if
it had run nothing. And a source that changes meanwhile must not be counted by its new lines: the
run fails then, for nothing that was seen of that source would fit it.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_FIRST: list[Any] = [sys.gettrace()]
_ROOT = Path(__file__).resolve().parents[1]
_PACKAGES = ("domain", "sagas")
_SOURCES = pytest.StashKey[dict[str, str]]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol() -> Iterator[Any]:
    """Give the trace function back before each test."""
    if _FIRST[0] is not None and sys.gettrace() is None:
        sys.settrace(_FIRST[0])
    return (yield)


def pytest_configure(config: pytest.Config) -> None:
    """Note what the sources are before anything runs."""
    config.stash[_SOURCES] = sources(_ROOT)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail where one of them is another now."""
    if session.config.stash[_SOURCES] != sources(_ROOT):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Name them."""
    for name in changed(config.stash[_SOURCES], sources(_ROOT)):
        terminalreporter.write_line(f"changed while it was traced, run again: {name}", red=True)


def sources(root: Path) -> dict[str, str]:
    """The digest of each source whose branches are counted."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for package in _PACKAGES
        for path in sorted((root / package).rglob("*.py"))
    }


def changed(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """The sources that are there no more, are new or are others."""
    return sorted({name for name, _ in before.items() ^ now.items()})
