"""The ids of docs/format.md section 2."""

from hashlib import sha256
from uuid import UUID

from domain.ids import (
    commitment_id,
    content_digest,
    effect_id,
    key_id,
    lane_of,
    saga_key_id,
    start_digest,
)


def test_a_commitment_id_is_the_digest_of_its_canonical_array() -> None:
    """Another language computes it from the rule alone."""
    text = b'["troth.commitment.v1","north","partner-activation","acme",1]'
    raw = bytearray(sha256(text).digest()[:16])
    raw[:2] = sha256(b'["troth.home.v1","north","acme"]').digest()[:2]
    raw[6] = (raw[6] & 0x0F) | 0x80
    raw[8] = (raw[8] & 0x3F) | 0x80
    got = commitment_id("north", "partner-activation", "acme", 1)
    assert got == UUID(bytes=bytes(raw))
    assert got.version == 8


def test_streams_of_one_key_have_ids_of_their_own() -> None:
    """Runs, sagas, tenants and kinds of stream never share one."""
    ids = {
        commitment_id("north", "a", "k", 1), commitment_id("north", "a", "k", 2),
        commitment_id("south", "a", "k", 1), commitment_id("north", "b", "k", 1),
        saga_key_id("north", "a", "k"), key_id("north", "k"),
    }  # fmt: skip
    assert len(ids) == 6


def test_an_effect_has_one_id_for_all_attempts() -> None:
    """It depends on commitment, path and kind only."""
    stream = commitment_id("north", "a", "k", 1)
    text = b'["troth.effect.v1","%s","pay","do"]' % str(stream).encode()
    assert effect_id(stream, "pay", "do") == sha256(text).hexdigest()
    assert effect_id(stream, "pay", "do") != effect_id(stream, "pay", "undo")


def test_tracing_does_not_make_another_event() -> None:
    """A repeated delivery often carries another trace."""
    event = {"id": "1", "type": "a", "data": {"x": 1}}
    assert content_digest(event) == content_digest(
        {**event, "traceparent": "00-1", "tracestate": "x"}
    )
    assert content_digest(event) != content_digest({**event, "data": {"x": 2}})


def test_a_start_differs_by_saga_version_and_input() -> None:
    """Asking for a version is another request than asking for the latest."""
    assert start_digest("a", None, {"x": 1}) == start_digest("a", None, {"x": 1})
    assert (
        len({start_digest("a", None, {}), start_digest("a", 1, {}), start_digest("b", 1, {})}) == 3
    )


def test_a_key_has_one_lane() -> None:
    """With one lane it is that one; with more they are all used."""
    assert lane_of(key_id("north", "acme"), 1) == 0
    assert {lane_of(key_id("north", str(n)), 4) for n in range(100)} == {0, 1, 2, 3}
