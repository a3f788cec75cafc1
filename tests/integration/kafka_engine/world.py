"""The Kafka shape as an operator and other people's programs have it, in processes of its own."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer

from adapters.kafka.options import KafkaOptions
from tests.integration.kafka.world import made, options_of, producer_of
from tests.integration.kafka_engine.party import BOOK_TABLE, app
from tests.integration.processes.world import ROOT, Child, Site, Speaker, site, until

Json = Any
LANES = 4
SOURCE = "urn:shop"
STRUCTURED = [("content-type", b"application/cloudevents+json")]
READ_S = 60.0
UNAVAILABLE, KNOWN = 503, 200


def event(kind: str, number: str, id: str | None = None, **more: Json) -> Json:
    """An event as a shop tells it; the kind without `order.`."""
    found = id or f"{kind}-{number}"
    return {
        "specversion": "1.0", "id": found, "source": SOURCE, "type": f"order.{kind}",
        "data": {"number": number}, **more,
    }  # fmt: skip


@dataclass(slots=True)
class Market:
    """A site with Kafka as its bus, its topics, and the book of its participants."""

    here: Site
    options: KafkaOptions
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list[Any])

    @property
    def book(self) -> Path:
        return self.here.folder / "book.db"

    # --- programs ---

    def speaker(self, child: Child) -> Speaker:
        return Speaker(child.url, self.here.keys)

    def register(self, child: Child) -> None:
        """The saga, as soon as there is a process that may take it."""
        with self.speaker(child) as speaker:
            for document in app.documents():
                until(lambda one=document: speaker.register(one).status_code != UNAVAILABLE)
                answer = speaker.register(document)
                assert answer.status_code == KNOWN, answer.text

    def participants(self, url: str, **more: str) -> subprocess.Popen[bytes]:
        """A process of both participants, beside others with the same journal."""
        if not self.workers:
            with closing(sqlite3.connect(self.book)) as book:
                book.execute("PRAGMA journal_mode=WAL")
                book.execute(BOOK_TABLE)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TROTH_")}
        given = {
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'sdk/src'}", "PARTY_BOOK": str(self.book),
            "TROTH_URL": url, "TROTH_API_KEY": self.here.keys["participant"],
            "TROTH_JOURNAL_URL": f"sqlite:///{self.here.folder / 'journal.db'}",
            "TROTH_BUS_URL": f"kafka://{self.options.bootstrap[0]}",
            "TROTH_TOPIC_PREFIX": self.options.prefix,
        }  # fmt: skip
        command = [sys.executable, "-m", "troth.cli", "worker"]
        command += ["tests.integration.kafka_engine.party:app", "--claim-wait", "1"]
        with (self.here.folder / f"worker-{len(self.workers)}.log").open("wb") as log:
            worker = subprocess.Popen(
                command, cwd=self.here.folder, env={**kept, **given, **more}, stdout=log, stderr=log
            )
        self.workers.append(worker)
        return worker

    def stop(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait()

    # --- what comes in ---

    def produce(self, records: Iterable[Json], partition: int | None = None) -> None:
        """Events in structured mode; what is a tuple goes as value and headers."""
        asyncio.run(self._produce(list(records), partition))

    async def _produce(self, records: Sequence[Json], partition: int | None) -> None:
        async with producer_of(self.options) as producer:
            sent: list[Any] = []
            for record in records:
                is_raw = isinstance(record, tuple)
                value, headers = record if is_raw else (orjson.dumps(record), STRUCTURED)
                key = b"k" if is_raw else record["data"]["number"].encode()
                sent.append(
                    await producer.send(
                        self.options.events, value, key=key, partition=partition, headers=headers
                    )
                )
            await asyncio.gather(*sent)

    def order(self, *numbers: str) -> None:
        self.produce([event("placed", number) for number in numbers])

    def confirm(self, *numbers: str) -> None:
        self.produce([event("confirmed", number) for number in numbers])

    # --- what comes out ---

    def read(self, topic: str, is_enough: Callable[[list[Json]], bool]) -> list[Json]:
        """Events of a topic from its beginning, until they are enough."""
        return asyncio.run(self._read(topic, is_enough))

    async def _read(self, topic: str, is_enough: Callable[[list[Json]], bool]) -> list[Json]:
        reader = AIOKafkaConsumer(
            topic, bootstrap_servers=self.options.bootstrap[0], auto_offset_reset="earliest"
        )
        found: list[Json] = []
        await reader.start()
        try:
            async with asyncio.timeout(READ_S):
                while not is_enough(found):
                    records = await reader.getmany(timeout_ms=200)
                    found += [json.loads(r.value or b"") for p in records.values() for r in p]
        finally:
            await reader.stop()
        return found

    def written(self) -> Counter[tuple[str, str]]:
        """How often each order was reserved and paid, from the book."""
        with closing(sqlite3.connect(self.book, timeout=30)) as book:
            return Counter(book.execute("SELECT what, number FROM lines").fetchall())

    def is_written_once(self, numbers: Sequence[str]) -> bool:
        wanted = {(what, number): 1 for what in ("reserve", "pay") for number in numbers}
        return self.written() == wanted


def counted(speaker: Speaker, status: str) -> int:
    return speaker.get("/v1/counts?saga=order")["status"].get(status, 0)


def until_all(speaker: Speaker, status: str, count: int, within_s: float = 40.0) -> None:
    """Wait until so many orders have a status."""

    def are() -> bool:
        answer = speaker.call("reader", "GET", "/v1/counts?saga=order")
        return answer.status_code == 200 and answer.json()["status"].get(status, 0) >= count

    until(are, within_s, f"{count} are {status}")


def reason(child: Child) -> str:
    """Why it is not ready; empty when it is."""
    status, body = child.readiness()
    return "" if status == 200 else str(body.get("reason", body))


async def made_topics(found: Market) -> None:
    """What `migrate` does for the topics."""
    await made(found.options, "shop", "bank", lanes=LANES)


@contextmanager
def market(folder: Path, store: str, bootstrap: str, **settings: str) -> Iterator[Market]:
    """A market with topics of its own, that are not there yet. Its processes end with the test."""
    prefix = f"t{uuid.uuid4().hex[:12]}."
    given = {
        "TROTH_BUS_URL": f"kafka://{bootstrap}/{prefix}?replication=1",
        "TROTH_KAFKA_TENANT": "north", "TROTH_KAFKA_PARTICIPANTS": "shop,bank",
        "TROTH_KAFKA_JOURNALS": "shop", **settings,
    }  # fmt: skip
    with site(folder, store, **given) as here:
        found = Market(here, options_of(bootstrap, prefix))
        try:
            yield found
        finally:
            found.stop()
