"""What a handler knows about the effect it performs."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic

from typing_extensions import TypeVar

from ._errors import NotDone
from ._sql import begun

__all__ = ["Answering", "Effect"]

Deps = TypeVar("Deps", default=None)
T = TypeVar("T")


async def _no_heartbeat(progress: str | None) -> None:
    """Outside a worker (in a unit test of a handler) nobody listens."""
    del progress


async def _no_evidence(source: str, note: str | None) -> None:
    """Outside a worker nobody collects."""
    del source, note


def _no_answer(connection: object, result: Any) -> None:
    """Outside a worker there is no journal."""
    del connection, result


async def _no_async_answer(connection: object, result: Any) -> None:
    """Outside a worker there is no journal."""
    del connection, result


class Answering:
    """What `Effect.transaction` gives: say `done(result)` once, inside the block."""

    __slots__ = ("_answer", "said")

    def __init__(self, answer: Callable[[Any], None]) -> None:
        self._answer = answer
        self.said = False

    def done(self, result: T = None) -> T:
        """The effect is done, with this result, when the transaction commits; gives it back."""
        self._answer(result)
        self.said = True
        return result


@dataclass(frozen=True, slots=True)
class Effect(Generic[Deps]):
    """One attempt of one effect, the first parameter of its handler.

    Attributes:
        key: the idempotency key; the same in every attempt, hand it to the other side.
        attempt: 1 for the first.
        deadline: when the attempt counts as lost, None while it is not known.
        trace: the W3C traceparent, empty without one.
        deps: what the participant's `deps=` gave, made once per worker.
        repeated: True if an earlier attempt may have happened.
    """

    key: str
    deps: Deps
    attempt: int = 1
    deadline: datetime | None = None
    trace: str = ""
    repeated: bool = False
    on_heartbeat: Callable[[str | None], Awaitable[None]] = _no_heartbeat
    on_evidence: Callable[[str, str | None], Awaitable[None]] = _no_evidence
    on_answer: Callable[[object, Any], None] = _no_answer
    on_async_answer: Callable[[object, Any], Awaitable[None]] = _no_async_answer

    async def heartbeat(self, progress: str | None = None) -> None:
        """Say that the work goes on, at best with a progress people can read (`"40 %"`)."""
        await self.on_heartbeat(progress)

    async def evidence(self, source: str, note: str | None = None) -> None:
        """Add a source (a URI, a document's name) to what proves the effect."""
        await self.on_evidence(source, note)

    @contextlib.contextmanager
    def transaction(self, connection: object) -> Generator[Answering]:
        """Effect and answer in one transaction of the participant's own database.

        A crash between the two cannot happen: after one, the recorded answer is sent and the
        handler does not run again. The journal must lie in the same database.

            with fx.transaction(connection) as answer:
                connection.execute("insert into payments ...")
                return answer.done(Payment(id=17))

        The block's end commits, an exception rolls back; inside a transaction of the caller's it
        is a part of that one. `connection` is sqlite3's, psycopg's, or SQLAlchemy's Connection or
        Session. Raises NotDone, rolled back, if the effect was barred or taken over meanwhile, or
        if the block ends without `done`.
        """
        with begun(connection):
            answering = Answering(lambda result: self.on_answer(connection, result))
            yield answering
            if not answering.said:
                raise NotDone("the block of fx.transaction ended without done(result)")

    def answer_in(self, connection: object, result: T = None) -> T:
        """Record in the open transaction that it is done with this result; gives the result.

        For code that begins and commits by itself; `transaction` is the same with both. Raises
        NotDone if the effect was barred or taken over meanwhile: let it roll the transaction back.
        """
        self.on_answer(connection, result)
        return result

    async def answer_in_async(self, connection: object, result: T = None) -> T:
        """`answer_in` for psycopg's AsyncConnection, SQLAlchemy's AsyncConnection, AsyncSession."""
        await self.on_async_answer(connection, result)
        return result


AnyEffect = Effect[Any]
