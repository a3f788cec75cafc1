"""The stream of a lock: its holders, the oldest request next, and a bound on those who wait."""

from typing import Any

import orjson
import pytest

from domain import lock_stream as ls
from domain.events import Ctx, Event
from domain.ids import commitment_id, lock_id
from domain.lock_stream import LockStream, LockStreamSnapshot
from domain.mapper import event_mapper
from domain.messages import Acquire, Granted, Message, NotGranted, Release

STREAM = lock_id("north", "press")
CTX: Ctx = {"tenant": "north", "actor": "troth", "actor_type": "automated_workflow"}


class Story:
    """The stream, with what it wrote and whom it answered."""

    def __init__(self) -> None:
        self.state: LockStream | None = None
        self.events: list[Event] = []
        self.mail: list[tuple[str, Message]] = []

    def send(self, message: Message) -> None:
        before = None if self.state is None else LockStreamSnapshot.take(self.state)
        decided = ls.decide(self.state, message, stream=STREAM, now_us=7, ctx=CTX)
        assert before == (None if self.state is None else LockStreamSnapshot.take(self.state))
        self.state = decided.state
        self.events += decided.events
        self.mail += [(str(to), m) for to, m in decided.mail]

    def wants(
        self, key: str, ask: int = 2, *, undo: bool = False, permits: int | None = None
    ) -> None:
        self.send(Acquire("north", "press", who(key), "held", ask, undo, permits))

    def leaves(self, key: str, ask: int = 2) -> None:
        self.send(Release(who(key), "held", ask))

    def granted(self) -> list[tuple[str, int]]:
        return [(to, m.fence) for to, m in self.mail if isinstance(m, Granted)]


def who(key: str) -> str:
    return str(commitment_id("north", "print", key, 1))


def test_the_lock_goes_to_the_oldest_request_and_the_fence_rises() -> None:
    story = Story()
    for key in "abc":
        story.wants(key)
    assert story.granted() == [(who("a"), 1)]
    story.leaves("b")
    story.leaves("a")
    assert story.granted() == [(who("a"), 1), (who("c"), 2)]
    story.leaves("c")
    assert story.state is not None
    assert (story.state.holders, story.state.queue) == ({}, {})


def test_a_release_of_who_has_nothing_changes_nothing() -> None:
    """It may be a second one, or that of an earlier question of the same node."""
    story = Story()
    story.leaves("a")
    assert story.events == []
    story.wants("a", 5)
    story.leaves("a", 2)
    assert story.state is not None
    assert list(story.state.holders) == [ls.Claimant(who("a"), "held", 5)]


def test_as_many_hold_it_as_each_of_them_permits() -> None:
    """The smallest count of those that hold it and of the next one counts."""
    story = Story()
    story.wants("a", permits=3)
    story.wants("b", permits=2)
    story.wants("c", permits=3)
    assert story.granted() == [(who("a"), 1), (who("b"), 2)]
    story.leaves("b")
    story.wants("d", permits=3)
    assert story.granted()[2:] == [(who("c"), 3), (who("d"), 4)]


def test_nobody_overtakes_who_wants_it_alone() -> None:
    story = Story()
    story.wants("a", permits=2)
    story.wants("b")
    story.wants("c", permits=2)
    assert story.granted() == [(who("a"), 1)]
    story.leaves("a")
    assert story.granted()[1:] == [(who("b"), 2)]
    story.leaves("b")
    assert story.granted()[2:] == [(who("c"), 3)]


def test_a_request_that_goes_makes_way_for_all_that_then_may() -> None:
    story = Story()
    for key, permits in (("a", 3), ("b", 1), ("c", 3), ("d", 3)):
        story.wants(key, permits=permits)
    story.leaves("b")
    assert story.granted()[1:] == [(who("c"), 2), (who("d"), 3)]


def test_a_snapshot_of_when_a_lock_had_one_holder_is_read() -> None:
    story = Story()
    story.wants("a")
    story.wants("b")
    taken = LockStreamSnapshot.take(story.state)
    claimants = {
        name: [{k: v for k, v in row.items() if k != "permits"} for row in taken.state[name]]
        for name in ("holders", "queue")
    }
    old = {"tenant": "north", "lock": "press", "fence": 1, "holder": claimants["holders"][0],
           "queue": claimants["queue"]}  # fmt: skip
    fields = (taken.originator_id, taken.originator_version, taken.timestamp, taken.topic)
    back = LockStreamSnapshot(*fields, old).mutate(None)
    assert LockStreamSnapshot.take(back).state == taken.state


def test_beyond_the_bound_a_request_is_turned_away_but_not_one_that_undoes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ls, "QUEUE_MAX", 3)
    story = Story()
    for key in ("holder", "a", "b", "c"):
        story.wants(key)
    story.wants("late")
    assert story.mail[-1] == (who("late"), NotGranted("held", 2))
    story.wants("undoing", undo=True)
    assert story.state is not None
    assert list(story.state.queue)[-1].commitment == who("undoing")


def test_the_stream_and_its_snapshot_fold_to_the_same_state() -> None:
    story = Story()
    for key in "abcd":
        story.wants(key, permits=2)
    story.leaves("a")
    mapper, state = event_mapper(), None
    for event in story.events:
        read: Any = mapper.to_domain_event(mapper.to_stored_event(event))
        state = read.mutate(state)
    taken = LockStreamSnapshot.take(story.state)
    assert LockStreamSnapshot.take(state).state == taken.state
    fields = (taken.originator_id, taken.originator_version, taken.timestamp, taken.topic)
    back = LockStreamSnapshot(*fields, orjson.loads(orjson.dumps(taken.state))).mutate(None)
    assert LockStreamSnapshot.take(back).state == taken.state
