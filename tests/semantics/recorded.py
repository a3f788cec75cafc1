"""Records of the stories: each message, what was decided on it, and which state that gave.

`then` looks at what a test names; the record holds everything else that the same story decides, so
a change of it never passes unseen. They lie in `records/`, a file for each module. A block begins
with the test's name, and says for each message

    > kind {members}             the message, without what is empty
      topic {fields}             each event, in order
      = {answer}                 the answer, if there is one
      ~ nodes.1f3a timers.90be   the members of the state that differ now, by a digest

Where a change is meant, `python -m tests.semantics tests/semantics/test_x.py` writes the
records of that module anew; without a path, of all. What differs is then read in the diff. Of a
long line and of a long story only the beginning is kept as it is, and a digest of the rest.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Generator, Sequence
from difflib import unified_diff
from pathlib import Path
from typing import Any

import orjson
import pytest

from domain import messages as msg
from domain.events import Event
from domain.messages import Message

__all__ = ["Recorder", "compare", "note", "read", "whole"]

Json = Any
HERE = Path(__file__).parent
RECORDS = HERE / "records"
HEAD = "== "
DIFF_LINES_MAX = 60
LINE_CHARS_MAX, STORY_LINES_MAX = 800, 300
_SELF = frozenset({"originator_id", "originator_version", "originator_topic", "timestamp", "ctx"})
_LONG = re.compile(r"\b([0-9a-f]{8})[0-9a-f]{56}\b")
_open: list[list[str]] = []


def note(
    message: Message, events: Sequence[Event], outcome: Json, before: Json, after: Json
) -> None:
    """One decision of the test that runs now; the states as their snapshots store them."""
    if not _open:
        return
    lines = [f"> {type(message).KIND} {_text(msg.to_body(message))}"]
    for event in events:
        fields = {n: v for n, v in vars(event).items() if n not in _SELF}
        stored: Any = event
        lines.append(f"  {stored.TOPIC} {_text(fields)}")
    if outcome is not None:
        lines.append(f"  = {_text(outcome)}")
    old, new = _digests(before), _digests(after)
    changed = [
        f"{n}.{new.get(n, 'gone')}" for n in sorted({*old, *new}) if old.get(n) != new.get(n)
    ]
    if changed:
        lines.append(f"  ~ {' '.join(changed)}")
    _open[-1] += [_begin(line.rstrip(), LINE_CHARS_MAX) for line in lines]


def _begin(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]} ... {_digest(text[most:].encode())}"


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:8]


def whole(lines: list[str]) -> list[str]:
    """A story as its record has it."""
    rest = lines[STORY_LINES_MAX:]
    if not rest:
        return lines
    more = f"  ... {len(rest)} lines, {_digest(chr(10).join(rest).encode())}"
    return [*lines[:STORY_LINES_MAX], more]


def _digests(state: Json) -> dict[str, str]:
    """A digest of each member of a state, of what is not empty in it and in the order it has."""
    members = _full(state or {})
    return {
        name: _digest(orjson.dumps(value))[:4]
        for name, value in members.items() if name != "clock_us"
    }  # fmt: skip


def _full(value: Json) -> Json:
    """Without members that say nothing: a member that comes later is no difference."""
    if isinstance(value, dict):
        found = {str(name): _full(item) for name, item in value.items()}
        return {name: v for name, v in found.items() if v not in (None, {}, [], False)}
    if isinstance(value, list | tuple):
        return [_full(item) for item in value]
    return value


def _text(value: Json) -> str:
    text = orjson.dumps(_full(value), default=str, option=orjson.OPT_SORT_KEYS).decode()
    return _LONG.sub(r"\1", text) if text != "{}" else ""


# --- files -----------------------------------------------------------------------------------


def read(module: str) -> dict[str, list[str]]:
    """The records of a module of tests, by the name of the test."""
    path = RECORDS / f"{module}.txt"
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in path.read_text("utf-8").splitlines() if path.exists() else ():
        if line.startswith(HEAD):
            lines = found.setdefault(line.removeprefix(HEAD), [])
        else:
            lines.append(line)
    return found


def compare(module: str, test: str) -> Generator[list[str]]:
    """Listen to what a test decides; afterwards it must be what the record says.

    A story without a record passes here: `test_records.py` asks for it.
    """
    _open.append([])
    try:
        yield _open[-1]
    finally:
        got = whole(_open.pop())
    wanted = _known(module).get(test)
    if wanted is None or wanted == got:
        return
    diff = list(unified_diff(wanted, got, "recorded", "decided now", lineterm="", n=2))
    again = f"python -m tests.semantics tests/semantics/{module}.py"
    text = "\n".join(diff[:DIFF_LINES_MAX])
    pytest.fail(f"not what is recorded; if that is meant: {again}\n{text}", pytrace=False)


_READ: dict[str, dict[str, list[str]]] = {}


def _known(module: str) -> dict[str, list[str]]:
    if module not in _READ:
        _READ[module] = read(module)
    return _READ[module]


class Recorder:
    """A plugin of pytest that keeps what stories decide, in place of comparing it."""

    def __init__(self) -> None:
        self.told: dict[str, dict[str, list[str]]] = {}
        self.failed: list[str] = []

    def keep(self, module: str, test: str, lines: list[str]) -> None:
        """The record of one test."""
        self.told.setdefault(module, {})[test] = whole(lines)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Nothing is recorded of a module with a failure."""
        if report.failed:
            self.failed.append(Path(report.fspath).stem)

    def write(self) -> None:
        """All records of each module that was told whole."""
        for module, tests in self.told.items():
            if module in self.failed:
                sys.stdout.write(f"{module}: a test fails, so nothing is recorded\n")
                continue
            lines = [line for name, told in tests.items() if told for line in (HEAD + name, *told)]
            path = RECORDS / f"{module}.txt"
            if lines:
                path.write_text("\n".join(lines) + "\n", "utf-8")
