"""One run from an empty folder to the summary."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from examples.demo import telling
from examples.demo.calls import SAGA
from examples.demo.children import (
    PROGRAM,
    ROOT,
    Child,
    DemoFailed,
    engines,
    keys_of,
    last_lines,
    participants,
)
from examples.demo.ending import Ending, Trail, chain_of, read_ending, run_quietly
from examples.demo.facts import followed
from examples.demo.parties import Approver, Ledger, apply_all, operate, sign_all
from examples.demo.screen import Screen
from examples.demo.script import Script, written
from examples.demo.watch import NOTHING_YET, Seen, Watch
from examples.kafka import KafkaProducer, Producer
from examples.partner_activation.systems import Faults
from examples.shapes import Place, Shape, place
from troth import AsyncClient
from troth._models import Registered

__all__ = ["Options", "run"]

DEFINITION = ROOT / "sagas" / "catalogue" / "partner_activation.v1.json"
LOOK_S = 0.25
STALLED_S = 90.0
"""So long without any movement means that something is wrong; a lease is shorter."""
LIMIT_S = 300.0
LIMIT_PER_PARTNER_S = 0.5
OURS = frozenset({"keys.json", "keys.jsonl", "engine.log"})
"""A folder with one of these was made by a demo, and may be emptied."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line said."""

    partners: int
    seed: int
    plain: bool
    keep: bool
    folder: Path
    shape: Shape


def run(options: Options, screen: Screen) -> int:
    """The exit code. Raises DemoFailed, or EngineError for a refusal that nobody expected."""
    with _fresh(options.folder) as folder, place(options.shape, folder) as where:
        return asyncio.run(_run(options, folder, where, screen))


async def _run(options: Options, folder: Path, where: Place, screen: Screen) -> int:
    begun_s = time.monotonic()
    task = asyncio.current_task()
    assert task is not None
    # SIGTERM stops the demo as Ctrl-C does.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    faults = Faults(seed=options.seed)
    demo = Demo(options, folder, where, written(options.partners, faults), screen)
    try:
        return await demo.play(faults, begun_s)
    except DemoFailed:
        for log in dict.fromkeys(child.log for child in demo.children):
            for line in last_lines(log):
                print(f"  {log.name}: {line}", file=sys.stderr)
        raise
    finally:
        await demo.stop()


