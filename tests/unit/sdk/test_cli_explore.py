"""`troth check --explore`: what is handed on to the engine, and what is told of its answer."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from sagas.explore import Bounds
from troth.cli._checking import BOUNDS, check
from troth.cli._engine import check_documents
from troth.cli._project import explored_lines

APP = typer.Typer()
APP.command()(check)


def test_the_bounds_are_those_of_the_engine() -> None:
    assert tuple(field.name for field in fields(Bounds)) == BOUNDS


@pytest.mark.parametrize("text", ["tries=3", "attempts", "attempts=", "attempts=3,items=x", ""])
def test_a_bound_that_is_none_is_refused_with_the_names(text: str) -> None:
    told = CliRunner().invoke(APP, ["x.json", "--explore", "--explore-bounds", text])
    assert told.exit_code == 2
    assert "NAME=NUMBER" in told.output


def test_seconds_and_bounds_are_handed_on(tmp_path: Path) -> None:
    script = tmp_path / "engine"
    script.write_text('#!/bin/sh\nprintf \'[{"file": "%s", "faults": []}]\' "$*"\n')
    script.chmod(0o755)
    (found,) = check_documents(str(script), [Path("x.json")], explore_s=5, bounds="attempts=3")
    asked = "check --json --explore --explore-seconds 5 --explore-bounds attempts=3 x.json"
    assert found["file"] == asked


def test_what_was_explored_is_told_with_how_to_widen_it() -> None:
    found = json.loads("""{
        "states": 3, "moves": 4, "seconds": 0.1, "lines": [], "complete": true, "cut": [],
        "ends": ["fulfilled"], "waits": {"participant": ["shop"]},
        "reached": ["attempts of each step and undo: 2 (attempts)"]
    }""")
    told = explored_lines(found)
    assert told[1:3] == [
        "  waits    participant: shop", "  bound    attempts of each step and undo: 2 (attempts)"
    ]  # fmt: skip
    assert "--explore-bounds" in told[3]
    assert len(explored_lines({**found, "reached": []})) == 2
    broken = explored_lines({**found, "lines": ["  1 events → the start"]})
    assert broken[1] == "    1 events → the start"
