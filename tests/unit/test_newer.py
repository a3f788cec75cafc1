"""What a later release wrote is told apart, never read as if it were known."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from eventsourcing.persistence import StoredEvent

from consumers.registry import Registry
from domain.commitment import Commitment, CommitmentSnapshot
from domain.errors import Refusal
from domain.mapper import event_mapper
from domain.messages import Wake, message_of
from domain.newer import NEWER, Unread
from domain.records import restore
from domain.requests import passed_of
from domain.state import Debt
from sagas.later import later_form
from tests.semantics.language import given, saga, step

STREAM = UUID(int=7)
AT = datetime(2026, 11, 23, tzinfo=UTC).isoformat()
PAUSED = {"ctx": {}, "timestamp": AT, "reason": "so"}


def read(topic: str, **state: Any) -> Any:
    return event_mapper().to_domain_event(StoredEvent(STREAM, 3, topic, orjson.dumps(state)))


@pytest.mark.parametrize(
    ("topic", "more", "what"),
    [
        ("effect.noted", {}, "event effect.noted"),
        ("commitment.paused", {"until": "tomorrow"}, "commitment.paused has until"),
        ("commitment.paused", {"class_version": 2}, "commitment.paused version 2"),
    ],
)
def test_an_event_of_a_later_release_is_not_read(topic: str, more: Any, what: str) -> None:
    with pytest.raises(Refusal, match=what) as refused:
        read(topic, **PAUSED, **more)
    assert refused.value.alias == NEWER


def test_a_member_that_says_nothing_does_no_harm() -> None:
    event = read("commitment.paused", **PAUSED, until=None, notes=[])
    assert set(vars(event)) == {"originator_id", "originator_version", *PAUSED}


def test_a_snapshot_of_a_later_release_is_read_while_it_says_nothing_new() -> None:
    told = snapshot(shelved={})
    assert isinstance(told, Commitment)
    with pytest.raises(Refusal, match=r"commitment\.snapshot has shelved"):
        snapshot(shelved={"a": 1})


def snapshot(**more: Any) -> Any:
    story = given(saga(step("a")))
    taken: Any = CommitmentSnapshot.take(story.w.c)
    assert set(taken.state) <= CommitmentSnapshot.STATE
    stored = event_mapper().to_stored_event(taken)
    state = orjson.loads(stored.state)
    state["state"] |= more
    body = orjson.dumps(state)
    read: Any = event_mapper().to_domain_event(StoredEvent(STREAM, 3, stored.topic, body))
    return read.mutate(None)


def test_a_record_in_a_snapshot_with_something_new_is_not_read() -> None:
    assert restore(Debt, {"weight": 0, **debt()}) == Debt(**debt())
    with pytest.raises(Refusal, match="Debt has weight"):
        restore(Debt, {"weight": 3, **debt()})


def debt() -> dict[str, Any]:
    return dict.fromkeys(Debt.__dataclass_fields__)


def test_a_message_and_a_request_of_a_later_release_are_told_apart() -> None:
    assert message_of("wake", {"due_us": 5}) == Wake(5)
    assert message_of("dream", {}) == Unread("dream")
    assert message_of("wake", {"due_us": 5, "softly": True}) == Unread("wake")
    assert passed_of("foresee", {}) == Unread("foresee")


def test_a_definition_of_a_later_release_is_kept_apart_with_its_saga_and_events() -> None:
    document = saga(step("a"))
    assert later_form(document) is None
    registry = Registry()
    hash_ = uuid4().hex
    registry.learn({**document, "mood": "good"}, hash_)
    names = [hash_, f"saga {document['saga']}", f"saga {document['saga']} {document['version']}"]
    names += [f"event {type_}" for type_ in document.get("events", {})]
    for name in names:
        with pytest.raises(Refusal) as refused:
            registry.refuse_later("something else", name)
        assert refused.value.alias == NEWER
    with pytest.raises(Refusal):
        registry.of_saga(document["saga"])
    assert registry.of_saga("another") is None
    assert later_form({**document, "troth": 2}) == "its form is 2, 1 is known"
