"""The end of a run: the engine's record against the participants' books, and one audit trail."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from examples.demo.calls import all_of, patiently
from examples.demo.watch import tally
from examples.partner_activation import books
from examples.partner_activation.books import Differences, Done
from troth import AsyncClient
from troth._models import HistoryEvent

__all__ = ["Chain", "Ending", "Trail", "chain_of", "read_ending", "run_quietly"]

HISTORIES_AT_ONCE = 8
HISTORY_PAGE = 1_000
PAGES_MAX = 20
BOOKED_BY = "crm/"
COMMAND_TIMEOUT_S = 60.0

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Trail:
    """A commitment with its history."""

    id: str
    ref: str
    company: str
    status: str
    events: Sequence[HistoryEvent]

    def is_chained(self) -> bool:
        """Each event names the hash of the one before it."""
        pairs = zip(self.events, self.events[1:], strict=False)
        return all(after.prev_sha256 == before.sha256 for before, after in pairs)

    def done(self) -> set[Done]:
        """The effects that the engine recorded as done, of the participant that keeps books."""
        kinds: dict[str, str] = {}
        found: set[Done] = set()
        for event in self.events:
            effect = event.data.get("effect", "")
            if event.type == "effect.intended.v1" and event.data["kind"] != "probe":
                kinds[effect] = _kind(event.data["contract"])
            elif event.type == "effect.done.v1" and kinds.get(effect):
                found.add(Done(kinds[effect], self.company, effect))
        return found


@dataclass(frozen=True, slots=True)
class Ending:
    """What a run came to."""

    ends: Mapping[str, int]
    differences: Differences
    effects: Mapping[str, int]
    calls: int
    unchained: Sequence[str]
    debts: Sequence[Json]
    shown: Trail | None
    why_refused: Mapping[str, int]

    @property
    def events(self) -> int:
        return len(self.shown.events) if self.shown else 0


async def read_ending(client: AsyncClient, books_file: Path) -> Ending:
    """Read every history over the public API, and compare it with the books."""
    items = [item async for item in all_of(client)]
    at_once = asyncio.Semaphore(HISTORIES_AT_ONCE)
    trails = await asyncio.gather(*(_trail(client, item, at_once) for item in items))
    with books.opened(books_file) as opened:
        kept, calls = opened.done(), opened.went().total()
    record = {done for trail in trails for done in trail.done()}
    codes = Counter(
        item["error"]["code"] for item in items if item["status"] == "failed" and item["error"]
    )
    return Ending(
        ends=tally(Counter(trail.status for trail in trails)),
        differences=books.compare(kept, record),
        effects=Counter(done.kind for done in kept),
        calls=calls,
        unchained=[trail.ref for trail in trails if not trail.is_chained()],
        debts=(await patiently(client.debts)).items,
        shown=_longest([trail for trail in trails if trail.status == "compensated"]),
        why_refused=codes,
    )


@dataclass(frozen=True, slots=True)
class Chain:
    """What `troth-engine verify` found in a store."""

    holds: bool
    told: str


async def chain_of(program: str, store_url: str) -> Chain:
    """Verify the chains of all lanes."""
    code, said = await run_quietly(program, "verify", "--json", "--store", store_url)
    lanes = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    if code or not lanes:
        return Chain(False, said or "troth-engine verify said nothing")
    events, streams = (sum(lane[what] for lane in lanes) for what in ("events", "streams"))
    where = "1 lane" if len(lanes) == 1 else f"{len(lanes)} lanes"
    return Chain(True, f"{events} events in {streams} streams, {where}: the chain holds")


async def run_quietly(*command: str, timeout_s: float = COMMAND_TIMEOUT_S) -> tuple[int, str]:
    """The exit code of a command, run where we are, and all it said."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), timeout_s)
    except TimeoutError:
        process.kill()
        await process.wait()
        return 1, f"{command[0]} did not end within {timeout_s:g} s"
    return process.returncode or 0, said.decode("utf-8", "replace").rstrip()


async def _trail(client: AsyncClient, item: Json, at_once: asyncio.Semaphore) -> Trail:
    events: list[HistoryEvent] = []
    async with at_once:
        for _ in range(PAGES_MAX):
            after = events[-1].version if events else 0
            look = partial(client.history, item["id"], after_version=after, limit=HISTORY_PAGE)
            page = await patiently(look)
            events += page.events
            if page.next is None:
                break
    return Trail(item["id"], f"{item['saga']}/{item['key']}", item["key"], item["status"], events)


def _kind(contract: str) -> str:
    """`crm/create-account@1:undo` is in the books as `undo create-account`; of others, empty."""
    if not contract.startswith(BOOKED_BY):
        return ""
    name, _, undo = contract.removeprefix(BOOKED_BY).partition(":")
    return ("undo " if undo else "") + name.partition("@")[0]


def _longest(trails: Sequence[Trail]) -> Trail | None:
    """The one to which most happened; of equals the first by name."""
    return max(trails, key=lambda trail: (len(trail.events), trail.ref), default=None)
