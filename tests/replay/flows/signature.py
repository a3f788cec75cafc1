"""The signature: everything can be taken back until we have signed, and nothing afterwards."""

from __future__ import annotations

from tests.replay.flows import Stories, opened
from tests.semantics.language import Story

__all__ = ["STORIES"]

REQUEST = {"contract": "c-1", "terms": "as agreed", "signers": ["ann", "bob"]}
ENVELOPE = {"envelope_id": "env-1"}


def asked_legal() -> Story:
    story = opened("signature", REQUEST, "c-1")
    return story.done("write_draft", {"document_id": "doc-1", "sha256": "7c1e90"})


def _both(story: Story, gate: str) -> Story:
    return story.decides(gate, "hal", "function_head").decides(gate, "leo", "legal")


def sent() -> Story:
    return _both(asked_legal(), "legal").done("send_envelope", ENVELOPE)


def _signs(story: Story, signer: str) -> Story:
    return story.happens("envelope.signed", {"contract": "c-1", "signer": signer})


def reminded() -> Story:
    """One has signed, and three days later the other is reminded."""
    return _signs(sent(), "bob").after("3d")


def all_signed() -> Story:
    return _signs(reminded().done("remind"), "ann")


def countersigned() -> Story:
    return _both(all_signed(), "release").done("countersign", {"signature_id": "sig-1"})


def filed() -> Story:
    return countersigned().done("file", {"archive_id": "a-1"})


def no_draft() -> Story:
    return opened("signature", REQUEST, "c-1").failed("write_draft", "no-template")


def legal_rejects() -> Story:
    return asked_legal().decides("legal", "leo", "legal", answer="reject", reason="no liability")


def legal_does_not_decide() -> Story:
    return asked_legal().decides("legal", "leo", "legal").after("5d")


def not_sent() -> Story:
    return _both(asked_legal(), "legal").failed("send_envelope", "bad-address")


def declined() -> Story:
    story = _signs(sent(), "ann")
    said = {"contract": "c-1", "signer": "bob", "reason": "too dear"}
    return story.happens("envelope.declined", said).undone("send_envelope")


def not_signed_in_time() -> Story:
    """Thirty days, with a reminder every three."""
    story = _signs(sent(), "ann")
    for _ in range(9):
        story.after("3d").done("remind")
    return story.after("3d").undone("send_envelope")


def release_rejected() -> Story:
    story = all_signed().decides("release", "hal", "function_head", answer="reject", reason="sold")
    return story.undone("send_envelope")


def release_not_decided() -> Story:
    return all_signed().after("5d")


def not_countersigned() -> Story:
    """The provider says no: nothing binds, the envelope is void."""
    return _both(all_signed(), "release").failed("countersign", "no-right").undone("send_envelope")


def countersigned_for_all_we_know() -> Story:
    """The reply is lost and nobody can look it up: a person has to say."""
    story = _both(all_signed(), "release").started("countersign").lost("countersign")
    return story.answers("countersign", "cannot_tell")


def not_filed() -> Story:
    """Past the pivot there is no way back: what is to be done is a debt."""
    return countersigned().failed("file", "wrong-format")


def cancelled_while_signing() -> Story:
    return reminded().started("remind").cancelled().done("remind")


def cancelled_while_we_sign() -> Story:
    """What binds is settled first; then there is nothing to cancel any more."""
    story = _both(all_signed(), "release").started("countersign").cancelled()
    return story.done("countersign", {"signature_id": "sig-1"})


def cancelled_too_late() -> Story:
    return countersigned().cancelled()


def not_voided() -> Story:
    return sent().cancelled().failed("send_envelope", "signed-already")


def not_reminded() -> Story:
    return reminded().failed("remind", "blocked").undone("send_envelope")


def not_filed_in_time() -> Story:
    return countersigned().after("30d").nobody_starts("file")


def cancelled() -> Story:
    return sent().cancelled().undone("send_envelope")


STORIES: Stories = {
    f"signature_{story.__name__}": story
    for story in (
        not_reminded, not_filed_in_time, cancelled,
        asked_legal, sent, reminded, all_signed, countersigned, filed, no_draft, legal_rejects,
        legal_does_not_decide, not_sent, declined, not_signed_in_time, release_rejected,
        release_not_decided, not_countersigned, countersigned_for_all_we_know, not_filed,
        cancelled_while_signing, cancelled_while_we_sign, cancelled_too_late, not_voided,
    )
}  # fmt: skip
