"""Drafts, the e-sign provider and the archive of the example; what they did is in their books."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from examples.keeper import Keeper, kept
from sagas.catalogue.signature import Draft, Envelope, Filed, Signature

__all__ = ["ExampleArchive", "ExampleDrafts", "ExampleEsign", "archive", "drafts", "esign"]


class ExampleDrafts:
    """Writes the text; the same terms give the same document."""

    def write(self, contract: str, terms: str) -> Draft:
        text = f"Contract {contract}\n\n{terms}\n"
        return Draft(
            document_id=f"doc-{contract}", sha256=hashlib.sha256(text.encode()).hexdigest()
        )


class ExampleEsign(Keeper):
    """Holds envelopes in its books."""

    async def send(self, key: str, contract: str, draft: Draft, to: list[str]) -> Envelope:
        text = f"env-{draft.document_id}-{len(to)}"
        return Envelope(envelope_id=await self._do(key, "send-envelope", contract, text))

    async def void(self, key: str, envelope: Envelope) -> None:
        await self._do(key, "void-envelope", envelope.envelope_id, "voided")

    async def remind(self, key: str, envelope: Envelope, who: list[str]) -> None:
        await self._do(key, "remind", envelope.envelope_id, ", ".join(who))

    async def countersign(self, key: str, envelope: Envelope) -> Signature:
        text = f"sig-{envelope.envelope_id}"
        done = await self._do(key, "countersign", envelope.envelope_id, text)
        return Signature(signature_id=done)

    async def countersigned(self, key: str) -> Signature | None:
        """Whether the effect with this key happened."""
        done = await self._done(key)
        return None if done is None else Signature(signature_id=done)


class ExampleArchive(Keeper):
    """Files what was signed."""

    async def file(self, key: str, envelope: Envelope, signature: Signature) -> Filed:
        text = f"file-{signature.signature_id}"
        return Filed(archive_id=await self._do(key, "file", envelope.envelope_id, text))


def drafts() -> AbstractAsyncContextManager[ExampleDrafts]:
    """What `connect` wants for the drafts."""

    @asynccontextmanager
    async def made() -> AsyncIterator[ExampleDrafts]:
        yield ExampleDrafts()

    return made()


def esign(
    path: Path, lost_once: frozenset[str] = frozenset()
) -> Callable[[], AbstractAsyncContextManager[ExampleEsign]]:
    """What `connect` wants for the e-sign provider; its books are the file at `path`."""
    return kept(ExampleEsign, path, lost_once)


def archive(
    path: Path, lost_once: frozenset[str] = frozenset()
) -> Callable[[], AbstractAsyncContextManager[ExampleArchive]]:
    """What `connect` wants for the archive; its books are the file at `path`."""
    return kept(ExampleArchive, path, lost_once)
