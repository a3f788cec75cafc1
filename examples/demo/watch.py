"""Where everything is: read from the public API, and from the participants' own books."""

from __future__ import annotations

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from examples.demo.calls import SAGA, all_of, patiently
from examples.demo.parties import Ledger
from examples.partner_activation import books
from troth import AsyncClient

__all__ = ["ENDS", "NOTHING_YET", "Row", "Seen", "Watch", "tally"]

ENDS = ("fulfilled", "compensated", "refused", "cancelled", "in debt")
"""How a commitment can end here, in the order of every line that lists them."""

_OPEN = ("open", "waiting", "compensating", "held", "paused")
_OVER = frozenset({"fulfilled", "compensated", "failed", "cancelled", "in_debt"})
_STEPS = re.compile(r'troth_steps_total\{.*outcome="(\w+)".*\} ([0-9.e+]+)')
_PARKED = re.compile(r"troth_parked_streams(?:\{.*\})? ([0-9.e+]+)")
_PROBE_ANSWERS = ("present", "absent", "cannot_tell")
METRICS_TIMEOUT_S = 5.0

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One current step: how many are there, what they wait for, since when the oldest."""

    step: str
    now: int
    waits_for: str
    oldest_s: float


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at everything. `ends` counts by the words of ENDS."""

    rows: tuple[Row, ...]
    ends: Mapping[str, int]
    partners: int
    events_in: int
    steps: int
    probes: int
    errors: int
    replies_lost: int
    decided: int
    parked: int

    @property
    def done(self) -> int:
        """How many have ended, those in debt too."""
        return sum(self.ends.values())


NOTHING_YET = Seen((), dict.fromkeys(ENDS, 0), 0, 0, 0, 0, 0, 0, 0, 0)


class Watch:
    """Looks at one engine; counters go on when one of its processes is started again.

    `urls` are those of all its processes.
    """

    def __init__(
        self,
        client: AsyncClient,
        urls: Sequence[str],
        books_file: Path,
        ledger: Ledger,
        partners: int,
    ) -> None:
        self._client = client
        self._metrics = [_Metrics(url) for url in urls]
        self._books = books_file
        self._ledger = ledger
        self._partners = partners

    async def look(self) -> Seen:
        """Everything as it is now. Raises EngineError when no engine answers for long."""
        counts = await patiently(lambda: self._client.counts(SAGA))
        waiting = [item for status in _OPEN async for item in all_of(self._client, status=status)]
        found = await asyncio.gather(*(process.replies() for process in self._metrics))
        replies = sum(found, Counter[str]())
        went = await asyncio.to_thread(self._went)
        return Seen(
            rows=_rows(waiting),
            ends=tally(counts["status"]),
            partners=self._partners,
            events_in=len(self._ledger.sent) + self._ledger.repeated,
            steps=replies["done"],
            probes=sum(replies[answer] for answer in _PROBE_ANSWERS),
            errors=went[books.ERROR],
            replies_lost=went[books.LOST_REPLY],
            decided=self._ledger.decided,
            parked=sum(process.parked for process in self._metrics),
        )

    def _went(self) -> Counter[str]:
        if not self._books.exists():
            return Counter()
        with books.opened(self._books) as opened:
            return opened.went()


class _Metrics:
    """What one process counts."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/metrics"
        self._base: Counter[str] = Counter()
        self._last: Counter[str] = Counter()
        self.parked = 0

    async def replies(self) -> Counter[str]:
        """Replies by outcome, over all lives of the process; the last known while it is away."""
        try:
            async with httpx.AsyncClient(timeout=METRICS_TIMEOUT_S) as http:
                text = (await http.get(self._url)).text
        except httpx.HTTPError:
            return self._base + self._last
        now: Counter[str] = Counter()
        for outcome, count in _STEPS.findall(text):
            now[outcome] += int(float(count))
        self.parked = int(sum(map(float, _PARKED.findall(text))))
        if now.total() < self._last.total():
            self._base += self._last
        self._last = now
        return self._base + now


def tally(statuses: Mapping[str, int]) -> dict[str, int]:
    """How many ended how, by the words of ENDS."""
    found = {status.replace("_", " "): n for status, n in statuses.items() if status in _OVER}
    # A commitment that fails before anything was done has nothing to undo: it was refused.
    found["refused"] = found.pop("failed", 0)
    return {end: found.get(end, 0) for end in ENDS}


def _rows(waiting: list[Json]) -> tuple[Row, ...]:
    at_step: dict[str, list[Json]] = defaultdict(list)
    since: dict[str, str] = {}
    for item in waiting:
        wait = item["waits_for"][0] if item["waits_for"] else {"node": "", "kind": "", "detail": ""}
        undo = "undo " if wait["detail"].startswith("undo: ") else ""
        step = undo + (item["step"] or item["status"])
        at_step[step].append(wait)
        since[step] = min(since.get(step, item["since"]), item["since"])
    now = datetime.now(UTC)
    return tuple(
        Row(step, len(waits), _waits_for(waits), _age_s(now, since[step]))
        for step, waits in sorted(at_step.items())
    )


def _waits_for(waits: list[Json]) -> str:
    """What they wait for, in the words of the first, and how many try again."""
    kinds = Counter(wait["kind"] for wait in waits)
    detail = waits[0]["detail"].removeprefix("undo: ")
    match kinds.most_common(1)[0][0]:
        case "event":
            return f"event {detail.partition(',')[0]}"
        case "participant" | "retry" | "unknown":
            served = (w["detail"] for w in waits if w["kind"] == "participant")
            names = {text.removeprefix("undo: ").partition(",")[0] for text in served}
            told = sorted(names)
            told += [f"{kinds['retry']} in retry"] if kinds["retry"] else []
            told += [f"{kinds['unknown']} unknown, probed"] if kinds["unknown"] else []
            return ", ".join(told)
        case _:
            return detail


def _age_s(now: datetime, since: str) -> float:
    return max(0.0, (now - datetime.fromisoformat(since)).total_seconds())
