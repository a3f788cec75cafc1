"""What `troth-engine check --explore` tells, as text and as JSON, and how it exits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from engine.cli_check import check
from engine.cli_explore import ASKED, bounds_of, spent
from sagas.decide import effects, stopping, undoing
from sagas.definition import Contract
from tests.semantics.language import approve, saga, step

Json = Any
APP = typer.Typer()
APP.command()(check)
PAIR = saga(step("book", undo=True), step("pay"))
LINE = saga(step("a", undo=True), step("b", undo=True), step("c"))
PAID = step("pay", risk="R2", level="A1", unknown="ask", undo=True)
GATED = saga(step("look"), approve("ok", PAID, within="1d"))


def run(folder: Path, document: Json, *options: str) -> Result:
    file = folder / "definition.json"
    file.write_text(json.dumps(document), "utf-8")
    return CliRunner().invoke(APP, [str(file), "--explore", *options])


def forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(effects, "undo_entry", lambda m, path, node, result: None)


def forward(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(undoing, "ready", lambda m, base, entries: [min(entries)])


def ungated(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Contract, "gated", property(lambda self: False))


def stuck(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(stopping, "check_stops", lambda m: None)


BROKEN: dict[str, tuple[Any, Json, list[str]]] = {
    "undone in part": (forgotten, PAIR, [
        "  1 events → the start",
        "             troth → shop: book",
        "  2 shop   → book is done {}",
        "             troth → shop: pay",
        "  ✗ book is done, and nothing is kept to undo it",
    ]),
    "undone in the wrong order": (forward, LINE, [
        "  1 events → the start",
        "             troth → shop: a",
        "  2 shop   → a is done {}",
        "             troth → shop: b",
        "  3 shop   → b gives no reply",
        "             troth → shop: undo of a",
        "  ✗ a is undone while b stands, which may have happened: that one comes first",
    ]),
    "a gate escaped": (ungated, GATED, [
        "  1 events → the start",
        "             troth → shop: look",
        "  2 shop   → look is done {}",
        "             troth → person: ok wants a decision (A1)",
        "  3 person → manager-1: approve ok",
        "             troth → shop: ok/pay",
        "  ✗ ok/pay is commanded without a decision for exactly this action",
    ]),
    "a wait for nobody": (stuck, PAIR, [
        "  1 events → the start",
        "             troth → shop: book",
        "  2 shop   → book fails for now",
        "  ✗ it is compensating, and nothing moves it any more",
    ]),
}  # fmt: skip


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_promise_is_told_by_its_shortest_run(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant, document, lines = BROKEN[fault]
    plant(monkeypatch)
    told = run(tmp_path, document)
    assert told.exit_code == 1, told.output
    error, where, do, explored, *drawn, last = told.stdout.splitlines()
    assert error.startswith("error TR132 explore.broken: a run of ")
    assert where.startswith("  where  ")
    assert do.startswith("  do     ")
    assert explored.endswith("the shortest run that breaks it:")
    assert drawn == lines
    assert last.endswith("1 fault, nothing was registered · docs/errors.md")


def test_a_broken_run_is_json_and_a_diagram_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten(monkeypatch)
    told = run(tmp_path, PAIR, "--json", "--draw", str(tmp_path))
    assert told.exit_code == 1
    (one,) = json.loads(told.stdout)
    assert [fault["code"] for fault in one["faults"]] == ["TR132"]
    assert one["explored"]["lines"] == BROKEN["undone in part"][2]
    drawn = Path(one["drawn"][-1])
    assert drawn.name.endswith(".broken.mmd")
    assert drawn.read_text("utf-8") == one["explored"]["mermaid"]
    assert one["explored"]["mermaid"].startswith("sequenceDiagram\n")


def test_what_is_right_is_told_with_its_bounds_and_how_to_widen_them(tmp_path: Path) -> None:
    told = run(tmp_path, PAIR)
    assert told.exit_code == 0
    lines = told.stdout.splitlines()
    assert "  waits    participant: shop" in lines
    assert "  bound    attempts of each step and undo: 2 (attempts)" in lines
    assert "--explore-bounds" in lines[-1]
    (one,) = json.loads(run(tmp_path, PAIR, "--json").stdout)
    assert (one["faults"], one["explored"]["complete"], one["explored"]["cut"]) == ([], True, [])


def test_bounds_that_are_named_are_explored_in_place_of_the_usual(tmp_path: Path) -> None:
    told = run(tmp_path, PAIR, "--explore-bounds", "attempts=3, late=0")
    assert told.exit_code == 0
    assert "  bound    attempts of each step and undo: 3 (attempts)" in told.stdout.splitlines()
    cut = run(tmp_path, PAIR, "--explore-bounds", "states=5")
    assert cut.exit_code == 7
    assert "  CUT OFF  6 states were looked at, and more were left" in cut.stdout
    assert run(tmp_path, PAIR, "--explore-bounds", "tries=3").exit_code == 2


@pytest.mark.parametrize("text", ["attempts", "attempts=", "attempts=many", "attempts=-1", "x=1"])
def test_a_bound_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no NAME=NUMBER; names: attempts, rounds"):
        bounds_of(text)


def test_processor_seconds_are_over_once_they_are_spent() -> None:
    never, soon = spent(3_600), spent(0)
    assert not any(never() for _ in range(2 * ASKED))
    assert not soon(), "the clock is not read each time"
    assert any(soon() for _ in range(ASKED))
