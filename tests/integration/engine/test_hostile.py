"""What nobody sends by mistake: each is answered with a code, and the next one is served."""

import asyncio
import gzip
import json
import socket
from collections.abc import AsyncIterator, Iterator
from copy import deepcopy
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from engine.http import HEADERS_BYTES_MAX, UNREAD_BYTES_MAX, BoundedProtocol
from tests.integration.engine.test_command_line import Running, running
from tests.integration.engine.world import PARTNER, EngineWorld

STRUCTURED = "application/cloudevents+json"
COMPANY = b'"specversion":"1.0","source":"urn:test","type":"partner.applied","id":"bad"'
DEFINITION = "/v1/definitions/partner-activation/2"
CLAIMS = "/v1/participants/crm/claims"
BIG = 2**53


def event(data: bytes, more: bytes = b"") -> bytes:
    return b"{" + COMPANY + more + b',"data":{"company":"acme","x":' + data + b"}}"


async def send(
    world: EngineWorld, method: str, path: str, body: bytes, key: str, **headers: str
) -> Any:
    sent = {"Authorization": f"Bearer {world.keys[key]}", **headers}
    return await world.client.request(method, path, content=body, headers=sent)


@pytest.fixture
async def served(world: EngineWorld) -> AsyncIterator[EngineWorld]:
    """Before and after whatever is sent, an event is accepted; both are there at the end."""
    assert (await world.publish("partner.applied", {"company": "before"}, "e0")).status_code == 202
    yield world
    assert (await world.publish("partner.applied", {"company": "after"}, "e9")).status_code == 202
    found = await world.get("/v1/commitments")
    assert {one["key"] for one in found["items"]} == {"before", "after"}
    state = (await world.client.get("/readyz")).json()
    assert (state["ready"], state["parked"]) == (True, 0)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "TR301"),
        (b"\xef\xbb\xbf" + event(b"1"), "TR301"),
        (event(b'"\xed\xa0\x80"'), "TR301"),
        (event(b'"\\ud800"'), "TR301"),
        (event(b"NaN"), "TR301"),
        (event(b"-Infinity"), "TR301"),
        (event(b"1e400"), "TR301"),
        (event(b'1,"x":2'), "TR301"),
        (event(b"1", b',"id":"other"'), "TR301"),
        (event(b'{"a\\u0022":1,"a\\u0022":1}'), "TR301"),
        (event(b'"\\u0000"'), "TR508"),
        (event(b'{"\\u0000":1}'), "TR508"),
        (event(b"1", b',"subject":"a\\u0000"'), "TR508"),
        (event(str(BIG).encode()), "TR507"),
        (event(str(-BIG).encode()), "TR507"),
        (event(str(2**64).encode()), "TR507"),
        (event(str(10**300).encode()), "TR507"),
        (event(str(10**400).encode()), "TR301"),
        (event(b"[" * 63 + b"]" * 63), "TR509"),
        (event(b"[" * 300 + b"]" * 300), "TR509"),
        (event(b"[" * 10_000 + b"]" * 10_000), "TR301"),
        (gzip.compress(event(b"1")), "TR301"),
    ],
)
async def test_json_that_not_every_reader_takes_alike_is_refused(
    served: EngineWorld, body: bytes, code: str
) -> None:
    answer = await send(
        served, "POST", "/v1/events", body, "producer", **{"Content-Type": STRUCTURED}
    )
    assert 400 <= answer.status_code < 500
    assert answer.json()["code"] == code, answer.text


@pytest.mark.parametrize(
    "data", [b"9007199254740991", b"1e300", b'"2026-11-30T09:40:12Z\\u0022 12345678901234567890"']
)
async def test_what_only_looks_like_it_is_taken(world: EngineWorld, data: bytes) -> None:
    """Numbers within bounds, digits in a text, an escaped quotation mark."""
    headers = {"Content-Type": STRUCTURED}
    answer = await send(world, "POST", "/v1/events", event(data), "producer", **headers)
    assert answer.status_code == 202, answer.text


