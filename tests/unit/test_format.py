"""docs/format.md is the contract: its table of stored events is that of the classes."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

from domain import events as ev

FORMAT = Path(__file__).resolve().parents[2] / "docs" / "format.md"
# Beside the event, not in it: the row holds the first two, and every event has the others.
COMMON = ("originator_id", "originator_version", "timestamp", "ctx")
_ROW = re.compile(
    r"^\| (?P<topic>[a-z_.]+) \| (?P<version>\d+) \| (?P<fields>[a-z_, ]*) \|$", re.MULTILINE
)


def between(name: str) -> str:
    """The text of the page between two markers."""
    text = FORMAT.read_text()
    return text.split(f"<!-- {name}: begin -->")[1].split(f"<!-- {name}: end -->")[0]


def described() -> dict[str, tuple[int, list[str]]]:
    found: dict[str, tuple[int, list[str]]] = {}
    for row in _ROW.finditer(between("events")):
        assert row["topic"] not in found, row["topic"]
        found[row["topic"]] = int(row["version"]), sorted(row["fields"].split(", "))
    return found


def written() -> dict[str, tuple[int, list[str]]]:
    found: dict[str, tuple[int, list[str]]] = {}
    for item in ev.classes():
        cls: Any = item
        names = sorted(f.name for f in fields(cls) if f.name not in COMMON)
        found[cls.TOPIC] = getattr(cls, "class_version", 1), names
    return found


def test_every_line_of_the_table_is_read() -> None:
    """A row that the pattern does not match would go unchecked."""
    rows = [line for line in between("events").splitlines() if line.startswith("| ")]
    assert len(described()) == len(rows) - 1


def test_the_table_of_events_is_that_of_the_classes() -> None:
    assert described() == written()
