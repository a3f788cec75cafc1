"""What the saga language costs in one process: registering, long repeats, lists, milestones."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import orjson

from benchmarks.bench import Bench
from benchmarks.large import large_definition
from consumers.registering import definition_hash
from domain import messages as msg
from domain.commitment import Commitment, CommitmentSnapshot
from domain.events import EffectDone
from domain.ids import commitment_id
from domain.mapper import event_mapper
from sagas.checks import check
from sagas.decide import Decided, decide
from sagas.definition import Definition
from sagas.loading import load
from sagas.outputs import outputs

__all__ = ["items", "registration", "repeat"]

Json = Any
NODES = 500
REGISTRATIONS = 5
PERIODS = 120
SHOWN = (1, 12, PERIODS)
BEGUN_US = 1_700_000_000_000_000
CTX: dict[str, str | None] = {"tenant": "bench", "actor": "bench", "actor_type": "human"}
_STEP: Json = {"participant": "p", "command": {}, "result": {}, "external": False}
_DONE: Json = {"amount": 12, "note": "as it was agreed"}


def registration(bench: Bench) -> None:
    """All checks of a definition of 500 nodes, its hash and its loading, as registering does."""
    document = large_definition(NODES)
    took: list[tuple[float, float]] = []
    for _ in range(REGISTRATIONS):
        begun, begun_cpu = time.perf_counter(), time.process_time()
        faults = check(document)
        loaded = load(document, definition_hash(document).hex())
        took.append((time.perf_counter() - begun, time.process_time() - begun_cpu))
        assert faults == [], faults[:3]
        assert len(loaded.order) >= NODES, len(loaded.order)
    what = f"{NODES} nodes of all kinds, {len(orjson.dumps(document)) // 1024} KiB"
    clock, cpu = (1000 * statistics.median(times) for times in zip(*took, strict=True))
    bench.results.add("core", "registration", "first_ms", 1000 * took[0][0], "ms",
                f"{what}: checks, hash and loading, the first time in a process")  # fmt: skip
    bench.results.add("core", "registration", "median_ms", clock, "ms", f"median of {len(took)}")
    bench.results.add("core", "registration", "cpu_ms", cpu, "ms", "time of the processor alone")


def repeat(bench: Bench) -> None:
    """Bytes of a snapshot after so many months: without undo, with keep_rounds, with every undo."""
    ways = (("no_undo", "nothing to undo", False, False), ("kept", "keep_rounds", True, True),
            ("undone", "each round may be undone", True, False))  # fmt: skip
    for name, method, undone, keep in ways:
        sizes = _grown(undone=undone, keep=keep)
        for rounds in SHOWN:
            bench.results.add("core", "repeat", f"{name}_{rounds}_bytes", sizes[rounds], "bytes",
                        f"snapshot in round {rounds} of {PERIODS}, {method}")  # fmt: skip


def items(bench: Bench) -> None:
    """The median of one decide while a list of many items runs, and of one that is short."""
    for count in bench.sizes.items:
        took_us = 1e6 * statistics.median(_listed(count))
        told = f"one decide of a for_each over {count:,} items, a step each, median"
        bench.results.add("core", "items", f"{count}_us", took_us, "us", told)


# --- how ---------------------------------------------------------------------------------------


def _grown(*, undone: bool, keep: bool) -> dict[int, int]:
    """Bytes of the snapshot by the rounds that were done, of a monthly step."""
    step: Json = {"node": "step", "name": "a", "contract": "p/a@1", "args": {"n": "round.months"}}
    if undone:
        step["undo"] = {"contract": "p/a@1:undo", "args": {"amount": "result.amount"}}
    block: Json = {"node": "repeat", "name": "months", "max": PERIODS + 1, "every": {"months": 1},
                   "flow": [step]}  # fmt: skip
    if keep:
        block["keep_rounds"] = True
    loaded = load(
        {"troth": 1, "saga": "months", "version": 1, "key": "input.id", "input": {},
         "starts_on": [], "contracts": {"p/a@1": _STEP, "p/a@1:undo": _STEP}, "flow": [block]},
        "0" * 64,
    )  # fmt: skip
    sizes: dict[int, int] = {}
    for decided in _run(loaded, {"id": "k"}):
        if any(isinstance(event, EffectDone) for event in decided.events):
            sizes[len(sizes) + 1] = _bytes(decided.state)
    return sizes


def _bytes(state: Commitment) -> int:
    return len(event_mapper().to_stored_event(CommitmentSnapshot.take(state)).state)


def _listed(count: int) -> list[float]:
    one: Json = {"node": "step", "name": "a", "contract": "p/a@1", "args": {"x": "each.all.item"}}
    block: Json = {
        "node": "for_each", "name": "all", "items": "input.xs", "max_items": count, "flow": [one],
    }  # fmt: skip
    loaded = load(
        {"troth": 1, "saga": "list", "version": 1, "key": "input.id", "input": {},
         "starts_on": [], "contracts": {"p/a@1": _STEP}, "flow": [block]},
        "0" * 64,
    )  # fmt: skip
    took: list[float] = []
    for _ in _run(loaded, {"id": "k", "xs": list(range(count))}, took):
        pass
    return took[1:]  # the first takes all of the data


def _run(loaded: Definition, given: Json, took: list[float] | None = None) -> Iterator[Decided]:
    """A commitment from its opening on: every command is done, every timer fires when due."""
    stream: UUID = commitment_id("bench", loaded.saga, "k", 1)
    opening = msg.Open("bench", loaded.saga, 1, "0" * 64, "k", 1, given)
    waiting: list[msg.Message] = [opening]
    state: Commitment | None = None
    now_us = BEGUN_US
    while waiting:
        begun = time.perf_counter()
        decided = decide(loaded, state, waiting.pop(), stream=stream, now_us=now_us, ctx=CTX)
        if took is not None:
            took.append(time.perf_counter() - begun)
        told = outputs(state, decided.state, decided.events)
        state, now_us = decided.state, now_us + 1_000
        for offer in told.offered:
            d = offer.dispatch
            waiting.append(
                msg.Answered(d.effect, d.attempt, "1", d.kind, "done", "w", result=_DONE)
            )
        if not waiting and told.wake_us is not None and not state.is_over:
            now_us = max(now_us, told.wake_us)
            waiting.append(msg.Wake(now_us))
        yield decided