@pytest.mark.parametrize(
    ("key", "method", "path", "body", "wanted"),
    [
        ("producer", "POST", "/v1/commitments", {"saga": "partner-activation", "input": BIG}, 422),
        ("producer", "POST", "/v1/commitments",
         {"saga": "partner-activation", "input": {"company": "x"}, "version": 2**31}, 422),
        ("participant", "POST", CLAIMS, {"worker": "w" * 10_000, "contracts": ["crm/x@1"]}, 422),
        ("participant", "POST", CLAIMS, {"worker": "w\0", "contracts": ["crm/x@1"]}, 422),
        ("participant", "POST", CLAIMS,
         {"worker": "w", "contracts": ["crm/x@1"], "max": 1_000_000}, 422),
        ("participant", "POST", f"{CLAIMS}?wait_s=1e9",
         {"worker": "w", "contracts": ["crm/x@1"]}, 422),
        ("participant", "POST", f"{CLAIMS}?wait_s=nan",
         {"worker": "w", "contracts": ["crm/x@1"]}, 422),
        ("participant", "POST", "/v1/participants/..%2f/claims", {}, 404),
        ("reader", "GET", "/v1/commitments/..%2f..%2fetc%2fpasswd", None, 404),
        ("reader", "GET", "/v1/sagas/partner-activation/keys/..%2f..%2fetc%2fpasswd", None, 404),
        ("reader", "GET", "/v1/sagas/partner-activation/keys/%00", None, 404),
        ("reader", "GET", "/v1/sagas/partner-activation/keys/%ff%ed%a0%80", None, 404),
        ("reader", "GET", f"/v1/sagas/partner-activation/keys/before?run={2**63}", None, 422),
        ("reader", "GET", f"/v1/sagas/partner-activation/keys/before/history?after_version={2**64}",
         None, 422),
        ("reader", "GET", f"/v1/facts?after={2**64}", None, 422),
        ("reader", "GET", "/v1/commitments?limit=-1", None, 422),
        ("reader", "GET", "/v1/commitments?cursor=" + "A" * 60, None, 422),
        ("reader", "GET", "/v1/commitments?key=" + "x" * 257, None, 422),
        ("reader", "GET", "/v1/nothing", None, 404),
        ("reader", "DELETE", "/v1/events", None, 405),
        ("reader", "TRACE", "/v1/events", None, 405),
    ],
)  # fmt: skip
async def test_a_request_out_of_bounds_is_told(
    served: EngineWorld, key: str, method: str, path: str, body: Any, wanted: int
) -> None:
    answer = await served.call(key, method, path, body)
    assert answer.status_code == wanted, answer.text
    assert answer.json()["code"].startswith("TR")


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("Content-Encoding", "gzip", (415, "TR310")),
        ("Troth-Tenant", "../../north", (422, "TR400")),
        ("Troth-Tenant", "south", (403, "TR305")),
        ("Authorization", "Bearer " + "x" * 9_000, (401, "TR402")),
        ("Authorization", "Basic eDp5", (401, "TR401")),
    ],
)
async def test_a_header_that_is_not_taken_is_told(
    served: EngineWorld, name: str, value: str, wanted: tuple[int, str]
) -> None:
    headers = {"Content-Type": STRUCTURED, name: value}
    answer = await send(served, "POST", "/v1/events", event(b"1"), "producer", **headers)
    assert (answer.status_code, answer.json()["code"]) == wanted


async def test_a_binary_attribute_with_u0000_is_refused(served: EngineWorld) -> None:
    attributes = {
        "specversion": "1.0",
        "source": "urn:test",
        "type": "partner.applied",
        "id": "a%00",
    }
    headers = {f"ce-{name}": value for name, value in attributes.items()}
    answer = await served.call("producer", "POST", "/v1/events", {"company": "acme"}, **headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "TR508")


async def test_a_body_that_drips_is_waited_for_a_bounded_time(served: EngineWorld) -> None:
    edge = served.engine.app.state.edge
    edge.limits = replace(edge.limits, body_wait_max_s=0.05)

    async def dripping() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    headers = {
        "Authorization": f"Bearer {served.keys['producer']}", "Content-Type": STRUCTURED
    }  # fmt: skip
    request = served.client.post("/v1/events", content=dripping(), headers=headers)
    answer = await asyncio.wait_for(request, 30)
    assert (answer.status_code, answer.json()["code"]) == (422, "TR400")
    assert "did not arrive in time" in answer.json()["detail"]


async def test_a_wrong_item_of_a_batch_stops_no_other(world: EngineWorld) -> None:
    """Each event is answered on its own; a text that is not JSON for everybody is refused whole."""
    good = {"specversion": "1.0", "source": "urn:test", "type": "partner.applied"}
    events = [{**good, "id": name, "data": {"company": name}} for name in ("a", "b")]
    batch = [events[0], {**events[1], "data": {"company": 7}}, 5, events[1]]
    kind = {"Content-Type": "application/cloudevents-batch+json"}
    answer = await world.call("producer", "POST", "/v1/events", batch, **kind)
    assert answer.status_code == 207
    told = [(one["status"], one.get("code")) for one in answer.json()["results"]]
    accepted = ("accepted", None)
    assert told == [accepted, ("refused", "TR312"), ("refused", "TR302"), accepted]
    again = await world.call("producer", "POST", "/v1/events", [events[0], {"x": BIG}], **kind)
    assert (again.status_code, again.json()["code"]) == (422, "TR507")
    found = await world.get("/v1/commitments")
    assert {one["key"] for one in found["items"]} == {"a", "b"}


# --- definitions ---------------------------------------------------------------------------------


def scopes(depth: int) -> Any:
    inner: Any = {"node": "sleep", "name": "s", "for": "1s"}
    return reduce(lambda node, i: {"node": "scope", "name": f"c{i}", "flow": [node]},
                  range(depth), inner)  # fmt: skip


