"""What the systems of the examples have in common: they keep books, and honour keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TypeVar

from examples.partner_activation.books import Books, opened

__all__ = ["Keeper", "kept"]

K = TypeVar("K", bound="Keeper")


class Keeper:
    """A system with books; the key makes every call safe to repeat.

    Of the kinds in `lost_once` the first reply is lost: it happened, and the caller cannot know.
    """

    def __init__(self, books: Books, lost_once: frozenset[str] = frozenset()) -> None:
        self._books = books
        self._lost_once = lost_once

    async def _do(self, key: str, kind: str, about: str, answer: str) -> str:
        """Do it once; the answer is that of the first call with this key."""
        given = await asyncio.to_thread(self._books.do, key, kind, about, answer)
        calls = await asyncio.to_thread(self._books.calls_of, key)
        await asyncio.to_thread(self._books.called, key, "")
        if kind in self._lost_once and not calls:
            raise TimeoutError(f"the reply to {kind} was lost")
        return given

    async def _done(self, key: str) -> str | None:
        """What the effect with this key gave, None if it did not happen."""
        return await asyncio.to_thread(self._books.answer_of, key)


def kept(
    system: Callable[[Books, frozenset[str]], K], path: Path, lost_once: frozenset[str]
) -> Callable[[], AbstractAsyncContextManager[K]]:
    """What `connect` wants for a system whose books are the file at `path`."""

    @asynccontextmanager
    async def made() -> AsyncIterator[K]:
        with opened(path) as books:
            yield system(books, lost_once)

    return made
