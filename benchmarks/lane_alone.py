"""One lane on SQLite in this process, replies made by the loop: nothing but the engine's core."""

from __future__ import annotations

import tempfile
import time
from itertools import count
from pathlib import Path
from typing import Any

import orjson

from adapters.sqlite.store import SqliteStore
from benchmarks.saga import PAD, app
from consumers.lane import Lane
from domain.ports import Asked, ClaimAsk
from domain.requests import ClaimRequest, Publish, RegisterRequest, RepliesRequest, Request

__all__ = ["drive"]

BATCH = 500
WHO = Asked("bench", "bench", "executor_system", ("producer", "participant", "operator"))
WORKER = "bench/1"
CONTRACTS = tuple(f"bench/{name}@1" for name in ("one", "two", "three", "four", "five"))
ROUNDS_MAX = 100_000


def drive(sagas: int) -> float:
    """Run so many sagas of five steps on an empty store; seconds it took. Raises RuntimeError."""
    with tempfile.TemporaryDirectory(prefix="troth-bench-") as name:
        now_us = time.time_ns() // 1_000
        store = SqliteStore.open(f"sqlite:///{Path(name) / 'troth.db'}", now_us=now_us)
        try:
            lane = Lane(store)
            lane.open()
            lane.serve_from(now_us)
            return _driven(lane, count(now_us), sagas)
        finally:
            store.close()


def _driven(lane: Lane, clock: count[int], sagas: int) -> float:
    for document in app.documents():
        lane.process([RegisterRequest(WHO, document)], next(clock))
    begun = time.perf_counter()
    for start in range(0, sagas, BATCH):
        some = [_start(number) for number in range(start, min(start + BATCH, sagas))]
        lane.process(some, next(clock))
    done = 0
    for _ in range(ROUNDS_MAX):
        ask = ClaimAsk("bench", WORKER, CONTRACTS, BATCH, True)
        claims = _answer(lane, ClaimRequest(WHO, ask, 0.0), next(clock))["claims"]
        if not claims:
            break
        replies = RepliesRequest(WHO, WORKER, tuple(_reply(claim) for claim in claims))
        done += len(_answer(lane, replies, next(clock))["results"])
    if done != sagas * len(CONTRACTS):
        raise RuntimeError(f"{done} of {sagas * len(CONTRACTS)} steps were done")
    return time.perf_counter() - begun


def _answer(lane: Lane, request: Request, now_us: int) -> Any:
    """The answer to one request. Raises Refusal."""
    found = lane.process([request], now_us).answers[0]
    if isinstance(found, Exception):
        raise found
    return found


def _start(number: int) -> Publish:
    event = {
        "specversion": "1.0", "id": f"e{number}", "source": "urn:bench", "type": "bench.begun",
        "data": {"id": f"alone-{number}", "pad": PAD},
    }  # fmt: skip
    return Publish(WHO, event, orjson.dumps(event))


def _reply(claim: Any) -> dict[str, Any]:
    names = ("effect", "attempt", "token", "kind", "commitment")
    kept = {name: claim[name] for name in names}
    return {**kept, "outcome": "done", "result": {"id": "x", "pad": PAD}}
