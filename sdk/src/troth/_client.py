"""The engine's HTTP API as Python: `AsyncClient`, and `Client` which blocks.

Every operation is written once, as a coroutine over a transport. `Client` drives the same
coroutines over a blocking transport, where they run to their end without ever waiting.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from typing import Any, Concatenate, Generic, Literal, ParamSpec, TypeVar

import httpx
from pydantic import BaseModel

from ._models import Decided, HistoryEvent, Page, Steered
from ._operations import part_of
from ._registering import payload_of
from ._settings import Settings
from ._tasks import Tasks
from ._transport import BlockingTransport, Call
from ._wire import transport_for

__all__ = ["AsyncClient", "Client"]

P = ParamSpec("P")
T = TypeVar("T")
Json = Any
Action = Literal["cancel", "pause", "resume", "retry", "settle", "finish", "move", "release"]
Verdict = Literal["approve", "edit", "reject"]


class People(Tasks):
    """The operations of persons: deciding, steering, remedies."""

    async def inbox(
        self,
        *,
        status: str | None = "open",
        escalated: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> Page:
        """Approvals, those that wait for a decision; `escalated`: that this seat was called to."""
        query = {"status": status, "escalated": escalated, "cursor": cursor, "limit": limit}
        return await self._page("/v1/approvals", query)

    async def approval(self, id: str) -> dict[str, Any]:
        """One approval: what it covers, its digest, its evidence, the seats taken."""
        return await self._get(f"/v1/approvals/{part_of(id)}")

    async def decide(
        self,
        approval_id: str,
        answer: Verdict,
        *,
        digest: str,
        reason: str | None = None,
        payload: BaseModel | Json = None,
    ) -> Decided:
        """Decide what the approval showed; `digest` is the one that was seen.

        `edit` needs a payload, `reject` a reason. Raises EngineError TR433 if the action changed
        since, TR432 if it is decided already, TR440 without a seat that is wanted, TR709 where it
        is accepted and the process that will record it is silent.
        """
        body: dict[str, Any] = {"answer": answer}
        if reason is not None:
            body["reason"] = reason
        if payload is not None:
            body["payload"] = payload_of(payload)
        path = f"/v1/approvals/{part_of(approval_id)}/decision"
        call = Call("POST", path, body, headers={"If-Match": f'"{digest}"'})
        return Decided.model_validate(await self._applied(call))

    async def control(
        self,
        id: str,
        action: Action,
        *,
        reason: str,
        node: str | None = None,
        outcome: Literal["done", "not_done"] | None = None,
        result: BaseModel | Json = None,
        evidence: Json = None,
        to: str | None = None,
    ) -> Steered:
        """Cancel, pause, resume, retry, settle, finish or move; recorded with the key's name.

        `node` names the node (retry, finish, move) or the debt (settle); settle needs outcome and
        evidence, finish of an open block its evidence, move the new time (RFC 3339).
        Raises EngineError TR422 if the state does not allow it.
        """
        given = {
            "node": node,
            "outcome": outcome,
            "result": None if result is None else payload_of(result),
            "evidence": evidence,
            "to": to,
        }
        body = {"action": action, "reason": reason}
        body |= {name: value for name, value in given.items() if value is not None}
        call = Call("POST", f"/v1/commitments/{part_of(id)}/controls", body)
        return Steered.model_validate(await self._json(call))

    async def debts(
        self, *, status: str | None = "open", cursor: str | None = None, limit: int | None = None
    ) -> Page:
        """Undoings that failed and wait for a person."""
        return await self._page("/v1/debts", {"status": status, "cursor": cursor, "limit": limit})

    async def parked(
        self, *, reason: str | None = None, cursor: str | None = None, limit: int | None = None
    ) -> Page:
        """Events that nothing has taken yet."""
        return await self._page("/v1/parked", {"reason": reason, "cursor": cursor, "limit": limit})

    async def dead_letters(
        self, *, status: str | None = "open", cursor: str | None = None, limit: int | None = None
    ) -> Page:
        """Events that could not be accepted, with the reason."""
        query = {"status": status, "cursor": cursor, "limit": limit}
        return await self._page("/v1/dead-letters", query)

    async def dead_letter(self, id: int | str) -> dict[str, Any]:
        """One dead letter with what came."""
        return await self._get(f"/v1/dead-letters/{part_of(str(id))}")

    async def redrive(
        self, id: int | str, *, reason: str, event: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Take a dead letter after all, as it came or as `event` (a corrected CloudEvent)."""
        body: dict[str, Any] = {"reason": reason}
        if event is not None:
            body["event"] = dict(event)
        path = f"/v1/dead-letters/{part_of(str(id))}/redrive"
        return await self._json(Call("POST", path, body))

    async def discard(self, id: int | str, *, reason: str) -> dict[str, Any]:
        """Close a dead letter without taking it."""
        path = f"/v1/dead-letters/{part_of(str(id))}/discard"
        return await self._json(Call("POST", path, {"reason": reason}))


