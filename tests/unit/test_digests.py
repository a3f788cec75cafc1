"""Digests that decisions, retries and lanes hang on: fixed, so that no release computes others."""

from __future__ import annotations

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from domain.ids import (
    action_digest,
    approval_digest,
    approval_id,
    commitment_id,
    fact_id,
    jitter,
    key_id,
    lane_of,
    saga_key_id,
)

COMMITMENT = commitment_id("north", "partner-activation", "acme", 1)


def hexed(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def test_the_rules_are_canonical_arrays() -> None:
    """Another language computes them from docs/format.md alone."""
    action = action_digest("crm/activate@1", {"b": 1, "a": "ü"}, None)
    assert action == hexed('["troth.action.v1","crm/activate@1",{"a":"ü","b":1},null]')
    shown = approval_digest("a1", {"legal/activate": "9f"}, None)
    assert shown == hexed('["troth.approval.v1","a1",{"legal/activate":"9f"},null]')
    asked = hexed(f'["troth.ask.v1","{COMMITMENT}","legal",2]')
    assert approval_id(COMMITMENT, "legal", 2) == asked[:20]
    assert fact_id(COMMITMENT, "announced") == hexed(
        f'["troth.fact.v1","{COMMITMENT}","announced"]'
    )


def test_a_decision_binds_the_arguments_and_the_undo() -> None:
    action = action_digest("crm/activate@1", {"amount": 1}, "crm/activate@1:undo")
    assert action != action_digest("crm/activate@1", {"amount": 2}, "crm/activate@1:undo")
    assert action != action_digest("crm/activate@1", {"amount": 1}, None)
    assert action != action_digest("crm/activate@2", {"amount": 1}, "crm/activate@1:undo")


@given(st.text("0123456789abcdef", min_size=64, max_size=64), st.integers(1, 1000))
def test_jitter_is_a_share_that_every_fold_finds_again(effect: str, attempt: int) -> None:
    share = jitter(effect, attempt)
    assert 0 <= share < 1
    assert jitter(effect, attempt) == share


def test_jitter_spreads() -> None:
    shares = [jitter("9f" * 32, attempt) for attempt in range(1, 1001)]
    assert 0.45 < sum(shares) / len(shares) < 0.55


def test_keys_spread_over_the_lanes_and_stay_there() -> None:
    lanes = [lane_of(key_id("north", f"key-{number}"), 16) for number in range(1600)]
    assert set(lanes) == set(range(16))
    assert max(lanes.count(lane) for lane in range(16)) < 200
    wanted = int(hexed('["troth.home.v1","north","acme"]')[:4], 16) % 16
    everything = (
        key_id("north", "acme"), saga_key_id("north", "a", "acme"),
        commitment_id("north", "b", "acme", 7),
    )  # fmt: skip
    assert {lane_of(stream, 16) for stream in everything} == {wanted}
