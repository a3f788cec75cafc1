"""What stands between a claim and its handler: the engine's leave to start, and the journal."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from ._commit import GroupCommit
from ._journal_rules import Bar, Begin, Outcome, Repeat, Run, Verdict, Write
from ._lease import Lease, lag_of
from ._link import Link
from ._outcomes import not_run
from ._problems import EngineError
from ._run import Served

__all__ = ["Begun", "begin_in_journal", "start_at_engine"]

START_TIMEOUT_S = 10.0

log = logging.getLogger("troth.worker")

Begun = tuple[Lease, Served, Run]
Leave = Callable[[Lease, Outcome | None], None]

_FREE = Run(seen=False)


async def start_at_engine(link: Link, worker: str, leases: list[Lease], leave: Leave) -> None:
    """Ask to act on reserved claims: R2, R3 and class B act only once the engine said so.

    A claim that may not start is let go; it was not begun, so nothing is answered.
    """
    body = {
        "worker": worker,
        "starts": [{"effect": lease.effect, "token": lease.token} for lease in leases],
    }
    asked_s = asyncio.get_running_loop().time()
    try:
        answer = await link.ask("starts", body, timeout_s=START_TIMEOUT_S)
    except EngineError as error:
        log.warning("action=start_failed code=%s %s", error.code, error.message)
        for lease in leases:
            leave(lease, None)
        return
    lag = lag_of(answer.headers.get("date"))
    for lease, result in zip(leases, answer.json["results"], strict=True):
        if result["status"] == "started":
            lease.started = True
            # Counted from the question: however long the answer took, the lease is not overrated.
            lease.renew(result, asked_s, lag)
        else:
            log.info("action=start_refused effect=%s code=%s", lease.effect, result.get("code"))
            leave(lease, None)


async def begin_in_journal(
    journal: GroupCommit, asked: list[tuple[Lease, Served]], leave: Leave
) -> list[Begun]:
    """Begin effects in one transaction; gives those that may run, and answers the others."""
    groups = [_writes(lease, served) for lease, served in asked]
    try:
        verdicts = iter(await journal.write([write for group in groups for write in group]))
    except Exception as error:  # noqa: BLE001  drivers have errors of their own
        log.error("action=journal_failed error=%s", error)  # noqa: TRY400  told with its reason
        for lease, _ in asked:
            leave(lease, _unjournaled(lease, error))
        return []
    begun: list[Begun] = []
    for (lease, served), group in zip(asked, groups, strict=True):
        verdict = _joined([next(verdicts) for _ in group], lease, served, journal.kind)
        if isinstance(verdict, Run):
            begun.append((lease, served, verdict))
            continue
        log.info(
            "action=journal_answers effect=%s token=%s outcome=%s code=%s",
            lease.effect, lease.token, verdict.outcome["outcome"], verdict.outcome.get("code"),
        )  # fmt: skip
        leave(lease, verdict.outcome)
    return begun


def plain(lease: Lease, served: Served) -> Begun:
    """A step that touches nothing outside: it needs no journal."""
    return lease, served, _FREE


def _writes(lease: Lease, served: Served) -> list[Write]:
    if lease.kind == "probe":
        # Barred before it is asked: what a late worker does after the answer would make it wrong.
        return [Bar(lease.effect, lease.token, "probe")]
    repeatable = served.repeatable and lease.repeatable
    intended_us = None if lease.pushed is None else lease.pushed.intended_us
    begin = Begin(
        lease.effect, lease.digest, lease.token, lease.attempt, repeatable, intended_us,
        participant=lease.contract.partition("/")[0],
    )  # fmt: skip
    if lease.undoes is None:
        return [begin]
    return [Bar(lease.undoes, lease.token, "undo"), begin]


def _joined(verdicts: list[Verdict], lease: Lease, served: Served, journal: str) -> Verdict:
    last = verdicts[-1]
    if lease.kind == "probe":
        return last if isinstance(last, Run) else Repeat(_cannot_tell(last.outcome))
    if len(verdicts) == 1:
        return last
    bar = verdicts[0]
    if isinstance(bar, Repeat):
        return bar
    if isinstance(last, Run) and served.attempted and not bar.seen and journal == "shared":
        # What was never done is undone by the bar alone: nothing can do it any more.
        return Repeat({"outcome": "done", "result": None})
    return last


def _cannot_tell(outcome: Outcome) -> Outcome:
    return {
        "outcome": "cannot_tell",
        "code": outcome.get("code", "journal"),
        "message": outcome.get("message", ""),
    }


def _unjournaled(lease: Lease, error: Exception) -> Outcome:
    """The journal cannot be written, so nothing runs."""
    text = f"the journal cannot be written: {error}"
    outcome: dict[str, Any] = not_run("journal", text)
    return {**outcome, "outcome": "cannot_tell"} if lease.kind == "probe" else outcome
