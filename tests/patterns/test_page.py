"""docs/workflow_patterns.md, the examples and their stories say the same; all pass the checks."""

from __future__ import annotations

import ast
import importlib
import re

import pytest

from examples.patterns.all import EXAMPLES, app
from tests import tidy
from troth.cli._main import run

PAGE = (tidy.ROOT / "docs" / "workflow_patterns.md").read_text("utf-8")
ROW = re.compile(
    r"^\| (\d+) \| ([^|]+) \| (direct|combined|no) \| [^|]+ \| "
    r"(?:\[([a-z0-9_]+)\]\(\.\./examples/patterns/([a-z0-9_]+)\.py\) )?\|$",
    re.MULTILINE,
)
PATTERNS = 43
MUST = {1, 2, 3, 4, 5, 6, 7, 11, 13, 14, 16, 18, 19, 20, 21, 24, 25, 29, 30, 32, 34, 35, 39, 43}
SOON = {9, 12, 15, 17, 22, 23, 26, 27, 36, 37, 40}
ROWS = {int(number): rest for number, *rest in ROW.findall(PAGE)}
BY_NUMBER = {int(name[:2]): name for name in EXAMPLES}


def stories() -> set[int]:
    """The patterns that a test of this folder tells of, by the number in its name."""
    names = [
        node.name
        for file in sorted((tidy.ROOT / "tests" / "patterns").glob("test_*.py"))
        for node in ast.parse(file.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef)
    ]
    return {int(found[1]) for name in names if (found := re.match(r"test_(\d\d)_", name))}


def test_the_page_judges_every_pattern_once() -> None:
    numbers = [int(number) for number, *_ in ROW.findall(PAGE)]
    assert sorted(numbers) == list(range(1, PATTERNS + 1))
    table = [line for line in PAGE.splitlines() if re.match(r"\| \d", line)]
    assert len(table) == PATTERNS, "a row that is not read"


def test_the_page_counts_its_verdicts_right() -> None:
    found = [verdict for _, verdict, _, _ in ROWS.values()]
    direct, combined, no = (found.count(verdict) for verdict in ("direct", "combined", "no"))
    assert f"{direct} are direct, {combined} combined, {no} is not there" in PAGE


def test_every_pattern_that_must_be_there_has_an_example_and_a_story() -> None:
    assert sorted((MUST | SOON) - BY_NUMBER.keys()) == []
    assert sorted(BY_NUMBER.keys() - stories()) == []


def test_the_page_names_every_example_in_its_own_row() -> None:
    named = {number: name for number, (_, _, name, _) in ROWS.items() if name}
    assert named == BY_NUMBER
    assert all(name == file for _, _, name, file in ROWS.values())


def test_the_readme_leads_here_and_counts_right() -> None:
    text = (tidy.ROOT / "README.md").read_text("utf-8")
    assert "](docs/workflow_patterns.md)" in text
    assert f"{len(EXAMPLES)} as sagas that run" in text


def test_a_verdict_better_than_combined_is_shown() -> None:
    """Whoever reads "direct" can run it."""
    shown = {number for number, (_, verdict, _, _) in ROWS.items() if verdict == "direct"}
    assert sorted(shown - BY_NUMBER.keys()) == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_says_which_pattern_it_is(name: str) -> None:
    """One paragraph of its own, under the number and the name that the page has."""
    text = importlib.import_module(f"examples.patterns.{name}").__doc__ or ""
    number, pattern = int(name[:2]), ROWS[int(name[:2])][0]
    head, _, paragraph = text.partition("\n\n")
    assert head.startswith(f"Pattern {number}, {pattern}: ")
    assert paragraph.strip()
    assert "\n\n" not in paragraph


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_one_program_of_one_screen_or_two(name: str) -> None:
    text = (tidy.ROOT / "examples" / "patterns" / f"{name}.py").read_text("utf-8")
    assert len(text.splitlines()) <= 90


def test_troth_check_takes_every_example(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All rules of registration, by the engine's own command in a process of its own."""
    monkeypatch.chdir(tidy.ROOT)
    code = run(["check", "examples.patterns.all:app"])
    said = capsys.readouterr().out
    assert code == 0, said
    assert all(f"✓ {saga.name} v1" in said for saga in app.sagas), said
