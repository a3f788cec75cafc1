"""A lean HTTP/1.1 client for worker and client: two calls a step, so microseconds count.

A general client costs a step more than everything else together (a millisecond a call; this one
a tenth of it). It speaks what the engine and plain proxies in front of it speak: keep-alive,
lengths or chunks, TLS. Where a forward proxy is configured, the general client is used.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from ._json import dump_bytes
from ._problems import no_engine
from ._transport import Answer, AsyncTransport, Call, Transport, answer_of, headers_of

__all__ = ["WireTransport", "transport_for"]

CONNECT_TIMEOUT_S = 5.0
HEAD_MAX = 65_536
"""Bytes of a status line with its headers, and of one line of a chunk's size."""
BODY_MAX = 256 * 1024 * 1024
"""Bytes of an answer: far above the bounds of the engine."""
IDLE_MAX = 8
"""Idle connections that are kept."""
INTERIM_MAX = 10
"""Interim answers (1xx) before the real one."""

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def transport_for(
    url: str,
    api_key: str | None,
    tenant: str | None,
    *,
    http: httpx.AsyncBaseTransport | None = None,
) -> Transport:
    """The lean client; the general one with a transport of its own, or behind a forward proxy."""
    parts = urlsplit(url)
    proxied = parts.scheme in getproxies() and not proxy_bypass(parts.hostname or "")
    if http or proxied or parts.scheme not in {"http", "https"} or not parts.hostname:
        return AsyncTransport(url, api_key, tenant=tenant, http=http)
    return WireTransport(url, api_key, tenant)


class _Broken(Exception):
    """The other side does not speak HTTP/1.1 as it should, or went away in the middle."""


class _Stale(Exception):
    """A kept connection was closed before it answered anything: perhaps before it was asked."""


class WireTransport:
    """Calls over kept connections. Raises EngineError as every transport does."""

    def __init__(self, url: str, api_key: str | None, tenant: str | None = None) -> None:
        self.url = url.rstrip("/")
        parts = urlsplit(self.url)
        assert parts.hostname is not None, "transport_for looked"
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._base = parts.path
        fixed = {"Host": parts.netloc.rpartition("@")[2], **headers_of(api_key, tenant)}
        self._fixed = _lines(fixed)
        self._idle: list[Connection] = []

    async def send(self, call: Call) -> Answer:
        request = self._request(call)
        try:
            async with asyncio.timeout(call.timeout_s):
                try:
                    return answer_of(*await self._exchange(request, fresh=False))
                except _Stale:
                    if not call.repeatable:
                        raise
                    return answer_of(*await self._exchange(request, fresh=True))
        except TimeoutError as error:
            raise no_engine(self.url, f"no answer within {call.timeout_s:g} s") from error
        except (OSError, _Broken, _Stale, asyncio.IncompleteReadError, ValueError) as error:
            raise no_engine(self.url, str(error) or type(error).__name__) from error

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        """Close the kept connections."""
        idle, self._idle = self._idle, []
        for _, writer in idle:
            writer.close()
        for _, writer in idle:
            await _closed(writer)
        # One more turn, for those that were given up: their sockets are closed in it.
        await asyncio.sleep(0)

    def _request(self, call: Call) -> bytes:
        body = b"" if call.body is None else dump_bytes(call.body)
        query = {name: value for name, value in call.query.items() if value is not None}
        path = f"{self._base}{call.path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Content-Type": "application/json", **call.headers} if body else call.headers
        head = (
            f"{call.method} {path} HTTP/1.1\r\n{self._fixed}{_lines(headers)}"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode("latin-1") + body

    async def _exchange(
        self, request: bytes, *, fresh: bool
    ) -> tuple[int, Mapping[str, str], bytes]:
        connection, kept = await self._connection(fresh)
        reader, writer = connection
        reusable = False
        try:
            try:
                writer.write(request)
                await writer.drain()
                status, headers = await _head(reader)
            except (ConnectionError, asyncio.IncompleteReadError) as error:
                if kept and not getattr(error, "partial", b""):
                    raise _Stale from error
                raise
            body, reusable = await _body(reader, status, headers)
        finally:
            if reusable and len(self._idle) < IDLE_MAX:
                self._idle.append(connection)
            else:
                writer.close()
        return status, headers, body

    async def _connection(self, fresh: bool) -> tuple[Connection, bool]:
        """A kept connection that is still open, or a new one; and whether it was kept."""
        while self._idle and not fresh:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return (reader, writer), True
            writer.close()
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            opened = await asyncio.open_connection(
                self._host, self._port, ssl=self._tls, limit=HEAD_MAX
            )
        return opened, False


def _lines(headers: Mapping[str, str]) -> str:
    for name, value in headers.items():
        if any(c in "\r\n" for c in name + value):
            raise ValueError(f"header {name} holds a line break")
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """Status and headers (in lower case) of the answer, past any interim ones."""
    for _ in range(INTERIM_MAX):
        try:
            text = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.LimitOverrunError as error:
            raise _Broken("the headers of the answer are too long") from error
        first, *lines = text[:-4].split("\r\n")
        version, _, rest = first.partition(" ")
        code = rest[:3]
        if not version.startswith("HTTP/1.") or not code.isdigit():
            raise _Broken(f"no answer of HTTP/1.1: {first[:80]!r}")
        status = int(code)
        if status < 200:
            continue
        headers: dict[str, str] = {"http": version}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return status, headers
    raise _Broken("only interim answers came")


async def _body(
    reader: asyncio.StreamReader, status: int, headers: Mapping[str, str]
) -> tuple[bytes, bool]:
    """The body, and whether the connection can be used again."""
    keep = headers["http"] != "HTTP/1.0" and headers.get("connection", "").lower() != "close"
    if status in {204, 304}:
        return b"", keep
    if "transfer-encoding" in headers:
        if headers["transfer-encoding"].lower() != "chunked":
            raise _Broken(f"transfer-encoding {headers['transfer-encoding'][:80]!r}")
        return await _chunks(reader), keep
    if "content-length" in headers:
        length = int(headers["content-length"])
        if not 0 <= length <= BODY_MAX:
            raise _Broken(f"an answer of {length} bytes")
        return await reader.readexactly(length), keep
    body = await reader.read(BODY_MAX)
    return body, False


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts: list[bytes] = []
    total = 0
    while True:
        line = await reader.readuntil(b"\r\n")
        size = int(line.partition(b";")[0], 16)
        total += size
        if size < 0 or total > BODY_MAX:
            raise _Broken(f"an answer of over {BODY_MAX} bytes")
        if size == 0:
            while await reader.readuntil(b"\r\n") != b"\r\n":
                continue
            return b"".join(parts)
        parts.append((await reader.readexactly(size + 2))[:-2])


async def _closed(writer: asyncio.StreamWriter) -> None:
    try:
        await writer.wait_closed()
    except OSError:
        return
