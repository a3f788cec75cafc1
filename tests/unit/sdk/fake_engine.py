"""A small engine over real HTTP: the participants' half of docs/format.md section 7, and any route.

It keeps dispatches in memory: offered, reserved, started, answered. Tests offer work, wait for
replies, and make it fail: it can die and come back on its port, lose an answer, refuse.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

WAIT_MAX_S = 10.0
COMMITMENT = "5b1c9e07-0000-8000-8000-000000000001"


@dataclass(slots=True)
class Asked:
    """A request as a route sees it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass(slots=True)
class Dispatch:
    """One attempt: the claim as it is sent, and who holds it."""

    participant: str
    claim: dict[str, Any]
    needs_start: bool
    state: str = "offered"
    worker: str | None = None
    cancelled: bool = False


Response = tuple[int, Any]
Route = Callable[[Asked], Response]


@dataclass
class FakeEngine:
    """Start it, offer work, wait for replies."""

    lease_s: float = 30.0
    port: int = 0
    dispatches: dict[str, Dispatch] = field(default_factory=dict)
    replies: list[dict[str, Any]] = field(default_factory=list)
    beats: list[dict[str, Any]] = field(default_factory=list)
    claims_asked: list[dict[str, Any]] = field(default_factory=list)
    seen: list[Asked] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    routes: dict[tuple[str, str], Route] = field(default_factory=dict)
    lose_answers: Counter[str] = field(default_factory=Counter)
    problems: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    refuse_starts: set[str] = field(default_factory=set)
    refuse_replies: Callable[[list[dict[str, Any]]], bool] | None = None

    def __post_init__(self) -> None:
        self.changed = threading.Condition()
        self._server: _Server | None = None
        self._serving: threading.Thread | None = None
        self._number = 0

    # --- life ---

    def start(self) -> FakeEngine:
        """Listen; after a `kill` on the same port."""
        self._server = _Server(self, self.port)
        self.port = self._server.server_address[1]
        self._serving = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._serving.start()
        return self

    def kill(self) -> None:
        """Die at once: connections break, what was claimed stays claimed."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.break_connections()
        with self.changed:
            self.changed.notify_all()
        server.shutdown()
        server.server_close()
        assert self._serving is not None
        self._serving.join()

    @property
    def up(self) -> bool:
        return self._server is not None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # --- what tests do ---

    def offer(
        self,
        contract: str,
        args: dict[str, Any],
        *,
        kind: str = "do",
        classes: dict[str, str] | None = None,
        effect: str | None = None,
        attempt: int = 1,
        token: str | None = None,
        digest: str | None = None,
        **claim: Any,
    ) -> str:
        """Offer an attempt. R2, R3 and class B must be started. Returns the effect."""
        with self.changed:
            self._number += 1
            effect = effect or sha256(str(self._number).encode()).hexdigest()
            made = {
                "effect": effect, "attempt": attempt, "token": token or f"1.0.{self._number}.1",
                "kind": kind, "contract": contract, "args": args,
                "digest": digest or sha256(json.dumps(args).encode()).hexdigest(),
                "classes": classes, "tenant": "north", "commitment": COMMITMENT,
                "saga": "partner-activation", "key": "acme", "node": "provision/create_account",
                "started": False, "lease_s": self.lease_s, "deadline": None, "undoes": None,
                "trace": "00-" + "1" * 32 + "-" + "2" * 16 + "-00", "repeated": False, **claim,
            }  # fmt: skip
            gated = classes is not None and (classes["R"] in {"R2", "R3"} or classes["A"] != "A0")
            self.dispatches[effect] = Dispatch(contract.partition("/")[0], made, gated)
            self.changed.notify_all()
        return effect

    def wait(self, condition: Callable[[], Any], timeout_s: float = WAIT_MAX_S) -> Any:
        """Wait until something is true of the engine; fails the test if it never is."""
        with self.changed:
            if not self.changed.wait_for(condition, timeout_s):
                raise AssertionError(f"never true; replies: {self.replies}")
            return condition()

    def reply_to(self, effect: str, *, attempt: int | None = None) -> dict[str, Any]:
        """Wait for the reply to an effect."""

        def found() -> dict[str, Any] | None:
            return next(
                (r for r in self.replies
                 if r["effect"] == effect and attempt in {None, r["attempt"]}), None,
            )  # fmt: skip

        return self.wait(found)

    def next_beat(self) -> None:
        """Wait for a heartbeat that is not there yet."""
        count = len(self.beats)
        self.wait(lambda: len(self.beats) > count)

    # --- the participants' API ---

    def answer(self, asked: Asked) -> Response:
        """The response to a request."""
        route = self.routes.get((asked.method, asked.path))
        if route is not None:
            return route(asked)
        parts = asked.path.split("/")
        if parts[1:3] == ["v1", "participants"] and len(parts) == 5:
            handler = {
                "claims": self._claims, "starts": self._starts,
                "heartbeats": self._heartbeats, "replies": self._replies,
            }[parts[4]]  # fmt: skip
            waiting = self.problems.get(parts[4])
            if waiting:
                return problem(*waiting.pop(0))
            return handler(parts[3], asked)
        return problem(404, "TR404")

    def _claims(self, participant: str, asked: Asked) -> Response:
        body, ends_s = asked.body, time.monotonic() + float(asked.query.get("wait_s", 0))
        self.claims_asked.append(body)
        self.changed.notify_all()
        while self.up:
            claims = self._claim(participant, body)
            left_s = ends_s - time.monotonic()
            if claims:
                return 200, {"claims": claims}
            if left_s <= 0 or not self.changed.wait(left_s):
                return 204, None
        return 503, {}

    def _claim(self, participant: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for dispatch in self.dispatches.values():
            claim = dispatch.claim
            fits = dispatch.state == "offered" and dispatch.participant == participant
            if not fits or claim["contract"] not in body["contracts"] or len(found) >= body["max"]:
                continue
            started = body["start"] and not dispatch.needs_start
            dispatch.state, dispatch.worker = "started" if started else "reserved", body["worker"]
            claim["started"] = started
            found.append(claim)
        return found

    def _starts(self, participant: str, asked: Asked) -> Response:
        results: list[dict[str, Any]] = []
        for item in asked.body["starts"]:
            dispatch = self.dispatches.get(item["effect"])
            held = dispatch is not None and dispatch.claim["token"] == item["token"]
            if dispatch is None or not held or item["effect"] in self.refuse_starts:
                results.append({"effect": item["effect"], "status": "refused", "code": "TR612"})
                continue
            dispatch.state = "started"
            results.append({
                "effect": item["effect"], "status": "started", "lease_s": self.lease_s,
                "deadline": None,
            })  # fmt: skip
        return 200, {"results": results}

    def _heartbeats(self, participant: str, asked: Asked) -> Response:
        results: list[dict[str, Any]] = []
        for item in asked.body["leases"]:
            self.beats.append(item)
            dispatch = self.dispatches.get(item["effect"])
            if dispatch is None or dispatch.claim["token"] != item["token"]:
                results.append({"effect": item["effect"], "status": "lost"})
                continue
            results.append({
                "effect": item["effect"], "status": "held", "cancelled": dispatch.cancelled
            })  # fmt: skip
        self.changed.notify_all()
        return 200, {"results": results}

    def _replies(self, participant: str, asked: Asked) -> Response:
        replies = asked.body["replies"]
        if self.refuse_replies is not None and self.refuse_replies(replies):
            return problem(413, "TR406")
        results: list[dict[str, Any]] = []
        for reply in replies:
            known = any(
                r["effect"] == reply["effect"] and r["token"] == reply["token"]
                for r in self.replies
            )
            dispatch = self.dispatches.pop(reply["effect"], None)
            late = not known and (dispatch is None or dispatch.claim["token"] != reply["token"])
            self.replies.append(reply)
            status = "repeated" if known else "late" if late else "recorded"
            results.append({"effect": reply["effect"], "status": status})
        self.changed.notify_all()
        return 200, {"results": results}


def problem(status: int, code: str, **members: Any) -> Response:
    """A problem document."""
    return status, {
        "type": f"/errors/{code}", "title": f"title of {code}", "status": status,
        "detail": "what happened", "code": code, "alias": "some.alias", "do": "do this", **members,
    }  # fmt: skip


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = True

    def __init__(self, engine: FakeEngine, port: int) -> None:
        self.engine = engine
        self.connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def break_connections(self) -> None:
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that breaks is what these tests want."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def home(self) -> _Server:
        assert isinstance(self.server, _Server)
        return self.server

    def setup(self) -> None:
        super().setup()
        self.home.connections.add(self.connection)

    def finish(self) -> None:
        self.home.connections.discard(self.connection)
        super().finish()

    def log_message(self, format: str, *args: Any) -> None:
        """Tests look at `seen`."""

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def _serve(self) -> None:
        engine = self.home.engine
        length = int(self.headers.get("content-length", 0))
        raw = self.rfile.read(length)
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = json.loads(raw) if raw else None
        asked = Asked(self.command, unquote(parts.path), query, headers, body)
        what = asked.path.rpartition("/")[2]
        with engine.changed:
            engine.seen.append(asked)
            engine.calls[what] += 1
            status, answer = engine.answer(asked)
            lost = engine.lose_answers[what] > 0
            engine.lose_answers[what] -= lost
            engine.changed.notify_all()
        if lost or not engine.up:
            self.close_connection = True
            return
        self._send(status, answer)

    def _send(self, status: int, answer: Any) -> None:
        content = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        if status == 503:
            self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(content)
