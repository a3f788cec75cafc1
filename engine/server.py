"""The HTTP server: one process, one loop, an orderly stop."""

from __future__ import annotations

import asyncio
import errno
import importlib.util
import signal
import socket
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI

from api.edge import Edge
from domain.errors import refusal
from engine.settings import listen_parts

__all__ = ["address", "bind", "run_until_signal", "url_of"]

BACKLOG = 2_048
KEEP_ALIVE_S = 75
SIGNALS = (signal.SIGINT, signal.SIGTERM)

_log = structlog.get_logger("server")


def bind(listen: str) -> socket.socket:
    """A listening socket of `HOST:PORT`: a port in use is known before anything else starts.

    Raises Refusal: TR710 for a port in use, TR714 for an address that is not this machine's.
    """
    host, port = listen_parts(listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        # Until one of them listens, several sockets can be bound to a port.
        bound.listen(BACKLOG)
        bound.set_inheritable(False)
        return bound
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            raise refusal("port.in_use", listen) from None
        raise refusal("settings.value", f"listen {listen}: {error.strerror or error}") from None


def address(bound: socket.socket) -> str:
    """`HOST:PORT` as it was bound; the port is never 0."""
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def url_of(bound: socket.socket) -> str:
    """The address of the API for somebody on this machine."""
    text = address(bound)
    # Nothing is bound here: the address of all interfaces becomes one of them.
    for everywhere, here in (("0.0.0.0", "127.0.0.1"), ("[::]", "[::1]")):  # noqa: S104 - see above
        text = text.replace(everywhere, here)
    return f"http://{text}"


class Server(uvicorn.Server):
    """uvicorn, telling the application when it shall stop, and ending with our exit code."""

    def __init__(self, config: uvicorn.Config, edge: Edge, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._edge = edge
        self._ready = ready
        self._loop = asyncio.get_running_loop()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    # A signal handler is called with the frame.
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - see above
        """The first signal drains; a second one cuts short what is under way."""
        if self.should_exit:
            self.force_exit = True
            return
        self.should_exit = True
        self._loop.call_soon_threadsafe(self._edge.draining.set)
        _log.info("engine_draining", signal=signal.Signals(sig).name)


async def _serve(
    app: FastAPI, bound: socket.socket, drain_timeout_s: float, ready: Callable[[], None]
) -> None:
    http: Any = "h11"  # it bounds headers by itself
    if importlib.util.find_spec("httptools") is not None:
        from engine.http import BoundedProtocol

        http = BoundedProtocol
    config = uvicorn.Config(
        app,
        http=http,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, round(drain_timeout_s)),
    )
    await Server(config, app.state.edge, ready).serve(sockets=[bound])


def run_until_signal(
    app: FastAPI,
    bound: socket.socket,
    *,
    drain_timeout_s: float,
    start: Callable[[], Awaitable[None]],
    stop: Callable[[], Awaitable[None]],
    ready: Callable[[], None],
) -> None:
    """Serve until SIGINT or SIGTERM.

    `start` runs before the first request, `stop` after the last one was answered or
    `drain_timeout_s` is over; `ready` is told when requests are taken.
    """

    async def main() -> None:
        await start()
        try:
            await _serve(app, bound, drain_timeout_s, ready)
        finally:
            await stop()

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(main())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if importlib.util.find_spec("uvloop") is None:
        return None
    import uvloop

    return uvloop.new_event_loop