class AsyncClient(People):
    """Talks to an engine. Close it, or use it as an async context manager.

    Args:
        url: the address of the engine, without `/v1`.
        api_key: the bearer key; it decides tenant and roles.
        tenant: only for a key of all tenants, which must name one.

    Every method raises EngineError (a TrothError): with the code of the refusal, or TR740 when no
    engine answers.
    """

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        tenant: str | None = None,
        http: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(transport_for(url, api_key, tenant, http=http))

    @classmethod
    def from_env(cls) -> AsyncClient:
        """The client of TROTH_URL and TROTH_API_KEY (or of `[tool.troth]` in pyproject.toml)."""
        settings = Settings.load()
        return cls(settings.url, settings.api_key, tenant=settings.tenant)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()


def _drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine of a blocking transport: it never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    coroutine.close()
    raise AssertionError("a blocking call tried to wait on an event loop")


class _Blocking(Generic[P, T]):
    """A method of AsyncClient as a method of Client, with its arguments, result and docstring."""

    def __init__(self, method: Callable[Concatenate[People, P], Coroutine[Any, Any, T]]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    def __get__(self, client: Client, owner: type[Client]) -> Callable[P, T]:
        @functools.wraps(self._method)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            return _drive(self._method(client.inner, *args, **kwargs))

        return call


class Client:
    """AsyncClient without `await`, for scripts and command lines. Close it, or use `with`."""

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        tenant: str | None = None,
        http: httpx.BaseTransport | None = None,
    ) -> None:
        self.inner = People(BlockingTransport(url, api_key, tenant=tenant, http=http))

    @classmethod
    def from_env(cls) -> Client:
        """The client of TROTH_URL and TROTH_API_KEY (or of `[tool.troth]` in pyproject.toml)."""
        settings = Settings.load()
        return cls(settings.url, settings.api_key, tenant=settings.tenant)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    close = _Blocking(People.close)
    register = _Blocking(People.register)
    definitions = _Blocking(People.definitions)
    definition = _Blocking(People.definition)
    start = _Blocking(People.start)
    result = _Blocking(People.result)
    send = _Blocking(People.send)
    publish = _Blocking(People.publish)
    step_of = _Blocking(People.step_of)
    commitment = _Blocking(People.commitment)
    history = _Blocking(People.history)
    list = _Blocking(People.list)
    counts = _Blocking(People.counts)
    facts = _Blocking(People.facts)
    inbox = _Blocking(People.inbox)
    approval = _Blocking(People.approval)
    decide = _Blocking(People.decide)
    control = _Blocking(People.control)
    tasks = _Blocking(People.tasks)
    task = _Blocking(People.task)
    claim_task = _Blocking(People.claim_task)
    release_task = _Blocking(People.release_task)
    complete_task = _Blocking(People.complete_task)
    update = _Blocking(People.update)
    debts = _Blocking(People.debts)
    parked = _Blocking(People.parked)
    dead_letters = _Blocking(People.dead_letters)
    dead_letter = _Blocking(People.dead_letter)
    redrive = _Blocking(People.redrive)
    discard = _Blocking(People.discard)

    def follow(
        self, id: str, *, after_version: int = 0, timeout_s: float | None = None
    ) -> Iterator[HistoryEvent]:
        """The events of a commitment as they happen, until it has ended."""
        events = self.inner.follow(id, after_version=after_version, timeout_s=timeout_s)
        while True:
            try:
                yield _drive(_next(events))
            except StopAsyncIteration:
                return


async def _next(events: AsyncIterator[T]) -> T:
    return await anext(events)
