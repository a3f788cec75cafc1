"""The simulator must catch an engine that is broken on purpose, each within a few seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import pytest

from adapters.sqlite import dispatch, writes
from adapters.sqlite.transaction import SqliteTransaction
from consumers import work
from consumers.batch import Batch
from domain import key_stream
from domain.messages import Wake
from sagas.decide import approvals, effects, undoing
from sagas.decide.machine import Machine
from tests.simulation.world import run_seed

SEEDS_MAX = 25
FIRST_SEED = 1
Json = Any


@contextmanager
def acknowledges_before_the_commit() -> Iterator[None]:
    """The answers leave; the commit happens when the next transaction begins."""
    from adapters.sqlite.store import SqliteStore

    begin = SqliteStore.begin

    def begins(self: SqliteStore, belief: Any) -> SqliteTransaction:
        if self.connection.in_transaction:
            self.connection.execute("COMMIT")
        return begin(self, belief)

    with patch.object(SqliteTransaction, "commit", lambda _: None), \
         patch.object(SqliteStore, "begin", begins):  # fmt: skip
        yield


@contextmanager
def undoes_in_forward_order() -> Iterator[None]:
    order = undoing._order

    def forward(m: Machine, group: str, entries: Json) -> tuple[int, int]:
        one, other = order(m, group, entries)
        return -one, -other

    with patch.object(undoing, "_order", forward):
        yield


@contextmanager
def accepts_a_stale_token() -> Iterator[None]:
    held = dispatch._held

    def anybody(db: Any, reply: Any, belief: Any) -> Any:
        row = held(db, reply, belief)
        if row is None and len(reply.effect) == 64:
            row = db.execute(dispatch._ROW, (bytes.fromhex(reply.effect),)).fetchone()
            row = row if row is not None and row[dispatch._STATE] != "offered" else None
        return row

    with patch.object(dispatch, "_held", anybody):
        yield


@contextmanager
def fires_timers_early() -> Iterator[None]:
    from sagas import decide

    fire = decide.timers.fire_due
    with patch.object(decide.timers, "fire_due", lambda m, now_us: fire(m, now_us + 60_000_000)):
        yield


@contextmanager
def forgets_to_fire_timers_first() -> Iterator[None]:
    from sagas import decide

    def only_on_wake(m: Machine, now_us: int) -> None:
        if m.ctx["actor"] == "troth":
            fire(m, now_us)

    fire = decide.timers.fire_due
    with patch.object(decide.timers, "fire_due", only_on_wake):
        yield


@contextmanager
def drops_the_mailbox() -> Iterator[None]:
    """An event that nobody wants yet is forgotten."""
    decide = key_stream.decide

    def forgetful(state: Any, message: Any, **more: Any) -> Any:
        found = decide(state, message, **more)
        events = [e for e in found.events if type(e).__name__ != "EventKept"]
        if len(events) == len(found.events) or state is None or found.mail:
            return found
        return decide(state, Wake(0), **more)

    with patch.object(key_stream, "decide", forgetful):
        yield


@contextmanager
def ignores_an_expired_decision() -> Iterator[None]:
    from dataclasses import replace

    command = effects.command

    def without_end(m: Any, path: str, node: Any, args: Any, actions: Any, _: Any, by: Any) -> None:
        command(m, path, node, args, actions, None, by)

    def usable(m: Machine, binding: Any, action: str) -> bool:
        return used(m, replace(binding, not_after_us=None), action)

    used = approvals.usable
    with patch.object(effects, "command", without_end), \
         patch.object(approvals, "usable", usable):  # fmt: skip
        yield


@contextmanager
def asks_for_no_decision() -> Iterator[None]:
    with patch.object(approvals, "usable", lambda m, binding, action: True):
        yield


@contextmanager
def retries_an_unknown_r2() -> Iterator[None]:
    def again(m: Machine, key: str, effect: Any, reason: str) -> None:
        error = effects.error_of("timeout", "no_reply", reason, effect.node)
        effects.attempt_over(m, key, effect, error, unanswered=True)

    with patch.object(effects, "unanswered", again):
        yield


@contextmanager
def leaves_the_dispatch_row() -> Iterator[None]:
    offer = writes._OFFER.replace("INSERT", "INSERT OR REPLACE")
    with patch.object(writes, "_SETTLED", "DELETE FROM dispatches WHERE effect = ? AND 0"), \
         patch.object(writes, "_OFFER", offer):  # fmt: skip
        yield


@contextmanager
def keeps_the_cache_after_a_failed_commit() -> Iterator[None]:
    from consumers.lane import Lane

    def forget(self: Any) -> None:
        self._has_mail = True
        self._belief = None

    settle = Lane._run

    def run(self: Any, *args: Any, **more: Any) -> None:
        streams = self._parts.streams
        take = streams.take

        def remembered(tx: Any, stream: Any) -> Any:
            entry = take(tx, stream)
            streams._entries[stream] = entry
            return entry

        with patch.object(streams, "take", remembered):
            settle(self, *args, **more)

    with patch.object(Lane, "_forget", forget), patch.object(Lane, "_run", run):
        yield


@contextmanager
def forgets_the_receipt() -> Iterator[None]:
    """A repeated event is not known any more."""
    with (
        patch.object(Batch, "receipt", lambda *_: None),
        patch.object(writes, "_RECEIPT", writes._RECEIPT.replace("INSERT", "INSERT OR REPLACE")),
    ):
        yield


@contextmanager
def loses_a_wake_up() -> Iterator[None]:
    with patch.object(writes, "_TIMER", "INSERT INTO timers SELECT ?, ?, ? WHERE 0"):
        yield


@contextmanager
def sweeps_silently() -> Iterator[None]:
    """A lost lease is taken away and nobody is told."""
    with patch.object(work, "overdue", lambda batch, found: None):
        yield


BREAKAGES: tuple[tuple[Callable[[], Any], int], ...] = (
    (acknowledges_before_the_commit, 12), (undoes_in_forward_order, 4),
    (accepts_a_stale_token, 142), (fires_timers_early, 2), (forgets_to_fire_timers_first, 112),
    (drops_the_mailbox, 1), (ignores_an_expired_decision, 8), (asks_for_no_decision, 8),
    (retries_an_unknown_r2, 7), (leaves_the_dispatch_row, 1),
    (keeps_the_cache_after_a_failed_commit, 1), (forgets_the_receipt, 2), (loses_a_wake_up, 1),
    (sweeps_silently, 1),
)  # fmt: skip
"""Each with the seed that is tried first: it saw the breakage when this was written."""


@pytest.mark.parametrize(("breakage", "first"), BREAKAGES, ids=lambda b: getattr(b, "__name__", ""))
def test_a_broken_engine_is_caught(breakage: Callable[[], Any], first: int) -> None:
    """Within a bounded number of seeds some invariant fails."""
    found = caught(breakage, first)
    assert found is not None, f"{SEEDS_MAX} seeds did not see that it {breakage.__name__}"


def caught(breakage: Callable[[], Any], first: int = FIRST_SEED) -> tuple[int, str] | None:
    """A seed that sees the breakage, and the invariant that failed."""
    others = range(FIRST_SEED, FIRST_SEED + SEEDS_MAX)
    for seed in (first, *(other for other in others if other != first)):
        with ExitStack() as stack:
            stack.enter_context(breakage())
            outcome = run_seed(seed)
        if outcome.violation is not None:
            return seed, outcome.violation.name
    return None
