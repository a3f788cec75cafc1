"""Every way that a saga of the catalogue may take is a golden history."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest

from tests.replay.test_histories import PATHS, objects_in, read
from tools.catalogue import CATALOGUE, path_of
from troth import Saga

Json = Any
NAMED = [saga for saga in CATALOGUE if saga.name != "loan-offer"]
"""The named flows. The loan offer has no participants, and 13,087 runs of a bank's log."""
_NAME = re.compile(r"(?:^|/)([a-z][a-z0-9_]*)")
HISTORIES = [read(path) for path in PATHS]


@pytest.fixture(params=NAMED, ids=lambda saga: saga.name)
def saga(request: pytest.FixtureRequest) -> Saga[Any, Any]:
    return request.param


def nodes_of(saga: Saga[Any, Any], kind: str, member: str = "name") -> set[str]:
    """The names of the nodes of a kind that have a member."""
    document = orjson.loads(path_of(saga).read_bytes())
    nodes = (part for part in objects_in(document) if part.get("node") == kind)
    return {node["name"] for node in nodes if member in node}


def events_of(saga: Saga[Any, Any], topic: str) -> list[Json]:
    """The states of the events of a topic, in all histories of a saga."""
    events = (e for h in HISTORIES if h["definition"]["saga"] == saga.name for e in h["events"])
    return [e["state"] for e in events if e["topic"] == topic]


def names(states: list[Json]) -> set[str]:
    """The nodes of these events."""
    return {"".join(_NAME.findall(state["node"])[-1:]) for state in states}


def seen(saga: Saga[Any, Any], topic: str, **members: Json) -> set[str]:
    """The nodes of the events of a topic that have these members."""
    return names([s for s in events_of(saga, topic) if members.items() <= s.items()])


def test_it_is_fulfilled_and_fails_and_is_cancelled(saga: Saga[Any, Any]) -> None:
    expected = {"fulfilled", "failed", "cancelled"}
    expected |= {"compensated"} if nodes_of(saga, "step", "undo") else set()
    assert {s["status"] for s in events_of(saga, "commitment.ended")} >= expected


def test_each_step_fails(saga: Saga[Any, Any]) -> None:
    assert nodes_of(saga, "step") - seen(saga, "effect.failed", kind="do") == set()


def test_each_question_is_answered_with_yes_and_no_and_not_at_all(saga: Saga[Any, Any]) -> None:
    gates = nodes_of(saga, "approve")
    assert gates - seen(saga, "approval.granted") == set()
    assert gates - seen(saga, "approval.rejected") == set()
    assert gates - seen(saga, "timer.fired", timer="within") == set()


def test_each_time_limit_is_passed(saga: Saga[Any, Any]) -> None:
    """That of a step is kept by who hands its command out: it fails as a timeout."""
    late = names([s for s in events_of(saga, "effect.failed") if s["error"]["class"] == "timeout"])
    assert nodes_of(saga, "step", "within") - late == set()
    waits = nodes_of(saga, "wait_for", "within") | nodes_of(saga, "task", "within")
    assert waits - seen(saga, "timer.fired", timer="within") == set()
    scopes = nodes_of(saga, "scope", "deadline")
    assert scopes - seen(saga, "timer.fired", timer="deadline") == set()


def test_what_can_be_undone_is_undone_and_an_undo_fails(saga: Saga[Any, Any]) -> None:
    undone = nodes_of(saga, "step", "undo")
    assert undone - seen(saga, "effect.done", kind="undo") == set()
    assert not undone or seen(saga, "effect.failed", kind="undo")
