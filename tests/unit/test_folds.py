"""The fold of a commitment: complete, exact about time, and blind to what it is not told."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest

from domain import events as ev
from domain import state as s
from domain.commitment import Commitment
from domain.evolve import FOLDS
from domain.state import binding_paths, changed, frame_of, frames_of, in_flight, is_under
from tests.semantics.language import given, saga, step, wait
from tests.semantics.world import fold, from_snapshot, state_of

Json = Any
OTHER_STREAMS = ("sagakey.", "key.", "locks.", "throttles.")
RECORDS = (s.Asked, s.Instance, s.Trail, s.Effect, s.Entry, s.Sub, s.Binding, s.Stop, s.Undoing,
           s.Debt, s.Child, s.Hold, s.Task, s.Place)  # fmt: skip


def topic(cls: Any) -> str:
    return cls.TOPIC


def test_every_event_of_a_commitment_has_a_fold_and_no_other_has() -> None:
    own = {c for c in ev.classes() if not topic(c).startswith(OTHER_STREAMS)}
    assert set(FOLDS) == own


def test_topics_are_unique_and_none_names_a_module() -> None:
    topics = [topic(c) for c in ev.classes()]
    assert len(set(topics)) == len(topics)
    assert not [t for t in topics if ":" in t or t.startswith("domain")]


@pytest.mark.parametrize("at", [
    datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2093, 7, 4, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))),
])  # fmt: skip
def test_the_clock_of_a_commitment_is_exact_to_the_microsecond(at: datetime) -> None:
    story = given(saga(wait("w")))
    c = story.w.now.fork()
    event: Any = ev.CommitmentPaused
    event(originator_id=c.id, originator_version=c.version + 1, timestamp=at, ctx={},
          reason="x").mutate(c)  # fmt: skip
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert c.clock_us == (at - epoch) // timedelta(microseconds=1)


def test_a_fork_is_independent_of_what_it_was_taken_from() -> None:
    story = given(saga(step("a"), wait("w")))
    before = orjson.dumps(list(state_of(story.w.now)), default=str)
    fork = story.w.now.fork()
    for name, value in vars(fork).items():
        if isinstance(value, dict) and name not in ("input", "params", "start"):
            assert value is not getattr(story.w.now, name), name
            value["new"] = 1
    assert orjson.dumps(list(state_of(story.w.now)), default=str) == before
    assert "new" not in story.w.now.nodes


def test_a_fold_from_stored_bytes_and_a_snapshot_give_the_state() -> None:
    story = given(saga(step("a", undo=True), wait("w"))).done("a", {"n": 1}).cancelled()
    assert state_of(fold(story.w.events)) == state_of(story.w.now)
    assert state_of(from_snapshot(story.w.now)) == state_of(story.w.now)


def test_a_commitment_without_events_has_no_status_of_its_own() -> None:
    with pytest.raises(AttributeError):
        _ = Commitment().status


# --- records ---------------------------------------------------------------------------------


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r.__name__)
def test_changed_replaces_the_named_fields_only(record: Any) -> None:
    names = [f.name for f in fields(record)]
    old = record(**dict.fromkeys(names, "old"))
    for name in names:
        new = changed(old, **{name: "new"})
        assert {n: getattr(new, n) for n in names} == dict.fromkeys(names, "old") | {name: "new"}
        assert getattr(old, name) == "old"


def test_changed_refuses_a_field_that_is_not_there() -> None:
    with pytest.raises(KeyError):
        changed(s.Trail("done", 1, 2, 3), nonsense=1)


@pytest.mark.parametrize(("path", "target", "under"), [
    ("a/b", "a", True), ("a", "a", True), ("ab", "a", False), ("a#1/b", "a", True),
    ("h@2/x", "h", True), ("a/b", "a/b/c", False), ("a", "", True),
])  # fmt: skip
def test_what_lies_under_a_path(path: str, target: str, under: bool) -> None:
    assert is_under(path, target) is under


@pytest.mark.parametrize(("path", "frames"), [
    ("a/b", ("",)), ("r#2/x", ("r#2", "")), ("h@1/r#3/x", ("h@1/r#3", "h@1", "")),
])  # fmt: skip
def test_the_frames_a_node_sees(path: str, frames: tuple[str, ...]) -> None:
    assert frames_of(path) == frames
    assert frame_of(path) == frames[0]


def test_where_a_decision_may_be_kept() -> None:
    assert list(binding_paths("ok/pay")) == ["ok/pay"]
    assert list(binding_paths("r#2/ok/s#1/pay")) == [
        "r#2/ok/s#1/pay", "r#2/ok/s/pay", "r/ok/s/pay"
    ]  # fmt: skip


def test_what_is_in_flight() -> None:
    effect = s.Effect("a", "do", "c", "p", "d", 1, "offered", 0, 0)
    states = ("offered", "started", "backoff", "unknown", "done", "failed", "withdrawn")
    flying = [state for state in states if in_flight(changed(effect, state=state))]
    assert flying == ["offered", "started", "backoff", "unknown"]
