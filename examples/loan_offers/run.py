"""One replay: an engine of its own, the log through its public API, and the oracle beside it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from examples.children import Engine, RunFailed, engine, last_lines
from examples.kafka import KafkaProducer
from examples.loan_offers.compare import Answer, Comparison, Totals, compare
from examples.loan_offers.engine import (
    Event,
    answers,
    applied,
    parked,
    publish,
)
from examples.loan_offers.events import cloud_event, in_time_order
from examples.loan_offers.oracle import last_time, truths
from examples.loan_offers.saga import loan_offer
from examples.loan_offers.xes import LogCase, read_cases
from examples.shapes import Place, Shape, place
from troth import AsyncClient

__all__ = ["Options", "replay", "run"]

PLAIN_EVERY_S = 5.0
DIFFERENCES_MAX = 20
"""Differences that are printed one by one."""
OURS = frozenset({"keys.json", "keys.jsonl", "engine.log", "troth.db"})
"""A folder with one of these was made by a replay, and may be emptied."""

Step = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line said."""

    log: Path
    folder: Path
    shape: Shape


def run(options: Options, console: Console) -> int:
    """The exit code: 0 when both sides say the same about every application and event.

    Raises XesError for a log that cannot be read, RunFailed and EngineError when it cannot go on.
    """
    began_s = time.monotonic()
    cases = list(read_cases(options.log))
    events = sum(len(case.events) for case in cases)
    took_s = time.monotonic() - began_s
    console.print(
        f"read     {options.log.name}: {len(cases):,} applications, {events:,} events, "
        f"{took_s:.1f} s",
        highlight=False,
    )
    folder = _fresh(options.folder)
    with place(options.shape, folder) as where:
        found = asyncio.run(replay(cases, folder, where, console))
    for table in found.tables():
        console.print(table)
    for line in found.differences[:DIFFERENCES_MAX]:
        console.print(f"differs  {line}", highlight=False, markup=False)
    if len(found.differences) > DIFFERENCES_MAX:
        console.print(f"differs  in {len(found.differences):,} ways in all", highlight=False)
    print(json.dumps(found.as_json()), flush=True)
    return 0 if found.holds else 1


async def replay(
    cases: Sequence[LogCase], folder: Path, where: Place, console: Console
) -> Comparison:
    """Send the cases through an engine of its own, and compare.

    Raises RunFailed and EngineError.
    """
    task = asyncio.current_task()
    assert task is not None
    # SIGTERM stops the replay as Ctrl-C does.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)

    def died(text: str) -> None:
        console.print(f"killed   {text}", highlight=False, markup=False)

    # Accept times are those of the events: 30 days pass when the log says so, for all applications
    # at once. So there is one lane, and with Kafka one partition.
    command = ["dev", "--clock", "events", "--state", str(folder)]
    child = engine(
        folder,
        died,
        command=[*command, "--store", where.store_url],
        settings={**where.engine(), "TROTH_LANES": "1"},
    )
    try:
        await child.start()
        watching = asyncio.create_task(child.watch())
        try:
            return await _compared(child, where, cases, console)
        finally:
            await child.stop()
            await watching
    except RunFailed:
        for line in last_lines(child.log):
            print(f"  {child.log.name}: {line}", file=sys.stderr)
        raise


async def _compared(
    child: Engine, where: Place, cases: Sequence[LogCase], console: Console
) -> Comparison:
    async with _client(child, "operator") as operator:
        registered = await operator.register(loan_offer)
    console.print(
        f"engine   {child.url} · pid {child.pid} · {registered.saga} version "
        f"{registered.version} · {where.told} · 1 lane",
        highlight=False,
    )
    pairs = in_time_order(cases)
    events = (cloud_event(case, event) for case, event in pairs)
    async with _client(child, "developer") as reader:
        began_s = time.perf_counter()
        with _progress(console, "events", len(pairs)) as step:
            await _send(child, reader, where, events, step)
        took_s = time.perf_counter() - began_s
        with _progress(console, "answers", len(cases)) as step:
            found: dict[str, Answer] = await answers(reader, step)
        totals = Totals(len(pairs), await parked(reader), took_s)
    return compare(truths(cases, last_time(cases)), found, totals)


async def _send(
    child: Engine, reader: AsyncClient, where: Place, events: Iterator[Event], step: Step
) -> None:
    """Send all, batch by batch, until the last one was applied."""
    if where.broker is None:
        async with _client(child, "producer") as producer:
            last = await publish(producer, events, lambda _, count: step(count))
        if last is not None:
            await applied(reader, last)
        return
    ends: list[tuple[Event, int]] = []
    async with KafkaProducer(where.broker, where.topic("events"), key_field="case") as producer:
        await publish(producer, events, lambda *batch: ends.append(batch))
    # The engine has been reading them while more were written.
    for event, count in ends:
        await applied(reader, event)
        step(count)


def _client(child: Engine, key: str) -> AsyncClient:
    return AsyncClient(child.url, child.keys[key])


def _fresh(folder: Path) -> Path:
    """The folder, emptied. Raises RunFailed when it holds something else."""
    if folder.exists():
        inside = {path.name for path in folder.iterdir()}
        if inside and inside.isdisjoint(OURS):
            raise RunFailed(f"{folder} holds something else: name another with --folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder.resolve()


@contextlib.contextmanager
def _progress(console: Console, what: str, total: int) -> Iterator[Step]:
    """A bar on a terminal, a line now and then elsewhere."""
    if not console.is_terminal:
        yield _plain(console, what, total)
        return
    columns = (
        TextColumn("{task.description:8}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
    )  # fmt: skip
    began_s = time.monotonic()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(what, total=total, rate="")

        def step(more: int) -> None:
            progress.advance(task, more)
            done = progress.tasks[task].completed
            rate = done / max(time.monotonic() - began_s, 1e-9)
            progress.update(task, rate=f"{rate:,.0f}/s")

        yield step


def _plain(console: Console, what: str, total: int) -> Step:
    began_s = time.monotonic()
    done, next_s = 0, PLAIN_EVERY_S

    def step(more: int) -> None:
        nonlocal done, next_s
        done += more
        passed_s = time.monotonic() - began_s
        if passed_s < next_s and done < total:
            return
        next_s = passed_s + PLAIN_EVERY_S
        rate = done / max(passed_s, 1e-9)
        line = f"{what:8} {done:,} of {total:,}, {passed_s:.0f} s, {rate:,.0f}/s"
        console.print(line, highlight=False)

    return step
