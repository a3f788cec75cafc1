"""The loan saga, its events and its oracle speak of the same things."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from examples.loan_offers import oracle
from examples.loan_offers.events import TYPES, WORK_TYPES
from examples.loan_offers.saga import ANSWER_WITHIN, loan_offer

DOCUMENT: Any = loan_offer.document()


def parts(value: Any) -> Iterator[dict[str, Any]]:
    """Every object of the flow with a name: nodes, branches, handlers."""
    if isinstance(value, dict):
        if isinstance(value.get("name"), str):
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from parts(inner)


def test_the_saga_has_an_event_for_each_activity_of_the_log() -> None:
    """Nothing of the log is refused at the door."""
    declared = set(DOCUMENT["events"])
    assert set(TYPES.values()) | set(WORK_TYPES.values()) == declared - {"loan.deviation"}


def test_every_event_has_a_taker_or_starts_the_saga() -> None:
    """What nobody takes would rest in the mailbox."""
    taken = {type_ for part in parts(DOCUMENT) for type_ in part.get("events", ())}
    assert taken == set(TYPES.values()) - {"application.submitted"} | set(WORK_TYPES.values())


def test_the_nodes_that_the_oracle_expects_are_waits_of_the_saga() -> None:
    """A renamed node shows here, not after a run of minutes."""
    expected = {
        *oracle.NODE_AFTER.values(),
        *oracle.PREPARING.values(),
        *oracle.DECIDING.values(),
        oracle.CREATED_NODE,
        oracle.LATE_NODE,
    }
    waits = {p["name"] for p in parts(DOCUMENT) if p.get("node") in ("wait_for", "sleep")}
    assert waits == expected


def test_both_know_the_same_rules_and_the_same_thirty_days() -> None:
    """The rules are written twice on purpose; their names must meet."""
    text = json.dumps(DOCUMENT)
    assert all(f"'{rule}'" in text for rule in oracle.RULES)
    assert f"{oracle.ANSWER_WITHIN.days}d" == ANSWER_WITHIN


def test_the_saga_has_no_participants() -> None:
    """The bank's own systems are the log."""
    assert DOCUMENT["contracts"] == {}
    assert not [part for part in parts(DOCUMENT) if part.get("node") == "step"]
