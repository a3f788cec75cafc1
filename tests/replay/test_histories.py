"""Every build folds a recorded history to the same state, and decides the same on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.replay.golden import fold, next_of, onto, record, state_of
from tests.replay.record import HISTORIES, main
from tests.replay.stories import STORIES

Json = Any
PATHS = sorted(HISTORIES.glob("*.json"))


def read(path: Path) -> Json:
    return orjson.loads(path.read_bytes())


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_a_recorded_history_folds_to_the_recorded_state(path: Path) -> None:
    history = read(path)
    assert onto(history["state"], state_of(fold(history))) == history["state"]


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_the_next_decisions_on_it_are_the_recorded_ones(path: Path) -> None:
    history = read(path)
    state = fold(history)
    for following in history["next"]:
        got = next_of(history, state, following)
        kind = following["message"]["kind"]
        assert got["events"] == following["events"], kind
        assert got["outcome"] == following["outcome"], kind


def test_every_story_is_recorded() -> None:
    assert {p.stem for p in PATHS} >= set(STORIES)


def test_what_is_recorded_is_never_recorded_again() -> None:
    before = PATHS[0].read_bytes()
    assert main([PATHS[0].stem]) == 1
    assert PATHS[0].read_bytes() == before


def test_a_history_that_folds_otherwise_is_found() -> None:
    """The comparison itself: a changed value is found, a member that is new since is not."""
    history = record(STORIES["refused"]())
    state = state_of(fold(history))
    assert onto(history["state"], state | {"newer": 1}) == history["state"]
    assert onto(history["state"], state | {"undone": 5}) != history["state"]
    assert (
        onto(history["state"], {k: v for k, v in state.items() if k != "vars"}) != history["state"]
    )
