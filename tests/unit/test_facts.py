"""Facts: what each stored event tells others, and a commitment followed from them alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from uuid import UUID

import jsonschema_rs
import orjson
import pytest
from eventsourcing.persistence import StoredEvent

import schemas
from consumers.facts import _TOLD, PREFIX, TYPES, Origin, fact_of, record_of
from domain import events as ev
from domain.mapper import event_mapper
from examples.producers.python.follow import Follower, read
from projections.current_step import current_step
from sagas.loading import load

Json = Any
ROOT = Path(__file__).parents[2]
HISTORIES = sorted((ROOT / "tests/replay/histories").glob("*.json"))
SOURCE = "urn:troth:engine"
ATTRIBUTE = re.compile(r"[a-z0-9]{1,20}")


def rows() -> dict[str, tuple[set[str], set[str]]]:
    """The table of docs/format.md: topics and data of each fact."""
    page = (ROOT / "docs/format.md").read_text("utf-8").partition("## 10. ")[2]
    found = re.findall(r"^\| `([a-z_.]+)` \| (.*?) \| ?(.*?) ?\|$", page, re.MULTILINE)
    topics = re.compile(r"[a-z]+\.[a-z_]+")
    return {name: (set(topics.findall(a)), set(re.findall(r"\w+", b))) for name, a, b in found}


def history(path: Path) -> Json:
    return orjson.loads(path.read_bytes())


def facts_of(history: Json, incarnation: int = 1) -> list[tuple[int, Json]]:
    """Version and fact of each event of a history that tells one."""
    found: list[tuple[int, Json]] = []
    for version, item in enumerate(history["events"], start=1):
        origin = Origin(UUID(history["stream"]), version, 3, 700 + version, incarnation)
        fact = fact_of(item["topic"], item["state"], origin, source=SOURCE)
        if fact is not None:
            found.append((version, fact))
    return found


def as_read(fact: Json) -> Any:
    key, headers, value = record_of(fact)
    return read(headers, key, value)


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_a_commitment_is_followed_from_facts_alone(path: Path) -> None:
    """After every event, status and steps are those of the engine's current step."""
    recorded = history(path)
    shape, mapper = load(recorded["definition"], ""), event_mapper()
    told = dict(facts_of(recorded))
    follower = Follower(recorded["stream"])
    state: Any = None
    for version, item in enumerate(recorded["events"], start=1):
        raw = StoredEvent(
            UUID(recorded["stream"]), version, item["topic"], orjson.dumps(item["state"])
        )
        event: Any = mapper.to_domain_event(raw)
        state = event.mutate(state)
        if version in told:
            follower.take(as_read(told[version]))
        expected = current_step(shape, state)
        found = follower.where
        wanted = (expected["status"], sorted(set(expected["steps"])))
        assert (found.status, found.steps) == wanted, (version, item["topic"])


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_facts_fit_their_schema(path: Path) -> None:
    """Attributes are a-z and 0-9, and everything a fact says is described."""
    schema = jsonschema_rs.Draft202012Validator(schemas.load("fact.v1.json"))
    for _, fact in facts_of(history(path)):
        assert [e.message for e in schema.iter_errors(fact)] == [], fact
        assert all(ATTRIBUTE.fullmatch(name) for name in fact)


def test_facts_of_the_engine_hold_no_value_of_the_business() -> None:
    """No input, argument, result, reason, person or message: S2 and S3 never leave this way."""
    business = ("Acme", "because", "so be it", "c-7", "letter", "hal", "leo", "ann")
    for path in HISTORIES:
        for _, fact in facts_of(history(path)):
            if fact["type"].startswith(PREFIX):
                text = orjson.dumps(fact).decode()
                assert [word for word in business if f'"{word}' in text or f" {word}" in text] == []


def test_a_fact_of_a_saga_keeps_what_the_saga_said() -> None:
    recorded = history(ROOT / "tests/replay/histories/fulfilled.json")
    (told,) = [fact for _, fact in facts_of(recorded) if fact["type"] == "partner.active"]
    assert told["source"] == "urn:troth:test"
    assert told["subject"] == "acme"
    assert told["data"] == {"account": "c-7"}
    assert told["commitmentid"] == recorded["stream"]
    assert record_of(told)[0] == recorded["stream"].encode()


def test_the_opening_names_saga_and_key_and_later_facts_where_they_are_given() -> None:
    recorded = history(HISTORIES[0])
    opened, begun = (recorded["events"][index] for index in (0, 1))
    stream = UUID(recorded["stream"])
    first = fact_of(opened["topic"], opened["state"], Origin(stream, 1, 0, 1, 1), source=SOURCE)
    assert first is not None
    assert (first["saga"], first["sagakey"]) == ("test", "acme")
    origin = Origin(stream, 2, 0, 2, 1, "test", "acme")
    named = fact_of(begun["topic"], begun["state"], origin, source=SOURCE)
    assert named is not None
    assert (named["saga"], named["sagakey"]) == ("test", "acme")


def test_the_same_event_gives_the_same_bytes() -> None:
    """A relay that begins again publishes repeats, and they are known as such."""
    recorded = history(HISTORIES[0])
    once, again = (
        [record_of(fact) for _, fact in facts_of(recorded)] for _ in range(2)
    )  # fmt: skip
    assert once == again
    ids = [fact["id"] for _, fact in facts_of(recorded)]
    assert len(set(ids)) == len(ids)


def test_repeats_and_strangers_change_nothing() -> None:
    recorded = history(ROOT / "tests/replay/histories/rejected.json")
    follower, told = Follower(recorded["stream"]), [fact for _, fact in facts_of(recorded)]
    assert all(follower.take(as_read(fact)) for fact in told)
    assert follower.where.status == "compensated"
    assert not any(follower.take(as_read(fact)) for fact in (*told[:3], told[-1]))
    assert not follower.take(as_read({**told[0], "commitmentid": "another"}))
    assert follower.where.status == "compensated"


def test_after_a_restore_the_lost_future_is_forgotten() -> None:
    """What a lower incarnation told of versions that were told anew never happened."""
    recorded = history(ROOT / "tests/replay/histories/fulfilled.json")
    follower = Follower(recorded["stream"])
    for _, fact in facts_of(recorded):
        follower.take(as_read(fact))
    assert follower.where.status == "fulfilled"
    anew = [fact for version, fact in facts_of(recorded, incarnation=2) if version == 34]
    follower.take(as_read(anew[0]))
    assert (follower.where.status, follower.where.steps) == ("waiting", ["legal"])
    late = [fact for version, fact in facts_of(recorded) if version == 45]
    assert not follower.take(as_read(late[0]))


def test_the_page_and_the_schema_have_the_types_of_the_code() -> None:
    assert {f"{PREFIX}{name}" for name in rows()} == set(TYPES)
    described = schemas.load("fact.v1.json")["$defs"]["types"]["enum"]
    assert described == list(TYPES)


def test_every_topic_that_tells_a_fact_is_stored() -> None:
    """A renamed event would fall silent here."""
    stored = {vars(cls)["TOPIC"] for cls in ev.classes()}
    named = {topic for topics, _ in rows().values() for topic in topics}
    assert set(_TOLD) == named
    assert named <= stored


def test_the_page_says_what_data_each_fact_has() -> None:
    told = rows()
    for path in HISTORIES:
        for _, fact in facts_of(history(path)):
            if fact["type"].startswith(PREFIX):
                assert set(fact["data"]) <= told[fact["type"].removeprefix(PREFIX)][1], fact