class Demo:
    """The parts of one run."""

    def __init__(
        self, options: Options, folder: Path, where: Place, script: Script, screen: Screen
    ) -> None:
        self.options = options
        self.folder = folder
        self.where = where
        self.script = script
        self.screen = screen
        self.ledger = Ledger()
        self.books = folder / "books.db"
        self.engines = engines(folder, where, self._said)
        self.children: list[Child] = [*self.engines]
        self.keys: dict[str, str] = {}

    async def play(self, faults: Faults, begun_s: float) -> int:
        """Everything, in order."""
        self.keys = await keys_of(self.folder, self.engines)
        worker = participants(
            self.folder, self.where, self.url, self.keys["participant"], self.options.seed,
            self._said,
        )  # fmt: skip
        self.children.insert(0, worker)
        async with self._clients() as clients, self._producer(clients["producer"]) as producer:
            registered = await clients["operator"].register(json.loads(DEFINITION.read_bytes()))
            await worker.start()
            for line in self._headline(registered, faults):
                self.screen.say(line)
            with self.screen:
                await self._act(clients, producer)
            took_s = time.monotonic() - begun_s
            self.screen.say(f"reading  {self.options.partners} histories, and the CRM's own books")
            ending = await read_ending(clients["reader"], self.books)
            return await self._tell(ending, took_s)

    @property
    def url(self) -> str:
        """Of the process that has the API."""
        return self.engines[0].url

    async def stop(self) -> None:
        """Stop all at once: an engine that stops answers the claims that wait."""
        await asyncio.gather(*(child.stop() for child in self.children))

    # --- inside ---

    def _said(self, text: str) -> None:
        self.screen.say(f"killed   {text}")

    @contextlib.asynccontextmanager
    async def _clients(self) -> AsyncIterator[dict[str, AsyncClient]]:
        async with contextlib.AsyncExitStack() as stack:
            yield {
                name: await stack.enter_async_context(AsyncClient(self.url, key))
                for name, key in self.keys.items()
            }

    @contextlib.asynccontextmanager
    async def _producer(self, over_http: Producer) -> AsyncIterator[Producer]:
        """What brings the partners' events: a topic, where there is Kafka."""
        if self.where.broker is None:
            yield over_http
            return
        topic = self.where.topic("events")
        async with KafkaProducer(self.where.broker, topic, key_field="company") as over_kafka:
            yield over_kafka

    def _headline(self, registered: Registered, faults: Faults) -> Iterator[str]:
        yield f"shape    {self.where.shape.name}: {self.where.shape.text}"
        yield (
            f"engine   {self.url}/docs · store {self.where.told} · {SAGA} "
            f"v{registered.version} {registered.hash[:8]} registered"
        )
        yield (
            f"people   registry and crm: {faults.errors:.0%} errors, {faults.lost_replies:.0%} lost"
            f" replies, {faults.struck_off + faults.risky:.0%} refusals (seed {faults.seed}) · "
            "two approvers · one operator"
        )
        worker, *engines = self.children
        kills = [f"kill -9 {child.pid} ({child.name})" for child in (*engines, worker)]
        yield f"try      {', '.join(kills)}: the books will agree"

    async def _act(self, clients: dict[str, AsyncClient], producer: Producer) -> None:
        """Everybody plays a part until every commitment has ended."""
        script, ledger = self.script, self.ledger
        producing = asyncio.ensure_future(apply_all(producer, script, ledger))
        head = Approver(clients["function_head"], "function_head", script, ledger)
        legal = Approver(clients["legal"], "legal", script, ledger, says_no=True)
        parts: list[Coroutine[Any, Any, None]] = [
            sign_all(producer, clients["reader"], script, ledger),
            operate(clients["operator"], script, self.books, ledger),
            head.run(),
            legal.run(),
            *(child.watch() for child in self.children),
        ]
        watching = asyncio.ensure_future(self._watch(clients["reader"], producing))
        tasks = [watching, producing, *map(asyncio.ensure_future, parts)]
        try:
            while not watching.done():
                pending = [task for task in tasks if not task.done()]
                await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:
                    if task.done():
                        task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, reader: AsyncClient, producing: asyncio.Future[None]) -> None:
        """Show how it stands, until all have ended. Raises DemoFailed when nothing moves."""
        urls = [engine.url for engine in self.engines]
        watch = Watch(reader, urls, self.books, self.ledger, self.options.partners)
        limit_s = time.monotonic() + LIMIT_S + LIMIT_PER_PARTNER_S * self.options.partners
        before: Seen | None = None
        moved_s = time.monotonic()
        self.screen.show(replace(NOTHING_YET, partners=self.options.partners))
        while True:
            seen = await watch.look()
            self.screen.show(seen)
            if producing.done() and seen.done >= self.options.partners:
                return
            if seen.parked:
                raise DemoFailed(f"{seen.parked} streams are parked: a fault of ours, see the log")
            if before is None or _counted(seen) != _counted(before):
                moved_s = time.monotonic()
            before = seen
            if time.monotonic() > min(limit_s, moved_s + STALLED_S):
                where = ", ".join(f"{row.step} {row.now}" for row in seen.rows) or "nowhere"
                raise DemoFailed(f"{seen.done} of {seen.partners} have ended; the rest: {where}")
            await asyncio.sleep(LOOK_S)

    async def _tell(self, ending: Ending, took_s: float) -> int:
        """Print the end. The exit code says whether everything is accounted for."""
        say = self.screen.say
        restarts = sum(child.deaths for child in self.children)
        say("")
        for line in telling.summary(ending, self.options.partners, took_s, restarts):
            say(line)
        for ref in ending.unchained:
            say(f"chain    broken: {ref}")
        chain, export = await asyncio.gather(
            chain_of(PROGRAM, self.where.store_url), self._export(ending.shown)
        )
        say(f"chain    {self.where.told}: {chain.told}")
        facts = await followed(self.where, ending.shown)
        if facts is not None:
            say(f"facts    {facts.told}")
        if ending.shown is not None:
            say("")
            for line in telling.audit(ending.shown):
                say(line)
        say("")
        for line in telling.followed_by(
            self.options.folder, self.where.shape, ending.shown, export
        ):
            say(line)
        whole = sum(ending.ends.values()) == self.options.partners
        good = whole and not ending.differences and not ending.unchained and chain.holds
        if self.options.keep:
            await _keep(self.url, self.keys["developer"], say)
        return 0 if good and (facts is None or facts.agree) else 1

    async def _export(self, trail: Trail | None) -> Path | None:
        """The trail as a file that `troth-engine verify` takes anywhere; None if it cannot be."""
        if trail is None:
            return None
        file = self.options.folder / f"{trail.company}.jsonl"
        code, told = await run_quietly(
            PROGRAM, "export", trail.ref, "--store", self.where.store_url, "--output", str(file)
        )
        if code:
            self.screen.say(f"export   {told}")
            return None
        return file


async def _keep(url: str, key: str, say: Any) -> None:
    say(f"keep     export TROTH_URL={url} TROTH_API_KEY={key}")
    say("         the engine and the participants run on; stop them with Ctrl-C")
    await asyncio.Event().wait()


def _counted(seen: Seen) -> tuple[int, ...]:
    """What moves when anything does."""
    return seen.done, seen.events_in, seen.steps, seen.probes, seen.decided, seen.errors


@contextlib.contextmanager
def _fresh(folder: Path) -> Iterator[Path]:
    """The folder, emptied, held for this run alone. Raises DemoFailed when it may not be."""
    folder.mkdir(parents=True, exist_ok=True)
    there = [path for path in folder.iterdir() if path.name != "lock"]
    if there and not any(path.name in OURS for path in there):
        raise DemoFailed(f"{folder} holds something else: name another with --folder")
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DemoFailed(f"another demo runs in {folder}: wait for it, or --folder") from None
        for path in there:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        yield folder.resolve()
