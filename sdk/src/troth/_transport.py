"""HTTP to the engine: one shape of a call, sent by an event loop or by a blocking client."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx

from ._json import dump_bytes
from ._problems import EngineError, no_engine, problem_of

__all__ = [
    "Answer",
    "AsyncTransport",
    "BlockingTransport",
    "Call",
    "Transport",
    "answer_of",
    "headers_of",
]

TIMEOUT_S = 10.0
"""How long a call waits for its answer unless it says otherwise."""
CONNECT_TIMEOUT_S = 5.0
CONNECTIONS_MAX = 100
KEEPALIVE_S = 60.0


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `body` is sent as JSON; query members that are None are left out.

    `again`: sent twice it does no more than once, so it may be sent again on a new connection.
    """

    method: str
    path: str
    body: Any = None
    query: Mapping[str, str | int | float | None] = field(default_factory=dict[str, None])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    timeout_s: float = TIMEOUT_S
    again: bool = False

    @property
    def repeatable(self) -> bool:
        """Reads, and what says so itself."""
        return self.again or self.method in {"GET", "PUT"}


@dataclass(frozen=True, slots=True)
class Answer:
    """A success: status, headers in lower case, the parsed body (None for 204)."""

    status: int
    headers: Mapping[str, str]
    json: Any


class Transport(Protocol):
    """How calls travel. `send` raises EngineError for a refusal and for no answer."""

    url: str

    async def send(self, call: Call) -> Answer: ...
    async def sleep(self, seconds: float) -> None: ...
    async def close(self) -> None: ...


class AsyncTransport:
    """Calls on an event loop. `http` replaces the connection in tests."""

    def __init__(
        self,
        url: str,
        api_key: str | None,
        *,
        tenant: str | None = None,
        http: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.AsyncClient(
            base_url=self.url,
            headers=headers_of(api_key, tenant),
            limits=_LIMITS,
            verify=_tls(self.url),
            transport=http,
        )

    async def send(self, call: Call) -> Answer:
        try:
            response = await self._http.send(_request(self._http, call))
        except httpx.HTTPError as error:
            raise _unreached(self.url, error) from error
        except httpx.InvalidURL as error:
            raise no_engine(self.url, f"the address is none: {error}") from error
        return answer_of(response.status_code, response.headers, response.content)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        await self._http.aclose()


class BlockingTransport:
    """The same without an event loop: its coroutines never wait, they block."""

    def __init__(
        self,
        url: str,
        api_key: str | None,
        *,
        tenant: str | None = None,
        http: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.Client(
            base_url=self.url,
            headers=headers_of(api_key, tenant),
            limits=_LIMITS,
            verify=_tls(self.url),
            transport=http,
        )

    async def send(self, call: Call) -> Answer:
        try:
            response = self._http.send(_request(self._http, call))
        except httpx.HTTPError as error:
            raise _unreached(self.url, error) from error
        except httpx.InvalidURL as error:
            raise no_engine(self.url, f"the address is none: {error}") from error
        return answer_of(response.status_code, response.headers, response.content)

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251  nothing else runs here: the caller wants to wait

    async def close(self) -> None:
        self._http.close()


_LIMITS = httpx.Limits(
    max_connections=CONNECTIONS_MAX,
    max_keepalive_connections=CONNECTIONS_MAX,
    keepalive_expiry=KEEPALIVE_S,
)


def _tls(url: str) -> bool:
    """Whether certificates are loaded: reading them costs more than most commands do."""
    return not url.startswith("http://")


def headers_of(api_key: str | None, tenant: str | None) -> dict[str, str]:
    headers = {"Accept": "application/json"}
    if api_key:
        headers["Authorization"] = f"Bearer {api_key}"
    if tenant:
        headers["Troth-Tenant"] = tenant
    return headers


def _request(http: httpx.AsyncClient | httpx.Client, call: Call) -> httpx.Request:
    content = None
    headers = dict(call.headers)
    if call.body is not None:
        content = dump_bytes(call.body)
        headers.setdefault("Content-Type", "application/json")
    query = {name: value for name, value in call.query.items() if value is not None}
    return http.build_request(
        call.method,
        call.path,
        content=content,
        params=query or None,
        headers=headers,
        timeout=httpx.Timeout(call.timeout_s, connect=min(CONNECT_TIMEOUT_S, call.timeout_s)),
    )


def answer_of(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """The parsed success; anything else is raised as EngineError."""
    if not 200 <= status < 300:
        raise problem_of(status, body, headers.get("retry-after"))
    try:
        parsed = json.loads(body) if body else None
    except ValueError as error:
        raise problem_of(status, body) from error
    return Answer(status, headers, parsed)


def _unreached(url: str, error: httpx.HTTPError) -> EngineError:
    return no_engine(url, str(error) or type(error).__name__)
