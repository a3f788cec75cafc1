"""Broken transactions: what is written, when it is acknowledged, and who may write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

from adapters.sqlite import store as sqlite_store
from adapters.sqlite import writes
from adapters.sqlite.store import SqliteStore
from adapters.sqlite.transaction import SqliteTransaction
from consumers import accept, batch
from consumers.batch import Applied, Batch
from consumers.lane import Lane
from consumers.streams import Streams
from domain import chain
from domain.chain import GENESIS
from domain.ports import LaneWrite, PassedAnswer
from tests.simulation import shared
from tests.simulation.mutants.harness import mutant, replaced, reworded, wrapped
from tests.simulation.shared import SharedStore

Json = Any


@mutant(promise=1)
def acknowledges_before_the_commit() -> Iterator[None]:
    """The answers leave; the commit happens when the next transaction begins."""
    begin = SqliteStore.begin

    def begins(self: SqliteStore, belief: Any) -> SqliteTransaction:
        if self.connection.in_transaction:
            self.connection.execute("COMMIT")
        return begin(self, belief)

    def begins_shared(real: Any, self: SharedStore, *beliefs: Any) -> Any:
        if self.connection.in_transaction:
            self.connection.execute("COMMIT")
        return real(self, *beliefs)

    with replaced(SqliteTransaction, "commit", lambda _: None), \
         replaced(SqliteStore, "begin", begins), \
         wrapped(SharedStore, "begin", begins_shared):  # fmt: skip
        yield


@mutant(promise=1)
def answers_what_was_rolled_back() -> Iterator[None]:
    """Nothing is committed; everybody is told it was."""

    def commit(real: Any, tx: SqliteTransaction) -> None:
        if tx._db.total_changes % 7:
            real(tx)
        else:
            tx.rollback()

    with wrapped(SqliteTransaction, "commit", commit):
        yield


@mutant(promise=7)
def forgets_the_tracking_row() -> Iterator[None]:
    """What was settled keeps its dispatch row."""
    offer = writes._OFFER.replace("INSERT", "INSERT OR REPLACE")
    with replaced(writes, "_SETTLED", "DELETE FROM dispatches WHERE effect = ? AND 0"), \
         replaced(writes, "_OFFER", offer):  # fmt: skip
        yield


@mutant(promise=6)
def forgets_to_dispatch() -> Iterator[None]:
    """The intent is recorded and nobody can claim it."""
    offer = writes._OFFER.replace("VALUES (", "SELECT ").replace(", 0, 0)", ", 0, 0 WHERE 0")
    with replaced(writes, "_OFFER", offer):
        yield


@mutant(promise=1)
def forgets_the_receipt() -> Iterator[None]:
    """A repeated event is not known any more."""
    with replaced(Batch, "receipt", lambda *_: None), \
         reworded(writes, "_RECEIPT", "INSERT", "INSERT OR REPLACE"):  # fmt: skip
        yield


@mutant(promise=1)
def keeps_no_receipt() -> Iterator[None]:
    """An acceptance is answered and not written down."""

    def finish(real: Any, self: Batch) -> LaneWrite:
        write = real(self)
        write.receipts = []
        return write

    with wrapped(Batch, "finish", finish):
        yield


@mutant(promise=1)
def takes_another_content_under_an_id() -> Iterator[None]:
    """An id that was used is answered as repeated, whatever comes under it."""
    with wrapped(
        accept, "_repeated", lambda real, known, _, *more: real(known, known.digest, *more)
    ):
        yield


@mutant(promise=6)
def loses_a_wake_up() -> Iterator[None]:
    """Timers are not written."""
    with replaced(writes, "_TIMER", "INSERT INTO timers SELECT ?, ?, ? WHERE 0"):
        yield


@mutant(promise=6)
def keeps_a_wake_up_that_is_over() -> Iterator[None]:
    """A wake-up stays as it was first set."""
    with reworded(writes, "_TIMER", "DO UPDATE SET due_us = excluded.due_us", "DO NOTHING"):
        yield


@mutant(promise=1)
def loses_the_tail_of_a_batch() -> Iterator[None]:
    """When a batch is full, what is still to be sent is dropped."""

    def drain(self: Batch) -> None:
        while self.line:
            if self.is_full:
                self._is_full = True
                self.line.rest()
                return
            mail = self.line.next()
            if mail is not None:
                self._apply(mail, True)

    with replaced(Batch, "_drain", drain):
        yield


@mutant(promise=1)
def takes_mail_twice() -> Iterator[None]:
    """Mail of the inbox is applied and stays."""

    def take(real: Any, self: Batch, id: int, mail: Any) -> None:
        real(self, id, mail)
        if id in self.write.inbox_done and id % 3 == 0:
            self.write.inbox_done.remove(id)

    with wrapped(Batch, "take", take):
        yield


@mutant(promise=1)
def drops_mail_for_another_lane() -> Iterator[None]:
    """What belongs to a lane of another owner is not sent."""

    def apply(real: Any, self: Batch, mail: Any, is_recorded: bool) -> Applied:
        if not self.owns(mail.stream):
            return Applied(None, None)
        return real(self, mail, is_recorded)

    with wrapped(Batch, "_apply", apply):
        yield


@mutant(promise=13)
def forgets_what_a_parked_stream_holds() -> Iterator[None]:
    """Mail for a stream that was set aside is dropped."""

    def hold(self: Batch, mail: Any, is_recorded: bool) -> Applied:
        return Applied(None, None, is_held=True)

    with replaced(Batch, "_hold", hold):
        yield


@mutant(promise=1)
def forgets_an_answer_to_what_was_passed_on() -> Iterator[None]:
    """The request is consumed by the owner of its lane; it lies there for ever instead."""

    def passed(real: Any, self: Any, of: Batch, id: int, item: Any) -> None:
        real(self, of, id, item)
        of.write.inbox_done.remove(id)
        of.write.answers = [a for a in of.write.answers if not isinstance(a, PassedAnswer)]

    from consumers.round import Round

    with wrapped(Round, "_take_passed", passed):
        yield


@mutant(promise=2)
def keeps_the_cache_after_a_failed_commit() -> Iterator[None]:
    """What was folded for a commit that did not come to be is believed."""

    def forget(self: Any) -> None:
        self._has_mail = True
        self._owned = None

    run = Lane._run

    def runs(self: Any, *args: Any, **more: Any) -> None:
        streams = self._parts.streams
        take = streams.take

        def remembered(tx: Any, stream: Any) -> Any:
            entry = take(tx, stream)
            streams._entries[stream] = entry
            return entry

        with patch.object(streams, "take", remembered):
            run(self, *args, **more)

    with replaced(Lane, "_forget", forget), replaced(Lane, "_run", runs):
        yield


@mutant(promise=2)
def keeps_the_cache_of_a_lane_it_lost() -> Iterator[None]:
    """Lanes change hands; the states that were folded before are used again."""
    with replaced(Streams, "clear", lambda self: None):
        yield


@mutant(promise=2)
def skips_the_fencing_check() -> Iterator[None]:
    """Whoever believes to own a lane may write to it."""
    lane = "UPDATE lanes SET head = ?, chain = ?, clock_us = ? WHERE lane = ? AND (1 OR ? OR ?)"
    check = "UPDATE lanes SET head = head WHERE lane = ? AND (1 OR ? OR ?)"
    with replaced(writes, "_LANE", lane), replaced(shared, "_CHECK", check), \
         replaced(sqlite_store, "_CHECK", check):  # fmt: skip
        yield


@mutant(promise=2)
def checks_the_head_and_not_the_epoch() -> Iterator[None]:
    """An owner that was replaced may write as long as the next one has not."""
    words = "epoch = ?", "(1 OR epoch = ?)"
    with reworded(writes, "_LANE", *words), reworded(shared, "_CHECK", *words):
        yield


@mutant(promise=12)
def lets_the_clock_of_a_lane_go_back() -> Iterator[None]:
    """Accept times follow the machine's clock."""

    def append(real: Any, db: Any, belief: Any, write: Any, clock_us: int) -> Any:
        from dataclasses import replace

        return real(db, replace(belief, clock_us=0), write, clock_us - 1)

    with wrapped(writes, "append", append):
        yield


