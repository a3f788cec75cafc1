"""Events are stored as plain JSON and come back equal."""

from __future__ import annotations

from dataclasses import MISSING, fields
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

import orjson
import pytest
from eventsourcing.persistence import MapperDeserialisationError, StoredEvent
from eventsourcing.utils import register_topic

from domain import events as ev
from domain.events import Event
from domain.mapper import event_mapper

AT = datetime(2026, 11, 30, 9, 41, 4, 377000, tzinfo=UTC)
CTX = {"tenant": "north", "actor": "ann", "actor_type": "human", "trace": None}
MAPPER = event_mapper()
VALUES: dict[str, Any] = {"str": "x", "int": 7, "bool": True}


def example(cls: Any, *, whole: bool) -> Any:
    """An event of a class, with all its fields or only those it must have."""
    given: dict[str, Any] = {
        "originator_id": UUID(int=1), "originator_version": 2, "timestamp": AT, "ctx": CTX,
    }  # fmt: skip
    for field in fields(cls):
        if field.name not in given and (whole or field.default is MISSING):
            kind = str(field.type).removesuffix(" | None")
            given[field.name] = VALUES.get(kind, {"a": [1, None, 2.5, "ü"]})
    return cls(**given)


def make(cls: Any, **members: Any) -> Any:
    """An event: the library's metaclass hides the fields of its classes from type checkers."""
    return cls(originator_id=UUID(int=1), originator_version=2, timestamp=AT, ctx=CTX, **members)


class Renamed(Event):
    """A class of a later release: `label` was called `node` in version 1."""

    TOPIC: ClassVar[str] = "test.renamed"
    class_version: ClassVar[int] = 2
    label: str

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> None:
        state["label"] = state.pop("node")


register_topic("test.renamed", Renamed)


@pytest.mark.parametrize("cls", ev.classes(), ids=lambda cls: cls.TOPIC)
@pytest.mark.parametrize("whole", [True, False])
def test_every_event_comes_back_equal(cls: Any, whole: bool) -> None:
    event = example(cls, whole=whole)
    stored = MAPPER.to_stored_event(event)
    assert (stored.originator_id, stored.originator_version) == (UUID(int=1), 2)
    assert stored.topic == cls.TOPIC
    back = MAPPER.to_domain_event(stored)
    assert back == event
    assert type(back) is cls


def test_the_state_is_plain_json_without_what_is_none() -> None:
    done = make(ev.EffectDone, node="check", effect="e1", kind="do", attempt=1, result=None)
    state = orjson.loads(MAPPER.to_stored_event(done).state)
    assert state == {
        "timestamp": "2026-11-30T09:41:04.377000Z", "ctx": CTX, "node": "check", "effect": "e1",
        "kind": "do", "attempt": 1, "verified": False, "pivot": False,
    }  # fmt: skip


def test_a_member_that_was_not_written_is_the_default_of_its_class() -> None:
    """States of an older release lack what came later."""
    state = orjson.dumps({"timestamp": "2026-11-30T09:41:04Z", "ctx": CTX, "node": "n", "key": "k",
                          "position": 3, "event": {}})  # fmt: skip
    back: Any = MAPPER.to_domain_event(StoredEvent(UUID(int=1), 1, "event.taken", state))
    assert (back.done, back.run) == (True, None)
    assert back.timestamp == datetime(2026, 11, 30, 9, 41, 4, tzinfo=UTC)


def test_an_older_class_version_is_upcast() -> None:
    state = orjson.dumps({"timestamp": "2026-11-30T09:41:04Z", "ctx": CTX, "node": "old"})
    back: Any = MAPPER.to_domain_event(StoredEvent(UUID(int=1), 1, "test.renamed", state))
    assert back.label == "old"


def test_a_class_version_above_one_is_written_into_the_state() -> None:
    event = make(Renamed, label="new")
    stored = MAPPER.to_stored_event(event)
    assert orjson.loads(stored.state)["class_version"] == 2
    assert MAPPER.to_domain_event(stored) == event


def test_what_is_not_json_is_refused_when_it_is_written() -> None:
    event = example(ev.VarsSet, whole=True)
    wrong = type(event)(**{**vars(event), "values": {"x": object()}})
    with pytest.raises(TypeError):
        MAPPER.to_stored_event(wrong)


def test_a_broken_state_is_named_when_it_is_read() -> None:
    with pytest.raises(MapperDeserialisationError, match=r"node\.done"):
        MAPPER.to_domain_event(StoredEvent(UUID(int=1), 1, "node.done", b"{"))


def test_a_commitment_may_start_with_nothing() -> None:
    opened = make(
        ev.CommitmentOpened, originator_topic="commitment", tenant="north", saga="s",
        saga_version=1, definition="d", key="k", run=1, input=None,
    )  # fmt: skip
    back: Any = MAPPER.to_domain_event(MAPPER.to_stored_event(opened))
    assert back.input is None
