"""Processes of one engine on one store, started as an operator starts them, and who speaks to them.

`Site` is the store with its keys; `start` runs a command of `troth-engine` until the test ends it.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psycopg
from httpx2 import Client, HTTPError
from psycopg import sql

from engine.dev import dev_keys
from engine.keys import add_key
from tests.integration.engine.world import CONTRACTS, MORE_KEYS, PARTNER, RESULTS
from tools.servers.processes import kill_group

Json = Any
ROOT = Path(__file__).resolve().parents[3]
BOUND_S = 30.0
LOOK_S = 0.02
TAKEOVER_MAX_S = 5.0
LANES = 8
QUIET = {"TROTH_LOG_FORMAT": "json"}
SERVE = ("serve", "--listen", "127.0.0.1:0", "--keys-file", "keys.jsonl")
WORK = ("work", "--listen", "127.0.0.1:0")


def until(true: Callable[[], Any], within_s: float = BOUND_S, what: str = "") -> Any:
    """What `true` answers, as soon as it is something."""
    waits, ends_s = threading.Event(), time.monotonic() + within_s
    while not (found := true()):
        assert time.monotonic() < ends_s, f"not within {within_s} s: {what or true}"
        waits.wait(LOOK_S)
    return found


def _client(url: str) -> Client:
    # No TLS on the loopback: what verifies it would take 30 ms of the processor for each client.
    return Client(base_url=url, timeout=BOUND_S, verify=False)


@dataclass(slots=True)
class Child:
    """A process of the engine; `told` is the first line that it printed."""

    process: subprocess.Popen[str]
    log: Path
    told: Json = None

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def url(self) -> str:
        return self.told["url"]

    def listen(self) -> None:
        """Wait until it says that it runs. Raises AssertionError with its log if it ends."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.log.read_text("utf-8")
        self.told = json.loads(line)

    def logged(self, action: str | None = None) -> list[Json]:
        """The lines of its log, or those of one action."""
        lines = [json.loads(line) for line in self.log.read_text("utf-8").splitlines()]
        return [line for line in lines if action in (None, line["action"])]

    def last_words(self, chars: int) -> str:
        """The end of its log, as much as so many characters."""
        return self.log.read_text("utf-8", errors="replace")[-chars:]

    def ready(self) -> bool:
        return self.readiness()[0] == 200

    def readiness(self) -> tuple[int, Json]:
        """What /readyz says; status 0 when nobody answers."""
        try:
            with _client(self.url) as client:
                found = client.get("/readyz")
        except HTTPError:
            return 0, {}
        return found.status_code, found.json()

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self, by: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the exit code."""
        self.send(by)
        return self.wait()

    def wait(self) -> int:
        self.process.communicate(timeout=BOUND_S)
        return self.process.returncode


@dataclass(slots=True)
class Site:
    """A store, its keys, and the processes that use it."""

    folder: Path
    store: str
    keys: dict[str, str]
    settings: dict[str, str] = field(default_factory=dict[str, str])
    children: list[Child] = field(default_factory=list[Child])

    def environment(self, **more: str) -> dict[str, str]:
        kept = {n: v for n, v in os.environ.items() if n != "PYTHONDONTWRITEBYTECODE"}
        given = {"TROTH_STORE_URL": self.store, **QUIET, **self.settings}
        return {**kept, "PYTHONPATH": str(ROOT), **given, **more}

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """A command of `troth-engine`, run to its end."""
        return subprocess.run(
            [sys.executable, "-m", "engine.cli", *arguments], cwd=self.folder, check=False,
            env=self.environment(**more), capture_output=True, text=True, timeout=BOUND_S,
        )  # fmt: skip

    def migrate(self, lanes: int = LANES) -> None:
        done = self.run("migrate", TROTH_LANES=str(lanes))
        assert done.returncode == 0, done.stderr

    def start(self, *arguments: str, **more: str) -> Child:
        """A command that goes on; it has said that it runs."""
        child = self.spawn(*arguments, **more)
        child.listen()
        return child

    def spawn(self, *arguments: str, **more: str) -> Child:
        """A command that goes on; what it says is not waited for."""
        log = self.folder / f"{len(self.children)}-{arguments[0]}.log"
        with log.open("w", encoding="utf-8") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "engine.cli", *arguments, "--json"], cwd=self.folder,
                env=self.environment(**more), stdout=subprocess.PIPE, stderr=errors, text=True,
                start_new_session=True,
            )  # fmt: skip
        child = Child(process, log)
        self.children.append(child)
        return child

    def serve(self, *more: str, **settings: str) -> Child:
        return self.start(*SERVE, *more, **settings)

    def work(self, *more: str, **settings: str) -> Child:
        return self.start(*WORK, *more, **settings)

    def owners(self) -> dict[int, int]:
        """The pid of the owner of each lane that has one, from the store."""
        with psycopg.connect(self.store) as db:
            rows = db.execute(
                "SELECT l.lane, p.pid FROM lanes l JOIN processes p ON p.process = l.owner"
            )
            return dict(rows.fetchall())

    def shares(self, *children: Child) -> list[int]:
        """How many lanes each of these owns."""
        counted = Counter(self.owners().values())
        return [counted[child.pid] for child in children]

    def is_shared(self, *children: Child) -> bool:
        """Whether these own all lanes, in shares that differ by one at most."""
        shares = self.shares(*children)
        return sum(shares) == self.lanes() and max(shares) - min(shares) <= 1

    def lanes(self) -> int:
        with psycopg.connect(self.store) as db:
            ((found,),) = db.execute("SELECT lanes FROM store")
        return found

    def books(self) -> list[tuple[int, int, int]]:
        """For each lane its head, how many events it has, and the highest position of one."""
        query = """SELECT l.head, count(e.position), coalesce(max(e.position), 0) FROM lanes l
            LEFT JOIN events e ON e.lane = l.lane GROUP BY l.lane, l.head ORDER BY l.lane"""
        with psycopg.connect(self.store) as db:
            return [tuple(row) for row in db.execute(query)]

    def is_gapless(self) -> bool:
        """Whether every lane has exactly the events up to its head, and nothing is under way."""
        return all(head == count == last for head, count, last in self.books())

    def rows(self, table: str) -> int:
        counted = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
        with psycopg.connect(self.store) as db:
            ((found,),) = db.execute(counted)
        return found

    def stop(self) -> None:
        """End every process, whatever state it is in, with what it started."""
        for child in self.children:
            kill_group(child.process)
            child.process.communicate()


@contextmanager
def site(folder: Path, store: str, **settings: str) -> Iterator[Site]:
    """A site whose processes are ended with the test."""
    keys = dict(dev_keys(folder, "north"))
    for name, what in MORE_KEYS.items():
        given: Any = {"tenant": "north", **what}
        keys[name] = add_key(folder / "keys.jsonl", name=name, **given)[1]
    found = Site(folder, store, keys, settings)
    try:
        yield found
    finally:
        found.stop()


class Speaker:
    """Speaks to one process as each of the keys of its site."""

    def __init__(self, url: str, keys: dict[str, str]) -> None:
        self.http = _client(url)
        self._keys = keys

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def call(self, key: str, method: str, path: str, body: Json = None, **headers: str) -> Any:
        sent = {"Authorization": f"Bearer {self._keys[key]}", **headers}
        content = None if body is None else json.dumps(body)
        if content is not None:
            sent.setdefault("Content-Type", "application/json")
        return self.http.request(method, path, content=content, headers=sent)

    def get(self, path: str, key: str = "reader") -> Json:
        found = self.call(key, "GET", path)
        assert found.status_code == 200, found.text
        return found.json()

    def register(self, document: Json = PARTNER) -> Any:
        path = f"/v1/definitions/{document['saga']}/{document['version']}"
        return self.call("operator", "PUT", path, document)

    def begin(self, company: str, once: str | None = None, **more: Json) -> Any:
        """Start a partner activation."""
        headers = {} if once is None else {"Idempotency-Key": once}
        body = {"saga": "partner-activation", "input": {"company": company}, **more}
        return self.call("operator", "POST", "/v1/commitments", body, **headers)

    def publish(self, kind: str, data: Json, id: str) -> Any:
        event = {"specversion": "1.0", "source": "urn:test", "type": kind, "id": id, "data": data}
        headers = {"Content-Type": "application/cloudevents+json"}
        return self.call("producer", "POST", "/v1/events", event, **headers)

    def step(self, company: str, query: str = "") -> Json:
        return self.get(f"/v1/sagas/partner-activation/keys/{company}{query}")

    def control(self, commitment: str, action: str, **more: Json) -> Any:
        body = {"action": action, "reason": "asked for", **more}
        return self.call("operator", "POST", f"/v1/commitments/{commitment}/controls", body)

    def approval(self, company: str) -> Json:
        """The open approval of a company's commitment."""
        commitment = self.step(company)["id"]
        found = self.get("/v1/approvals?status=open")["items"]
        return next(one for one in found if one["commitment"] == commitment)

    def decide(self, key: str, approval: Json, answer: str, reason: str = "checked") -> Any:
        path = f"/v1/approvals/{approval['id']}/decision"
        match = {"If-Match": f'"{approval["digest"]}"'}
        return self.call(key, "POST", path, {"answer": answer, "reason": reason}, **match)

    def tell(self, participant: str, what: str, member: str, items: list[Json]) -> Any:
        body = {"worker": "w", member: items}
        path = f"/v1/participants/{participant}/{what}"
        return self.call("participant", "POST", path, body)

    def claim(self, participant: str, wanted: int = 1, wait_s: float = 5.0) -> list[Json]:
        """At least that many claims."""
        found: list[Json] = []
        ask = {"worker": "w", "contracts": CONTRACTS[participant], "max": 100, "start": False}
        path = f"/v1/participants/{participant}/claims?wait_s={wait_s}"
        for _ in range(wanted):
            if len(found) >= wanted:
                break
            answer = self.call("participant", "POST", path, ask)
            if answer.status_code == 204:
                break
            assert answer.status_code == 200, answer.text
            found += answer.json()["claims"]
        return found

    def perform(self, participant: str, claims: list[Json]) -> list[str]:
        """Start and answer claims; what the answers say."""
        begun = [held(claim) for claim in claims]
        if begun:
            assert self.tell(participant, "starts", "starts", begun).status_code == 200
        answered = self.tell(participant, "replies", "replies", [done(c) for c in claims])
        assert answered.status_code == 200, answered.text
        return [one["status"] for one in answered.json()["results"]]


def held(claim: Json) -> Json:
    return {"effect": claim["effect"], "token": claim["token"]}


def done(claim: Json) -> Json:
    names = ("effect", "attempt", "token", "kind", "commitment")
    return {name: claim[name] for name in names} | {
        "outcome": "done", "result": RESULTS[claim["contract"]]
    }  # fmt: skip
