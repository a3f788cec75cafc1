"""docs/bad_input.md promises nothing that no test shows."""

import re

import pytest

from domain.errors import CODES
from tests import tidy

PAGE = "docs/bad_input.md"
CELLS = 5

# What the product promises to answer: the words of the page.
PROMISED = [
    "invalid JSON", "wrong types", "unknown fields", "missing tenant", "wrong schema version",
    "an event over 1 MiB", "an unknown event type", "a duplicate event id with other content",
    "an event out of order", "a reply for another lease",
    "a decision by an actor type that may not commit", "a decision on something already decided",
    "changed since it was seen", "a start that conflicts", "an unbound name", "a bad expression",
    "a full disk", "a database file that another program locks", "a corrupt database file",
    "a port in use",
]  # fmt: skip


def rows() -> list[list[str]]:
    """The cells of every row of the page's tables, without the heads."""
    lines = (tidy.ROOT / PAGE).read_text("utf-8").splitlines()
    cells = [[c.strip() for c in line.strip("|").split(" | ")] for line in lines if line[:1] == "|"]
    return [row for row in cells if not row[0].startswith(("what ", "---"))]


def test_every_row_is_whole() -> None:
    found = rows()
    assert len(found) > len(PROMISED)
    assert [row for row in found if len(row) != CELLS or not all(row)] == []


def test_every_code_exists_and_every_row_has_one() -> None:
    for row in rows():
        codes = re.findall(r"TR\d+", row[1])
        assert codes, row
        assert set(codes) <= set(CODES), row


def test_every_status_is_that_of_its_code() -> None:
    """Of one code that is answered over HTTP."""
    for row in rows():
        codes, said = row[1].split(", "), re.match(r"(\d{3})\b", row[2])
        if len(codes) == 1 and said and said[1] != "207":
            assert int(said[1]) == CODES[codes[0]].status, row


def test_every_test_exists() -> None:
    text = (tidy.ROOT / PAGE).read_text("utf-8")
    named = set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text))
    assert len(named) > len(PROMISED)
    missing = [
        (path, test)
        for path, test in sorted(named)
        if f"def {test}(" not in (tidy.ROOT / path).read_text("utf-8")
    ]
    assert missing == []
    assert all(re.search(r"`tests/[\w/]+\.py::\w+`", row[4]) for row in rows())


@pytest.mark.parametrize("promised", PROMISED)
def test_every_promise_has_a_row(promised: str) -> None:
    assert any(promised in row[0] for row in rows())
