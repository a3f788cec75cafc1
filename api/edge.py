"""What every route shares: the engine, the keys, the bounds, the counters; and how it answers."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

import orjson
from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.key import Keys
from api.limits import Limits
from api.metrics import Metrics
from domain.errors import refusal
from domain.requests import Desk, Reader

__all__ = ["POSITION", "Edge", "answer", "edge_of", "there"]

POSITION = "Troth-Position"
_TENANT = "troth.tenant"

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(slots=True)
class Edge:
    """One for each application, in `app.state.edge`.

    Without `has_api` it tells only how the process is: health, readiness, metrics.
    """

    desk: Desk
    reader: Reader
    keys: Keys
    limits: Limits
    metrics: Metrics
    has_api: bool = True
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    tenants: Counter[str] = field(default_factory=Counter)
    under_way: int = 0
    streams: int = 0

    def position(self) -> str:
        """A position that was reached in every lane, from memory."""
        return self.desk.position()

    def enter_tenant(self, scope: MutableMapping[str, Any], tenant: str) -> None:
        """Count a request to its tenant until `leave`. Raises Refusal (TR429)."""
        if self.tenants[tenant] >= self.limits.tenant_requests_max:
            raise refusal(
                "http.too_many",
                f"{self.limits.tenant_requests_max} requests of tenant {tenant} are under way",
            )
        self.tenants[tenant] += 1
        scope[_TENANT] = tenant

    def leave(self, scope: MutableMapping[str, Any]) -> None:
        """The request is over."""
        self.under_way -= 1
        tenant = scope.get(_TENANT)
        if tenant is not None:
            self.tenants[tenant] -= 1
            if not self.tenants[tenant]:
                del self.tenants[tenant]

    async def ask(self, query: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A read of one thing: at once where that is quick, else beside the event loop."""
        if self.reader.is_quick:
            return query(*args, **kwargs)
        return await run_in_threadpool(query, *args, **kwargs)

    async def read(self, query: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A read that may take long, beside the event loop."""
        return await run_in_threadpool(query, *args, **kwargs)


def edge_of(request: Request) -> Edge:
    """The edge of the application that serves this request."""
    return request.app.state.edge


def there(found: T | None, what: str) -> T:
    """What was looked for. Raises Refusal (TR404), which names it, where nothing was found."""
    if found is None:
        raise refusal("http.not_found", f"{what} is not there")
    return found


def answer(
    body: Any,
    status: int = 200,
    *,
    position: str | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """JSON with the position it is true for. Without one the heads of the lanes are put in."""
    sent = dict(headers or {})
    if position is None and isinstance(body, dict):
        position = body.get("position")
    if position is not None:
        sent[POSITION] = position
    content = None if status == 204 else orjson.dumps(body)
    return Response(content, status, sent, "application/json" if content is not None else None)
