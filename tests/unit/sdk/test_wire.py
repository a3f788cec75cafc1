"""The lean HTTP client: what servers and proxies may answer, and what they should not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from troth._problems import EngineError
from troth._transport import AsyncTransport, Call
from troth._wire import WireTransport, transport_for

Served = list[bytes]
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{"a": 1}'
POST = Call("POST", "/v1/x", {"b": 2}, query={"wait_s": 0.5, "none": None})
GET = Call("GET", "/v1/x")


@contextlib.asynccontextmanager
async def server(*answers: bytes | None) -> AsyncIterator[tuple[WireTransport, Served, list[int]]]:
    """Gives each answer to one request, in order; None or the end closes the connection first."""
    waiting = list(answers)
    asked: Served = []
    connections: list[int] = []
    serving: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
                asked.append(head + await reader.readexactly(length))
                answer = waiting.pop(0) if waiting else None
                if answer is None:
                    break
                writer.write(answer)
                if b"close" in answer:
                    break
        await _close(writer)

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    wire = WireTransport(f"http://127.0.0.1:{port}/base/", "secret", "north")
    try:
        yield wire, asked, connections
    finally:
        await wire.close()
        listening.close()
        await asyncio.gather(*serving)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_a_call_says_all_that_a_server_needs() -> None:
    async with server(ANSWER) as (wire, asked, _):
        answer = await wire.send(POST)
    head, _, body = asked[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /base/v1/x?wait_s=0.5 HTTP/1.1"
    assert f"Host: 127.0.0.1:{wire.url.split(':')[2].removesuffix('/base')}" in lines
    assert {"Authorization: Bearer secret", "Troth-Tenant: north", "Content-Length: 7"} <= {*lines}
    assert body == b'{"b":2}'
    assert (answer.status, answer.json) == (200, {"a": 1})


async def test_a_connection_is_used_again() -> None:
    async with server(ANSWER, ANSWER, ANSWER) as (wire, _, connections):
        for _ in range(3):
            await wire.send(POST)
    assert len(connections) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n" + ANSWER,
        (
            b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\n{"a\r\n5\r\n": 1}\r\n'
            b"0\r\nTrailer: x\r\n\r\n"
        ),
        b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"a": 1}',
        b'HTTP/1.0 200 OK\r\nconnection: close\r\nContent-Length: 8\r\n\r\n{"a": 1}',
        b'HTTP/1.1 200\r\nX-Empty:\r\ncontent-length:8\r\n\r\n{"a": 1}',
    ],
)
async def test_every_form_of_a_body_is_read(answer: bytes) -> None:
    async with server(answer) as (wire, _, _):
        assert (await wire.send(GET)).json == {"a": 1}


async def test_no_content_is_none() -> None:
    async with server(b"HTTP/1.1 204 No Content\r\n\r\n", ANSWER) as (wire, _, connections):
        assert (await wire.send(GET)).json is None
        await wire.send(GET)
    assert len(connections) == 1


async def test_a_connection_that_was_closed_meanwhile_is_replaced() -> None:
    """The server ends idle connections; a call that may be sent again never notices."""
    async with server(ANSWER, None, ANSWER) as (wire, asked, connections):
        await wire.send(GET)
        assert (await wire.send(GET)).json == {"a": 1}
    assert (len(asked), len(connections)) == (3, 2)


async def test_a_call_that_must_not_be_repeated_is_not() -> None:
    """It may have been taken: whoever called must decide."""
    async with server(ANSWER, None, ANSWER) as (wire, asked, _):
        await wire.send(GET)
        with pytest.raises(EngineError, match="TR740"):
            await wire.send(POST)
    assert len(asked) == 2


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\nX: close\r\n\r\n{",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 11,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
    ],
)
async def test_what_is_no_answer_is_an_error_and_ends_the_connection(answer: Any) -> None:
    async with server(answer, ANSWER) as (wire, _, connections):
        with pytest.raises(EngineError, match="TR740"):
            await wire.send(GET)
        assert (await wire.send(GET)).json == {"a": 1}
    assert len(connections) == 2


async def test_a_refusal_is_the_problem_it_carries() -> None:
    body = b'{"code": "TR421", "title": "t", "detail": "d", "do": "x"}'
    head = f"HTTP/1.1 409 Conflict\r\nRetry-After: 3\r\nContent-Length: {len(body)}\r\n\r\n"
    async with server(head.encode() + body, ANSWER) as (wire, _, connections):
        with pytest.raises(EngineError, match="TR421") as caught:
            await wire.send(POST)
        await wire.send(GET)
    assert (caught.value.status, caught.value.retry_after_s) == (409, 3.0)
    assert len(connections) == 1


async def test_an_answer_that_does_not_come_in_time_is_an_error() -> None:
    left = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        await _close(writer)
        left.set()

    listening = await asyncio.start_server(silent, "127.0.0.1", 0)
    wire = WireTransport(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", None)
    with pytest.raises(EngineError, match=r"no answer within 0\.05 s"):
        await wire.send(Call("GET", "/", timeout_s=0.05))
    await asyncio.wait_for(left.wait(), 10)
    await wire.close()
    listening.close()


async def test_nobody_there_is_an_error() -> None:
    with pytest.raises(EngineError, match="TR740"):
        await WireTransport("http://127.0.0.1:1", None).send(GET)


def test_a_key_cannot_smuggle_headers() -> None:
    with pytest.raises(ValueError, match="line break"):
        WireTransport("http://127.0.0.1:1", "key\r\nX: y")


@pytest.mark.parametrize(
    ("url", "proxy", "kind"),
    [
        ("http://engine:8080", None, WireTransport),
        ("https://engine", None, WireTransport),
        ("http://engine:8080", "http://proxy:3128", AsyncTransport),
        ("http://127.0.0.1:8080", "http://proxy:3128", WireTransport),
    ],
)
async def test_behind_a_forward_proxy_the_general_client_speaks(
    monkeypatch: pytest.MonkeyPatch, url: str, proxy: str | None, kind: Callable[..., Any]
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    if proxy is not None:
        monkeypatch.setenv("http_proxy", proxy)
    transport = transport_for(url, "key", None)
    assert type(transport) is kind
    await transport.close()
