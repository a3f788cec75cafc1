"""Drafts, the e-sign provider and the archive of the example; what they did is in their books."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from examples.partner_activation.books import Books, opened
from sagas.catalogue.signature import Draft, Envelope, Filed, Signature

__all__ = ["ExampleArchive", "ExampleDrafts", "ExampleEsign", "archive", "drafts", "esign"]


class ExampleDrafts:
    """Writes the text; the same terms give the same document."""

    def write(self, contract: str, terms: str) -> Draft:
        text = f"Contract {contract}\n\n{terms}\n"
        return Draft(
            document_id=f"doc-{contract}", sha256=hashlib.sha256(text.encode()).hexdigest()
        )


class ExampleEsign:
    """Holds envelopes in its books; the key makes every call safe to repeat.

    Of the kinds in `lost_once` the first reply is lost: it happened, and the caller cannot know.
    """

    def __init__(self, books: Books, lost_once: frozenset[str] = frozenset()) -> None:
        self._books = books
        self._lost_once = lost_once

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
        done = await asyncio.to_thread(self._books.answer_of, key)
        return None if done is None else Signature(signature_id=done)

    async def _do(self, key: str, kind: str, about: str, answer: str) -> str:
        given = await asyncio.to_thread(self._books.do, key, kind, about, answer)
        calls = await asyncio.to_thread(self._books.calls_of, key)
        await asyncio.to_thread(self._books.called, key, "")
        if kind in self._lost_once and not calls:
            raise TimeoutError("the reply of the e-sign provider was lost")
        return given


class ExampleArchive:
    """Files what was signed."""

    def __init__(self, books: Books) -> None:
        self._books = books

    async def file(self, key: str, envelope: Envelope, signature: Signature) -> Filed:
        text = f"file-{signature.signature_id}"
        done = await asyncio.to_thread(self._books.do, key, "file", envelope.envelope_id, text)
        return Filed(archive_id=done)


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

    @asynccontextmanager
    async def made() -> AsyncIterator[ExampleEsign]:
        with opened(path) as books:
            yield ExampleEsign(books, lost_once)

    return made


def archive(path: Path) -> Callable[[], AbstractAsyncContextManager[ExampleArchive]]:
    """What `connect` wants for the archive; its books are the file at `path`."""

    @asynccontextmanager
    async def made() -> AsyncIterator[ExampleArchive]:
        with opened(path) as books:
            yield ExampleArchive(books)

    return made
