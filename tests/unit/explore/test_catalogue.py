"""No run of a built-in saga breaks a promise, as far as a test has the time to look."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sagas.explore import NARROW, explore

FOLDER = Path(__file__).resolve().parents[3] / "sagas/catalogue"
FILES = sorted(FOLDER.glob("*.json"))
STATES_MAX = 1_500


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_no_run_of_the_catalogue_breaks_a_promise(file: Path) -> None:
    """`troth check --explore` looks at all of it; here are the shortest runs of each."""
    document = json.loads(file.read_text("utf-8"))
    result = explore(document, replace(NARROW, states=STATES_MAX))
    assert result.broken is None, result.why
    assert result.is_complete or result.states > STATES_MAX
