"""HTTP as this engine takes it: headers are bounded in bytes and in time, and a "no" has a code.

uvicorn bounds neither with its fast parser, and answers what is no HTTP with a line of text.
"""

from __future__ import annotations

from asyncio import TimerHandle, Transport
from http import HTTPStatus
from typing import Any, cast

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.problems import PROBLEM_JSON, problem_body
from domain.errors import Refusal, refusal

__all__ = ["HEADERS_BYTES_MAX", "HEADERS_WAIT_MAX_S", "BoundedProtocol"]

HEADERS_BYTES_MAX = 65_536
"""The address, the names and the values of a request's headers (TR408)."""
UNREAD_BYTES_MAX = HEADERS_BYTES_MAX + 262_144
"""What may come before headers end: the parser hands on none that is not complete."""
HEADERS_WAIT_MAX_S = 30.0
"""From a connection's or a request's first byte to the end of its headers; then it is closed."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    headers_wait_max_s = HEADERS_WAIT_MAX_S

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._size = 0
        self._unread = 0
        self._has_headers = False
        self._late: TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._late = self.loop.call_later(self.headers_wait_max_s, self._close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._has_headers and not (self.cycle is None or self.cycle.response_complete):
            return
        self._unread += len(data)
        if self._unread > UNREAD_BYTES_MAX:
            self._size = self._unread
            self.send_400_response("")
        elif self._late is None:
            self._late = self.loop.call_later(self.headers_wait_max_s, self._close)

    def on_message_begin(self) -> None:
        self._size = 0
        self._has_headers = False
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._take(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._take(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._has_headers = True
        self._unread = 0
        self._in_time()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Where the parser stopped: because it was told to, or because it is no HTTP."""
        if self._size > HEADERS_BYTES_MAX:
            self._refuse(
                refusal("http.headers", f"more than the {HEADERS_BYTES_MAX} bytes allowed")
            )
        else:
            self._refuse(refusal("http.request", msg))

    def _take(self, size: int) -> None:
        self._size += size
        if self._size > HEADERS_BYTES_MAX:
            # The parser makes an error of its own of it, which ends in `send_400_response`.
            raise ValueError(HEADERS_BYTES_MAX)

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _close(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()

    def _refuse(self, refused: Refusal) -> None:
        if self.transport.is_closing():
            return
        status = HTTPStatus(refused.code.status)
        body = orjson.dumps(problem_body(refused))
        head = (
            f"HTTP/1.1 {status} {status.phrase}\r\ncontent-type: {PROBLEM_JSON}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        transport = cast(Transport, self.transport)
        transport.write(head.encode("ascii") + body)
        transport.close()
