"""Every build folds a recorded history to the same state, and decides the same on it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

import schemas
from domain.events import classes
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


# --- what is recorded ----------------------------------------------------------------------------


_NAME = re.compile(r"(?:^|/)([a-z][a-z0-9_]*)")


def objects_in(value: Json) -> Iterator[Json]:
    """Every JSON object in a value."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from objects_in(part)


def recorded() -> tuple[set[str], set[str]]:
    """The kinds of nodes that some history has entered, and the topics that occur."""
    kinds: set[str] = set()
    topics: set[str] = set()
    for path in PATHS:
        history = read(path)
        named = {_NAME.findall(part["node"])[-1] for part in objects_in(history["events"])
                 if isinstance(part.get("node"), str) and part["node"]}  # fmt: skip
        topics |= {e["topic"] for e in history["events"]}
        kinds |= {
            n["node"] for n in objects_in(history["definition"])
            if isinstance(n.get("node"), str) and n.get("name") in named
        }  # fmt: skip
    return kinds, topics


OTHER_STREAMS = ("sagakey.", "locks.", "key.", "throttles.")
"""Their states are folded by the tests of their own streams."""


def test_each_kind_of_node_and_each_event_of_a_commitment_is_in_some_history() -> None:
    """A new kind or event comes with a history: a story in `kinds.py`, recorded."""
    kinds, topics = recorded()
    document = schemas.load("definition.v1.json")
    known = {kind.removeprefix("node_") for kind in document["$defs"] if kind.startswith("node_")}
    assert sorted(known - kinds) == []
    stored = {str(vars(event)["TOPIC"]) for event in classes()}
    ours = {topic for topic in stored if not topic.startswith(OTHER_STREAMS)}
    assert sorted(ours - topics) == []
