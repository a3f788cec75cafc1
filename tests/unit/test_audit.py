"""Every stored event has a line that a tired person understands."""

from typing import Any

import pytest

from domain.events import classes
from projections.audit import LINE_MAX, text_of, topics

SAMPLE: dict[str, Any] = {
    "node": "provision/create_account", "effect": "9f" * 32, "kind": "do", "attempt": 3,
    "contract": "crm/create-account@1", "participant": "crm", "args": {}, "digest": "7c1e90" * 10,
    "timeout_us": 120_000_000, "token": "1.2.3", "worker": "host-1",
    "retry_us": 1_764_495_664_377_000,
    "error": {"class": "business", "code": "too-risky", "message": "70 > 60"},
    "reason": "checked", "saga": "partner-activation", "key": "acme", "run": 1, "saga_version": 1,
    "definition": "18aee480", "input": {"company": "acme"}, "tenant": "north",
    "status": "fulfilled", "message": {"kind": "offer"}, "code": "decision.seat",
    "detail": "no seat", "branch": "crm_side", "outcome": "done", "nodes": ["a", "b"],
    "values": {"n": 1}, "fact": {"type": "partner.active", "id": "a1" * 32},
    "types": ["partner.signed"], "due_us": 1_764_495_664_377_000,
    "quiet_us": 1_764_495_664_377_000,
    "event": {"id": "01J9ZK", "source": "urn:example:crm", "type": "partner.signed"},
    "position": 4, "timer": "within", "approval": "a17", "level": "A2", "digests": {},
    "seat": "legal", "by": "legal",
    "decision": {"decision": "approve", "by": ["head", "legal"], "reason": "checked"},
    "next": "probe", "answer": "absent", "effects": ["9f" * 32], "target": "",
    "cause": {"kind": "cancel"}, "why": {"class": "cancelled"}, "dropped": ["a"], "debt": "d-12",
    "owner": "crm-ops", "how": "done", "commitment": "x", "input_digest": "y", "start": {},
    "expires_us": 1_764_495_664_377_000, "saga_key": "acme", "opened": {"signed": {}},
    "closed": [], "taken": [4], "positions": [4, 5], "originator_topic": "x",
    "child": "5b1c9e07", "parent": "x", "ask": 3, "lock": "press", "fence": 3, "calendar": "office",
    "throttle": "crm", "max": 10, "per_us": 60_000_000,
    "item": "k17", "items": [{"key": "k17", "item": {"name": "north"}}],
    "payload": {"amount": 7}, "task": "t1", "roles": ["legal"], "to": "executive",
    "lease_until_us": 1_764_495_664_377_000, "lease_us": 60_000_000, "value": {"by": "ann"},
}  # fmt: skip


CLASSES: dict[str, Any] = {vars(cls)["TOPIC"]: cls for cls in classes()}


@pytest.mark.parametrize("topic", sorted(CLASSES))
def test_every_stored_event_has_a_line_of_its_own(topic: str) -> None:
    """With all its fields, and with those only that it cannot do without."""
    cls = CLASSES[topic]
    optional = {name for one in cls.__mro__ for name in vars(one)} - {"TOPIC"}
    wanted = {name for one in cls.__mro__ for name in vars(one).get("__annotations__", {})}
    whole = {name: SAMPLE[name] for name in wanted & set(SAMPLE)}
    bare = {name: value for name, value in whole.items() if name not in optional}
    for state in (whole, bare):
        line = text_of(topic, state)
        assert line
        assert line != topic
        assert "None" not in line
        assert "{'" not in line


def test_there_is_no_line_for_an_event_that_is_not_stored() -> None:
    assert topics() == set(CLASSES)


def test_an_event_of_a_later_release_is_shown_by_its_topic() -> None:
    assert text_of("commitment.teleported", {}) == "commitment.teleported"


def test_long_values_are_cut() -> None:
    state = {"node": "n", "values": {f"v{n}": "x" * 100 for n in range(100)}}
    assert len(text_of("vars.set", state)) <= LINE_MAX


@pytest.mark.parametrize(
    ("topic", "line"),
    [
        ("approval.asked", "asked: A2, digest 7c1e90, until 30 Nov 2025 09:41:04 UTC"),
        ("effect.unknown", ("outcome of provision/create_account is unknown (checked, attempt 3): "
         "the participant is asked")),
        ("approval.granted", "approved by head, legal: checked"),
        ("node.failed", "provision/create_account failed: business:too-risky: 70 > 60"),
        ("commitment.refused", "refused decision.seat: no seat"),
        ("event.taken", "took event partner.signed 01J9ZK from urn:example:crm"),
        ("part.stopping", "the whole commitment stops (cancel"),
    ],
)  # fmt: skip
def test_lines_read_as_sentences(topic: str, line: str) -> None:
    assert line in text_of(topic, SAMPLE)