ONES = f"[{','.join('1' * 1_000)}]"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"flow": [{"node": "sleep", "name": f"s{i}", "for": "1s"} for i in range(501)]}, "TR212"),
        ({"flow": [scopes(33)]}, "TR212"),
        ({"input": {"$ref": "#"}}, "TR210"),
        ({"input": {"$defs": {"x": {"$ref": "#/$defs/x"}}, "properties": {"company":
          {"$ref": "#/$defs/x"}}}}, "TR210"),
        ({"input": {"$ref": "http://127.0.0.1/schema"}}, "TR210"),
        ({"key": "input.company +"}, "TR208"),
        ({"key": "(" * 4_000}, "TR208"),
        ({"key": "-" * 5_000}, "TR212"),
        ({"key": '"a\\u0000"'}, "TR209"),
        ({"early_ttl": "99999999999999w"}, "TR212"),
        ({"flow": "x"}, "TR229"),
        ({"flow": [None]}, "TR229"),
        ({"flow": []}, None),
        ({"contracts": []}, "TR229"),
    ],
)  # fmt: skip
async def test_a_hostile_definition_is_refused(
    served: EngineWorld, changed: Any, code: str | None
) -> None:
    document = {**deepcopy(PARTNER), "version": 2, **changed}
    answer = await served.call("operator", "PUT", DEFINITION, document)
    assert answer.status_code == 422, answer.text
    told = answer.json()
    assert code in {None, told["code"], *(one["code"] for one in told.get("errors", []))}


async def test_an_expression_that_turns_for_ever_ends_at_its_bound(served: EngineWorld) -> None:
    """It registers, for its list could be short; a start that needs it is refused with its code."""
    key = f"string({ONES}.map(a, {ONES}.map(b, a + b)).size())"
    document = {**deepcopy(PARTNER), "saga": "endless", "version": 1, "key": key, "starts_on": []}
    answer = await served.call("operator", "PUT", "/v1/definitions/endless/1", document)
    if answer.status_code == 201:
        start = {"saga": "endless", "input": {"company": "x"}}
        answer = await served.call("producer", "POST", "/v1/commitments", start)
    assert (answer.status_code, answer.json()["code"]) in {(422, "TR413"), (422, "TR208")}


# --- below HTTP ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("engine")
    with running(folder) as started:
        yield started


def exchange(engine: Running, *parts: bytes) -> bytes:
    """Send over a connection of its own, read until the engine closes it."""
    host, _, port = engine.told["url"].removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as line:
        answer = b""
        try:
            for part in parts:
                line.sendall(part)
            while read := line.recv(65_536):
                answer += read
        except (BrokenPipeError, ConnectionResetError):
            pass
    return answer


def asked(line: bytes = b"GET /v1/counts HTTP/1.1", *headers: bytes) -> bytes:
    return b"\r\n".join([line, b"Host: x", b"Connection: close", *headers, b"", b""])


@pytest.mark.parametrize(
    ("parts", "status", "code"),
    [
        ([b"FOO / HTTP/1.1\r\nHost: x\r\n\r\n"], 400, "TR409"),
        ([b"\x16\x03\x01 this is no HTTP\r\n\r\n"], 400, "TR409"),
        ([asked(b"GET / HTTP/1.1", b"A: c\0d")], 400, "TR409"),
        ([asked(b"GET /v1/counts HTTP/1.1", b"X-Big: " + b"x" * 100_000)], 431, "TR408"),
        ([asked(b"GET /" + b"x" * 100_000 + b" HTTP/1.1")], 431, "TR408"),
        ([asked(b"GET / HTTP/1.1", *(b"X-%d: y" % i for i in range(10_000)))], 431, "TR408"),
    ],
)
def test_what_is_no_request_is_told(
    engine: Running, parts: list[bytes], status: int, code: str
) -> None:
    head, _, body = exchange(engine, *parts).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), head
    told = json.loads(body)
    assert (told["code"], told["status"]) == (code, status)
    with engine.client("reader") as client:
        assert client.get("/v1/counts").status_code == 200


def test_a_header_without_end_is_cut_off(engine: Running) -> None:
    """Nothing of it reaches the parser's callbacks: the bytes are counted all the same."""
    begin = b"GET /v1/counts HTTP/1.1\r\nHost: x\r\nX-Endless: "
    answer = exchange(engine, begin, *[b"x" * 65_536] * (2 * UNREAD_BYTES_MAX // 65_536))
    assert answer == b"" or b'"TR408"' in answer
    with engine.client("reader") as client:
        assert client.get("/v1/counts").status_code == 200


def test_a_long_body_behind_short_headers_is_no_long_header(engine: Running) -> None:
    with engine.client("producer") as client:
        answer = client.post("/v1/events", content=b" " * (HEADERS_BYTES_MAX * 8))
        assert answer.json()["code"] == "TR301"


class Line:
    """A connection that remembers what was done with it."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()

    def is_closing(self) -> bool:
        return self.closed.is_set()

    def close(self) -> None:
        self.closed.set()

    def get_extra_info(self, _name: str) -> None:
        return None


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n"])
async def test_headers_that_never_end_are_waited_for_a_bounded_time(sent: bytes) -> None:
    class Impatient(BoundedProtocol):
        headers_wait_max_s = 0.01

    line: Any = Line()
    protocol = Impatient(Config(Mock(), log_config=None), ServerState(), {})
    protocol.connection_made(line)
    if sent:
        protocol.data_received(sent)
    await asyncio.wait_for(line.closed.wait(), 30)
