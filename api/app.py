"""The FastAPI application: routes, problem documents, the guard around them, the document."""

from __future__ import annotations

from typing import Any

import structlog
from fastapi import FastAPI
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import (
    approvals,
    commitments,
    controls,
    definitions,
    document,
    events,
    history,
    leases,
    operations,
    participants,
    remedies,
    tasks,
    updates,
)
from api.edge import POSITION, Edge
from api.key import Keys
from api.limits import Limits
from api.metrics import Gauges, Metrics
from api.problems import Problem, install, problem
from domain.requests import Desk, Reader

__all__ = ["build_app", "openapi_document"]

VERSION = "0.1.0"
_POSITION = POSITION.lower().encode()
_OF_THE_PROCESS = ("/healthz", "/readyz", "/metrics", "/errors/")

_log = structlog.get_logger("api")

# History before commitments: a key may hold slashes, so its address would take `/history` along.
_ROUTERS = (
    participants.router, events.router, history.router, commitments.router, controls.router,
    approvals.router, tasks.router, updates.router, leases.router, definitions.router,
    remedies.router, operations.router,
)  # fmt: skip


class Troth(FastAPI):
    """FastAPI with the document of `api.document`."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = document.build(self.version, self.routes)
        return self.openapi_schema


def build_app(
    desk: Desk,
    reader: Reader,
    keys: Keys,
    limits: Limits | None = None,
    gauges: Gauges | None = None,
    *,
    has_api: bool = True,
    debug: bool = False,
) -> FastAPI:
    """The HTTP API of one engine. `gauges` gives what /metrics cannot count itself.

    Without `has_api` only health, readiness and metrics are answered: of a process for lanes.

    `app.state.edge.draining` is an event to set when the engine stops: what waits then answers.
    """
    app = Troth(
        title="troth",
        version=VERSION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    edge = Edge(desk, reader, keys, limits or Limits(), Metrics(gauges), has_api)
    app.state.edge = edge
    install(app)
    for router in _ROUTERS:
        app.include_router(router)
    app.add_middleware(Guard, edge=edge, debug=debug)
    return app


def openapi_document() -> dict[str, Any]:
    """The OpenAPI document, without an engine behind it."""
    nobody: Any = None
    return build_app(nobody, nobody, nobody).openapi()


class Guard:
    """Around every request: bounds, the position, and no stack trace to anybody."""

    def __init__(self, app: ASGIApp, edge: Edge, *, debug: bool = False) -> None:
        self._app = app
        self._edge = edge
        self._debug = debug

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        edge, begun = self._edge, False

        async def positioned(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers: list[tuple[bytes, bytes]] = message["headers"]
                if all(name != _POSITION for name, _ in headers):
                    headers.append((_POSITION, edge.position().encode()))
                edge.metrics.answers.labels(str(message["status"])).inc()
            await send(message)

        edge.under_way += 1
        try:
            turned_away = self._turned_away(scope["path"])
            inner: Any = problem(turned_away) if turned_away else self._app
            await inner(scope, receive, positioned)
        except ClientDisconnect:
            pass
        # Whatever is raised here is a fault of ours: the client gets its code, the log the rest.
        except Exception as fault:  # noqa: BLE001 - a request must not end without an answer
            _log.error(
                "request_failed",
                path=scope["path"],
                fault=f"{type(fault).__name__}: {fault}",
                exc_info=fault if self._debug else None,
            )
            if not begun:
                told = Problem(
                    "bug", f"{type(fault).__name__} in {scope['method']} {scope['path']}"
                )
                await problem(told)(scope, receive, positioned)
        finally:
            edge.leave(scope)

    def _turned_away(self, path: str) -> Problem | None:
        edge = self._edge
        if not edge.has_api and not path.startswith(_OF_THE_PROCESS):
            told = "this process runs lanes and has no API: ask the address of troth-engine serve"
            return Problem("http.not_found", told)
        if edge.draining.is_set() and path.startswith("/v1"):
            return Problem("engine.draining", "the engine is stopping; it takes nothing new")
        if edge.under_way > edge.limits.requests_max:
            return Problem("http.too_many", f"{edge.limits.requests_max} requests are under way")
        return None
