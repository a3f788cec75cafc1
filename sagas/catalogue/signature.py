"""Signature: draft, legal review, an envelope to the signers, countersign, archive.

Until the company's own signature everything can be taken back: a refusal, 30 days without all
signatures or a cancel void the envelope. The countersignature binds: from there it only goes
forward. The systems behind the participants are other people's: `connect` says which.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Protocol

from pydantic import BaseModel, Field

from troth import (
    A0,
    A2,
    R0,
    R1,
    R3,
    S1,
    S2,
    Accepted,
    App,
    Effect,
    Participant,
    Pivot,
    Retry,
    approve,
    branch,
    cel,
    event,
    fail,
    on,
    race,
    repeat,
    saga,
    scope,
    set_,
    size,
    sleep,
    var,
    wait_for,
)

__all__ = [
    "ROUNDS_MAX",
    "SIGNERS_MAX",
    "Archive",
    "Draft",
    "Drafts",
    "Envelope",
    "EnvelopeDeclined",
    "EnvelopeSigned",
    "Esign",
    "Filed",
    "Signature",
    "SignatureRequested",
    "app",
    "connect",
    "signature",
]

SIGNERS_MAX = 20
ROUNDS_MAX = 100
"""Signatures and reminders of one envelope, at most."""
REVIEW_WITHIN = "5d"
REMIND_AFTER = "3d"
SIGNED_WITHIN = "30d"
ARCHIVED_WITHIN = "30d"


@event("signature.requested", version=1, key="contract")
class SignatureRequested(BaseModel):
    """A contract shall be signed by these people, then by us."""

    contract: str
    terms: str
    signers: Annotated[list[str], Field(min_length=1, max_length=SIGNERS_MAX)]


@event("envelope.signed", version=1, key="contract")
class EnvelopeSigned(BaseModel):
    """The e-sign provider says that somebody signed."""

    contract: str
    signer: str


@event("envelope.declined", version=1, key="contract")
class EnvelopeDeclined(BaseModel):
    """The e-sign provider says that somebody will not sign."""

    contract: str
    signer: str
    reason: str


class Draft(BaseModel):
    """The document as it will be sent; `sha256` is that of its text."""

    document_id: str
    sha256: str


class Envelope(BaseModel):
    """The envelope at the e-sign provider."""

    envelope_id: str


class Signature(BaseModel):
    """Our own signature under the document."""

    signature_id: str


class Filed(BaseModel):
    """Where the signed document lies."""

    archive_id: str


class Drafts(Protocol):
    """Writes documents from terms; touches nothing outside."""

    def write(self, contract: str, terms: str) -> Draft: ...


class Esign(Protocol):
    """The e-sign provider. `key` is the idempotency key of the effect."""

    async def send(self, key: str, contract: str, draft: Draft, to: list[str]) -> Envelope: ...
    async def void(self, key: str, envelope: Envelope) -> None: ...
    async def remind(self, key: str, envelope: Envelope, who: list[str]) -> None: ...
    async def countersign(self, key: str, envelope: Envelope) -> Signature: ...
    async def countersigned(self, key: str) -> Signature | None: ...


class Archive(Protocol):
    """Keeps signed documents for as long as the law wants them."""

    async def file(self, key: str, envelope: Envelope, signature: Signature) -> Filed: ...


_systems: dict[str, Callable[[], AbstractAsyncContextManager[object]]] = {}


def connect(
    drafts: Callable[[], AbstractAsyncContextManager[Drafts]],
    esign: Callable[[], AbstractAsyncContextManager[Esign]],
    archive: Callable[[], AbstractAsyncContextManager[Archive]],
) -> None:
    """Say which systems stand behind the participants, before a worker starts."""
    _systems.update(drafts=drafts, esign=esign, archive=archive)


def _drafts() -> AbstractAsyncContextManager[Drafts]:
    return _systems["drafts"]()  # pyright: ignore[reportReturnType]  # put there by connect


def _esign() -> AbstractAsyncContextManager[Esign]:
    return _systems["esign"]()  # pyright: ignore[reportReturnType]  # put there by connect


def _archive() -> AbstractAsyncContextManager[Archive]:
    return _systems["archive"]()  # pyright: ignore[reportReturnType]  # put there by connect


drafts = Participant("drafts", deps=_drafts)
esign = Participant("esign", deps=_esign)
archive = Participant("archive", deps=_archive)


@drafts.step("write-draft")
def write_draft(fx: Effect[Drafts], contract: str, terms: str) -> Draft:
    return fx.deps.write(contract, terms)


@esign.effect("send-envelope", A2, R1, S2)
async def send_envelope(fx: Effect[Esign], contract: str, draft: Draft, to: list[str]) -> Envelope:
    return await fx.deps.send(fx.key, contract, draft, to)


@send_envelope.undo
async def void_envelope(fx: Effect[Esign], envelope: Envelope) -> None:
    await fx.deps.void(fx.key, envelope)


@esign.effect("remind", A0, R0, S1, irreversible=Accepted("a reminder that was sent was read"))
async def remind(fx: Effect[Esign], envelope: Envelope, who: list[str]) -> None:
    await fx.deps.remind(fx.key, envelope, who)


@esign.effect(
    "countersign",
    A2,
    R3,
    S2,
    unknown="probe",
    irreversible=Pivot("a contract that both sides signed binds"),
)
async def countersign(fx: Effect[Esign], envelope: Envelope) -> Signature:
    return await fx.deps.countersign(fx.key, envelope)


@countersign.probe
async def is_countersigned(fx: Effect[Esign], envelope: Envelope) -> Signature | None:
    del envelope  # the key says enough
    return await fx.deps.countersigned(fx.key)


@archive.effect(
    "file",
    A0,
    R1,
    S2,
    retry=Retry(attempts=100, cap="1h"),
    irreversible=Accepted("what was signed is kept"),
    review="retention-of-contracts",
)
async def file_signed(fx: Effect[Archive], envelope: Envelope, signature: Signature) -> Filed:
    return await fx.deps.file(fx.key, envelope, signature)


def collect_signatures(contract: str, envelope: Envelope, missing: list[str]) -> None:
    """Wait for each signer, in any order, and remind those that are missing."""
    with repeat("signatures", max=ROUNDS_MAX, until=size(missing) == 0), race("next"):
        with branch("signed", wait_for(EnvelopeSigned, contract, within=None)):
            others = cel(
                "vars.missing.filter(s, s != events.envelope_signed.data.signer)", list[str]
            )
            set_(missing=others, name="count_down")
        with branch("quiet", sleep("patience", REMIND_AFTER)):
            remind(envelope, missing)


@saga("signature", version=1, starts_on=SignatureRequested)
def signature(request: SignatureRequested) -> Filed:
    """Traced once into `signature.v1.json`; never run by the engine."""
    contract = request.contract
    missing = var("missing", list[str], [])
    set_(missing=request.signers, name="all_missing")
    draft = write_draft(contract, request.terms)
    with approve("legal", level=A2, evidence=[draft], within=REVIEW_WITHIN):
        envelope = send_envelope(contract, draft, request.signers)
    with scope("signing", deadline=SIGNED_WITHIN):
        with on("withdrawal", EnvelopeDeclined, contract, interrupt=True):
            fail("declined")
        collect_signatures(contract, envelope, missing)
    with approve("release", level=A2, evidence=[draft, envelope], within=REVIEW_WITHIN):
        signed = countersign(envelope)
    return file_signed.within(ARCHIVED_WITHIN)(envelope, signed)


app = App(sagas=[signature], participants=[drafts, esign, archive])
