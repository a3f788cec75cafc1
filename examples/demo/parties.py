"""The scripted people and producers: each with a key of its own, over the public API."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from examples.demo.calls import SAGA, all_of, patiently
from examples.demo.children import DemoFailed
from examples.demo.script import Script
from examples.kafka import Producer
from examples.partner_activation import books
from troth import AsyncClient, EngineError

__all__ = ["Approver", "Ledger", "apply_all", "operate", "sign_all"]

SOURCE = "urn:example:portal"
BATCH = 10
PACE_S = 0.2
"""Between two batches of applications: a run shall be seen, not only be over."""
LOOK_S = 0.3
SIGNS_AFTER_S = 1.0
"""How long a partner takes to sign, once its account is there."""
DECISIONS_AT_ONCE = 8
INBOX = 200

ALREADY = frozenset({"TR432", "TR433", "TR440", "TR442"})
"""It was closed or asked anew meanwhile, or this is the same answer sent again."""

Json = dict[str, Any]


@dataclass(slots=True)
class Ledger:
    """What the demo itself has done, for its counters and its summary."""

    sent: set[str] = field(default_factory=set[str])
    repeated: int = 0
    decided: int = 0
    rejected: int = 0
    cancelled: set[str] = field(default_factory=set[str])
    settled: int = 0


async def apply_all(client: Producer, script: Script, ledger: Ledger) -> None:
    """Send every application; before them the early signatures, after them one that came twice."""
    await _publish(client, ledger, [_signed(company) for company in sorted(script.early)])
    for start in range(0, len(script.companies), BATCH):
        batch = script.companies[start : start + BATCH]
        await _publish(client, ledger, [_applied(company) for company in batch])
        await asyncio.sleep(PACE_S)
    again = await patiently(lambda: client.publish([_applied(script.companies[0])]))
    if again[0]["status"] not in ("repeated", "sent"):
        raise DemoFailed(f"an event that came twice was answered {again[0]}")
    ledger.repeated += 1


async def sign_all(producer: Producer, reader: AsyncClient, script: Script, ledger: Ledger) -> None:
    """Sign for the partners whose accounts are there, a moment later; until it is cancelled."""
    seen: dict[str, float] = {}
    loop = asyncio.get_running_loop()
    while True:
        waiting = [item["key"] async for item in all_of(reader, step="partner_signed")]
        for company in filter(script.signs, waiting):
            seen.setdefault(company, loop.time())
        due = [c for c, since in seen.items() if loop.time() - since >= SIGNS_AFTER_S]
        fresh = [_signed(company) for company in due if f"signed-{company}" not in ledger.sent]
        for start in range(0, len(fresh), BATCH):
            await _publish(producer, ledger, fresh[start : start + BATCH])
        await asyncio.sleep(LOOK_S)


async def operate(client: AsyncClient, script: Script, books_file: Path, ledger: Ledger) -> None:
    """Cancel those that withdraw, and answer what only a person can; until it is cancelled."""
    while True:
        async for item in all_of(client, step="partner_signed"):
            company = item["key"]
            if company in script.withdrawn and company not in ledger.cancelled:
                await _cancel(client, item)
                ledger.cancelled.add(company)
        async for item in all_of(client, status="open"):
            for wait in item["waits_for"]:
                if wait["kind"] == "unknown" and "a person" in wait["detail"]:
                    await _settle(client, item, wait["node"], books_file)
                    ledger.settled += 1
        await asyncio.sleep(LOOK_S)


@dataclass(slots=True)
class Approver:
    """Decides whatever waits for its seat."""

    client: AsyncClient
    seat: str
    script: Script
    ledger: Ledger
    says_no: bool = False
    _done: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])

    async def run(self) -> None:
        """Look into the inbox again and again; until it is cancelled."""
        at_once = asyncio.Semaphore(DECISIONS_AT_ONCE)
        while True:
            page = await patiently(lambda: self.client.inbox(limit=INBOX))
            mine = [item for item in page.items if self._wanted(item)]
            await asyncio.gather(*(self._decide(item, at_once) for item in mine))
            await asyncio.sleep(LOOK_S)

    def _wanted(self, item: Json) -> bool:
        asked = (item["id"], item["digest"])
        return asked not in self._done and any(self.seat in seat for seat in item["missing"])

    async def _decide(self, item: Json, at_once: asyncio.Semaphore) -> None:
        why = self.script.reason(item["key"]) if self.says_no else None
        answer, reason = ("approve", "checked") if why is None else ("reject", why)
        async with at_once:
            try:
                await patiently(
                    lambda: self.client.decide(
                        item["id"], answer, digest=item["digest"], reason=reason
                    )
                )
            except EngineError as error:
                if error.code not in ALREADY:
                    raise
        self._done.add((item["id"], item["digest"]))
        self.ledger.decided += 1
        self.ledger.rejected += why is not None


async def _cancel(client: AsyncClient, item: Json) -> None:
    reason = "the partner withdrew"
    await patiently(lambda: client.control(item["id"], "cancel", reason=reason))


async def _settle(client: AsyncClient, item: Json, node: str, books_file: Path) -> None:
    """Look into the CRM's books whether it happened, and say so."""
    history = await patiently(lambda: client.history(item["id"], limit=INBOX))
    key = [e.data["effect"] for e in history.events if e.type == "effect.unknown.v1"][-1]
    with books.opened(books_file) as opened:
        answer = opened.answer_of(key)
    result = None if answer is None else {"account_id": answer.partition(" ")[0]}
    await patiently(
        lambda: client.control(
            item["id"],
            "settle",
            node=node,
            outcome="not_done" if answer is None else "done",
            result=result,
            evidence={"looked_up": key, "found": answer},
            reason="looked it up in the CRM",
        )
    )


def _applied(company: str) -> Json:
    return _event("partner.applied", f"applied-{company}", {"company": company})


def _signed(company: str) -> Json:
    data = {"company": company, "signed_by": f"ceo@{company}.example"}
    return _event("partner.signed", f"signed-{company}", data)


def _event(kind: str, id: str, data: Json) -> Json:
    return {"specversion": "1.0", "id": id, "source": SOURCE, "type": kind, "data": data}


async def _publish(client: Producer, ledger: Ledger, events: Sequence[Json]) -> None:
    """Send CloudEvents as one batch; each is durable once this returns."""
    answers = await patiently(lambda: client.publish(events)) if events else []
    for event, answer in zip(events, answers, strict=True):
        if answer["status"] == "refused":
            raise DemoFailed(f"{SAGA}: event {event['id']} was refused: {answer}")
        ledger.sent.add(event["id"])
