"""An engine, its servers and its participants in processes of their own, and who uses them.

Nothing here is simulated: the processes are started as an operator starts them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import orjson
import psycopg
from httpx2 import HTTPError

from benchmarks.rig import clean_environment
from chaos.gates import FOLDER, Gate
from chaos.party import BOOK, REFUSED, TABLE, app
from chaos.relay import Relay
from chaos.stuck import SAID_CHARS, what_is_open
from tests.integration.processes.world import ROOT, SERVE, WORK, Child, Site, Speaker, site
from tools.servers import Kafka, Postgres, Server
from tools.servers.broker import QUICK_START
from tools.servers.processes import wait_until

__all__ = ["ENDED", "LANES", "SHAPES", "Faulty", "World", "world"]

SHAPES = ("sqlite", "postgres", "kafka")
LANES = 4
LEASE_S = 2
"""Of a claim: what a killed participant held is given out again after so long."""
LIMIT_S = 300.0
"""The longest that anything here may take; each wait ends as soon as its signal is there."""
LOOK_S = 0.1
STARTS_MAX = 5
CONCURRENCY = 100
ENDED = ("fulfilled", "compensated", "failed", "cancelled")
SAGAS = {"trip": "chaos.begun", "wire": "chaos.wanted"}

Json = Any


class Faulty(Exception):
    """The run cannot go on: something did not come back. The message says what."""


@dataclass(slots=True)
class World:
    """One run's everything. `engines` by role, `servers` by kind; both may be killed."""

    shape: str
    site: Site
    servers: dict[str, Server]
    chance: Random
    workers_wanted: int = 2
    engines: dict[str, Child] = field(default_factory=dict[str, Child])
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list[Any])
    relay: Relay = field(default_factory=Relay)
    acknowledged: dict[str, str] = field(default_factory=dict[str, str])
    """Number to saga, of every event that was answered as taken."""
    extra: dict[str, dict[str, str]] = field(default_factory=dict[str, Any])
    """Further settings by role, for the next start."""
    rounds: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    # --- what there is ---

    @property
    def roles(self) -> Sequence[str]:
        """The processes of the engine that belong to this shape."""
        return ("serve",) if self.shape == "sqlite" else ("serve", "work-1", "work-2")

    @property
    def folder(self) -> Path:
        return self.site.folder

    @property
    def book(self) -> Path:
        """The participants' own database."""
        return self.folder / "book.db"

    @property
    def store_path(self) -> Path:
        """The file of an embedded store."""
        return self.folder / "troth.db"

    def gate(self, name: str) -> Gate:
        """A named point in the participants."""
        return Gate(self.folder, name)

    def owner(self) -> Child:
        """One process of the engine that runs lanes."""
        return self.engines[
            self.chance.choice([r for r in self.roles if r != "serve"] or ["serve"])
        ]

    # --- starting and ending ---

    def begin(self) -> None:
        """Make the store and the topics, start everything, register the sagas."""
        with closing(sqlite3.connect(self.book)) as book:
            book.execute("PRAGMA journal_mode=WAL")
            book.execute(TABLE)
        if self.shape != "sqlite":
            self.command("migrate", TROTH_LANES=str(LANES))
        self.mend()
        for document in app.documents():
            self.register(document)
        threading.Thread(target=self._decide_all, daemon=True).start()

    def mend(self) -> None:
        """Start again whatever has ended, as a supervisor does. Raises Faulty."""
        for server in self.servers.values():
            if not server.running():
                server.restart()
        ended = [role for role in self.roles if self._has_ended(role)]
        # All at once: waiting for one after the other would be the longest part of a strike.
        begun = {role: self.site.spawn(*_command(role), **self._more(role)) for role in ended}
        for role, child in begun.items():
            self.engines[role] = self._listened(role, child)
        self.relay.towards(self.engines["serve"].url)
        self.workers = [one for one in self.workers if one.poll() is None]
        while len(self.workers) < self.workers_wanted:
            self.workers.append(self._worker())

    def _has_ended(self, role: str) -> bool:
        child = self.engines.get(role)
        return child is None or child.process.poll() is not None

    def _listened(self, role: str, child: Child) -> Child:
        for _ in range(STARTS_MAX):
            try:
                child.listen()
            except (AssertionError, ValueError):
                # It ended before it said that it runs, for example while its database comes up.
                child = self.site.spawn(*_command(role), **self._more(role))
            else:
                return child
        raise Faulty(f"{role} did not start {STARTS_MAX} times: {child.last_words(SAID_CHARS)}")

    def start(self, role: str) -> Child:
        """One more process of the engine. Raises AssertionError with its log if it ends."""
        return self.site.start(*_command(role), **self._more(role))

    def _more(self, role: str) -> dict[str, str]:
        return self.extra.get(role, {})

    def command(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """A command of `troth-engine`, run to its end. Raises Faulty when it fails."""
        done = self.tried([], *words, **more)
        if done.returncode:
            raise Faulty(f"troth-engine {' '.join(words)}: {done.stdout}{done.stderr}")
        return done

    def tried(
        self, before: Sequence[str], *words: str, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """A command of `troth-engine` behind another program, whatever it ends with."""
        return subprocess.run(
            [*before, sys.executable, "-m", "engine.cli", *words], cwd=self.folder, check=False,
            env=self.site.environment(**more), capture_output=True, text=True, timeout=LIMIT_S,
        )  # fmt: skip

    def _worker(self) -> subprocess.Popen[bytes]:
        settings = {
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'sdk/src'}", BOOK: str(self.book),
            FOLDER: str(self.folder), "TROTH_URL": self.relay.url,
            "TROTH_API_KEY": self.site.keys["participant"],
            "TROTH_JOURNAL_URL": f"sqlite:///{self.book}",
            "TROTH_WORKER_CONCURRENCY": str(CONCURRENCY),
        }  # fmt: skip
        if "kafka" in self.servers:
            settings["TROTH_BUS_URL"] = f"kafka://{self.servers['kafka'].address}"
            settings["TROTH_TOPIC_PREFIX"] = PREFIX
        command = [sys.executable, "-m", "troth.cli", "worker", "chaos.party:app"]
        with (self.folder / "workers.log").open("ab") as log:
            return subprocess.Popen(
                [*command, "--claim-wait", "1"], cwd=self.folder, stdout=log, stderr=log,
                env=clean_environment(settings),
            )  # fmt: skip

    def end(self) -> None:
        """End every process of this run, whatever state it is in."""
        self._over.set()
        self.relay.close()
        for worker in self.workers:
            with contextlib.suppress(ProcessLookupError):
                worker.kill()
            worker.wait()

    def quiet(self) -> None:
        """Stop participants and engine as an operator does: what is left is in the store."""
        self._over.set()
        for worker in self.workers:
            worker.send_signal(signal.SIGTERM)
        for worker in self.workers:
            worker.wait(LIMIT_S)
        for child in self.engines.values():
            child.send(signal.SIGTERM)
        for child in self.engines.values():
            child.process.communicate(timeout=LIMIT_S)

    # --- speaking to it ---

    def register(self, document: Json) -> None:
        """Register a saga; patient with an engine that comes up."""

        def is_known() -> bool:
            try:
                with Speaker(self.engines["serve"].url, self.site.keys) as speaker:
                    return speaker.register(document).status_code in {200, 201}
            except HTTPError:
                return False

        self.until(is_known, f"{document['saga']} is registered")

    def round(self, trips: int = 6, wires: int = 2) -> dict[str, str]:
        """Numbers to sagas of a round of events that was not sent yet."""
        self.rounds += 1
        wanted = {f"r{self.rounds:04}-t{n}{REFUSED * (n % 3 == 2)}": "trip" for n in range(trips)}
        return wanted | {f"r{self.rounds:04}-w{n}": "wire" for n in range(wires)}

    def publish(self, trips: int = 6, wires: int = 2) -> None:
        """Send a round of events until each is answered as taken."""
        wanted = self.round(trips, wires)
        self.until(lambda: self.offer(wanted), "a round of events is taken")

    def offer(self, wanted: dict[str, str]) -> bool:
        """Send a round once, with the same ids each time; whether all of it is taken."""
        batch = [
            {"specversion": "1.0", "source": "urn:chaos", "type": SAGAS[saga], "id": number,
             "data": {"number": number}}
            for number, saga in wanted.items()
        ]  # fmt: skip
        return self._is_taken(batch, wanted)

    def _is_taken(self, batch: list[Json], wanted: dict[str, str]) -> bool:
        try:
            with Speaker(self.engines["serve"].url, self.site.keys) as speaker:
                answer = speaker.call(
                    "producer", "POST", "/v1/events", batch,
                    **{"Content-Type": "application/cloudevents-batch+json"},
                )  # fmt: skip
        except HTTPError:
            return False
        if answer.status_code >= 400:
            return False
        results = answer.json()
        results = results["results"] if isinstance(results, dict) else results
        taken = {one["id"] for one in results if one["status"] != "refused"}
        self.acknowledged |= {number: wanted[number] for number in taken & set(wanted)}
        return taken >= set(wanted)

    def unended(self) -> int:
        """How many of the acknowledged have not come to their end; all when nobody answers."""
        try:
            with Speaker(self.engines["serve"].url, self.site.keys) as speaker:
                found = [speaker.call("reader", "GET", f"/v1/counts?saga={s}") for s in SAGAS]
        except HTTPError:
            return len(self.acknowledged)
        if any(answer.status_code != 200 for answer in found):
            return len(self.acknowledged)
        statuses = [answer.json()["status"] for answer in found]
        ended = sum(status.get(name, 0) for status in statuses for name in ENDED)
        return len(self.acknowledged) - ended

    def settle(self, limit_s: float = LIMIT_S, look: Callable[[], None] = lambda: None) -> None:
        """Wait until everything acknowledged has ended; `look` meanwhile. Raises Faulty."""

        def is_settled() -> bool:
            look()
            processes = [*(child.process for child in self.engines.values()), *self.workers]
            if any(process.poll() is not None for process in processes):
                self.mend()
            return self.unended() == 0

        self.until(is_settled, "all have ended", limit_s)

    def until(self, true: Callable[[], bool], what: str, limit_s: float = LIMIT_S) -> None:
        """Wait for a signal. Raises Faulty when it does not come."""
        ends_s = time.monotonic() + limit_s
        while not true():
            if time.monotonic() > ends_s:
                raise Faulty(f"not within {limit_s:g} s: {what}\n{what_is_open(self)}")
            wait_until(lambda: False, timeout_s=LOOK_S)

    def written(self) -> int:
        """The last line of the book."""
        with closing(sqlite3.connect(self.book, timeout=LIMIT_S)) as book:
            return book.execute("SELECT coalesce(max(line), 0) FROM lines").fetchone()[0]

    def rows(self, query: str) -> list[Any]:
        """Ask the store beside the engine; [] where the statement answers nothing."""
        if self.shape == "sqlite":
            with closing(sqlite3.connect(f"file:{self.store_path}?mode=ro", uri=True)) as db:
                return db.execute(query).fetchall()
        with psycopg.connect(self.site.store) as db:
            found = db.execute(query.encode())
            return found.fetchall() if found.description else []

    def _decide_all(self) -> None:
        """The person with the seat, who allows whatever is asked."""
        while not self._over.wait(LOOK_S):
            # Whoever decides meets the same failures as everybody, and asks again.
            with contextlib.suppress(HTTPError, AssertionError, KeyError, orjson.JSONDecodeError):
                self._decide()

    def _decide(self) -> None:
        with Speaker(self.engines["serve"].url, self.site.keys) as speaker:
            for asked in speaker.get("/v1/approvals?status=open&limit=200")["items"]:
                speaker.decide(MANAGER, asked, "approve")


def _command(role: str) -> Sequence[str]:
    return SERVE if role == "serve" else WORK


PREFIX = "chaos."
MANAGER = "function_head"
"""Has the seat that decides A1."""


@contextlib.contextmanager
def world(shape: str, folder: Path, seed: int) -> Iterator[World]:
    """An engine of a shape in `folder`, with servers of its own, running and with its sagas."""
    with contextlib.ExitStack() as stack:
        servers: dict[str, Server] = {}
        store, settings = f"sqlite:///{folder / 'troth.db'}", {"TROTH_LEASE_S": str(LEASE_S)}
        if shape != "sqlite":
            servers["postgres"] = stack.enter_context(Postgres.start(folder / "postgres"))
            store = servers["postgres"].address
        if shape == "kafka":
            servers["kafka"] = stack.enter_context(
                Kafka.start(folder / "kafka", settings=QUICK_START)
            )
            settings |= {
                "TROTH_BUS_URL": f"kafka://{servers['kafka'].address}/{PREFIX}?replication=1",
                "TROTH_KAFKA_TENANT": "north", "TROTH_KAFKA_PARTICIPANTS": "desk,bank",
                "TROTH_KAFKA_JOURNALS": "desk",
            }  # fmt: skip
        here = stack.enter_context(site(folder, store, **settings))
        found = World(shape, here, servers, Random(seed))
        stack.callback(found.end)
        found.begin()
        yield found