@mutant(promise=9)
def breaks_the_chain() -> Iterator[None]:
    """An event does not name the hash of the one before it."""

    def finish(real: Any, self: Batch) -> LaneWrite:
        write = real(self)
        if len(write.prevs) > 3:
            write.prevs[-1] = GENESIS
        return write

    with wrapped(Batch, "finish", finish):
        yield


@mutant(promise=9)
def chains_without_the_topic() -> Iterator[None]:
    """The hash of an event leaves out what kind of event it is."""

    def hashed(prev: bytes, stream: bytes, version: int, _: str, state: bytes) -> bytes:
        return chain.event_hash(prev, stream, version, "", state)

    with replaced(batch, "event_hash", hashed):
        yield


@mutant(promise=2)
def loses_an_event_of_a_batch() -> Iterator[None]:
    """The last event of a large batch is not written."""

    def finish(real: Any, self: Batch) -> LaneWrite:
        write = real(self)
        if len(write.events) > 4:
            for rows in (write.events, write.prevs, write.hashes):
                rows.pop()
        return write

    with wrapped(Batch, "finish", finish):
        yield


@mutant(promise=8)
def forgets_a_row_of_a_view() -> Iterator[None]:
    """One view row in a few is not written with its events."""

    def view(real: Any, self: Batch, entry: Any, rows: Any) -> None:
        real(self, entry, [row for row in rows if entry.version % 5])

    with wrapped(Batch, "_view", view):
        yield


@mutant(promise=3)
def snapshots_the_state_before() -> Iterator[None]:
    """A snapshot is that of one batch earlier, under the version of now."""

    def due(real: Any, self: Batch, entry: Any, step: Any) -> Any:
        found = real(self, entry, step)
        if found is None or entry.state is None:
            return found
        from dataclasses import replace

        old = self.parts.mapper.to_stored_event(batch.snapshot_of(entry.state))
        return replace(old, originator_version=found.originator_version)

    with wrapped(Batch, "_snapshot_due", due):
        yield
