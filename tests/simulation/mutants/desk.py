"""A broken desk: who holds an attempt, until when, and who is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from adapters.sqlite import dispatch, writes
from consumers import accept, steering, work
from consumers.batch import Batch
from consumers.round import Round
from domain.errors import Refusal
from tests.simulation.mutants.harness import mutant, replaced, reworded, wrapped
from troth import _journal
from troth._journal_rules import Run

Json = Any


@mutant(promise=7)
def accepts_a_stale_token() -> Iterator[None]:
    """A reply counts whatever lease it names."""

    def held(real: Any, db: Any, reply: Any, belief: Any) -> Any:
        row = real(db, reply, belief)
        if row is None and len(reply.effect) == 64:
            row = db.execute(dispatch._ROW, (bytes.fromhex(reply.effect),)).fetchone()
            row = row if row is not None and row[dispatch.STATE] != "offered" else None
        return row

    with wrapped(dispatch, "_held", held):
        yield


@mutant(promise=6)
def sweeps_silently() -> Iterator[None]:
    """A lost lease is taken away and nobody is told."""
    with replaced(work, "overdue", lambda batch, found: None):
        yield


@mutant(promise=6)
def never_sweeps() -> Iterator[None]:
    """What nobody answers is waited for, for ever."""
    with replaced(Round, "_sweep", lambda self, batch: None):
        yield


@mutant(promise=7)
def takes_a_lost_reservation_for_a_start() -> Iterator[None]:
    """What was only reserved counts as maybe done."""

    def why(real: Any, row: Any, now_us: int) -> str | None:
        return real(row, now_us) or "lease"

    with wrapped(dispatch, "why_overdue", why):
        yield


@mutant(promise=4)
def starts_without_asking() -> Iterator[None]:
    """Gated work starts with its claim, and the flow does not hear of it."""

    def offer(real: Any, d: Any, *more: Any) -> Any:
        return real(replace(d, needs_start=False), *more)

    with wrapped(writes, "_offer", offer):
        yield


@mutant(promise=7)
def starts_and_tells_nobody() -> Iterator[None]:
    """A worker may act; the flow does not hear that it may have."""

    def mail(real: Any, self: Batch, sent: Any, **more: Any) -> Any:
        if sent.message.KIND == "started":
            return None
        return real(self, sent, **more)

    with wrapped(Batch, "send", mail):
        yield


@mutant(promise=4)
def starts_after_the_decision_expired() -> Iterator[None]:
    """Neither claim, start nor sweep looks at the end of a decision."""

    def offer(real: Any, d: Any, *more: Any) -> Any:
        return real(replace(d, not_after_us=None), *more)

    with wrapped(writes, "_offer", offer):
        yield


@mutant(promise=7)
def hands_out_twice() -> Iterator[None]:
    """What was claimed stays on offer."""

    def take(real: Any, row: Any, claimed: Any, worker: str) -> Any:
        state, *rest = real(row, claimed, worker)
        return ("offered" if state == "reserved" else state, *rest)

    with wrapped(dispatch, "_take", take):
        yield


@mutant(promise=7)
def withdraws_what_was_started() -> Iterator[None]:
    """A command that may be running counts as taken back."""
    with reworded(dispatch, "_WITHDRAW", "AND state <> 'started'", ""):
        yield


@mutant(promise=6)
def withdraws_nothing() -> Iterator[None]:
    """What should be taken back is only asked to stop; nobody who was never there answers."""
    with reworded(dispatch, "_WITHDRAW", "AND state <> 'started'", "AND 0"):
        yield


@mutant(promise=1)
def answers_recorded_and_records_nothing() -> Iterator[None]:
    """Some replies are acknowledged and dropped."""

    def reply(real: Any, batch: Any, request: Any, item: Json) -> Json:
        if item["outcome"] == "done" and item["effect"][0] in "0123":
            verdict = batch.tx.take_reply(work.Reply(item["effect"], item["token"], request.worker))
            if verdict.status == "ok":
                batch.tx.withdraw(item["effect"])
                return {"effect": item["effect"], "status": "recorded"}
        return real(batch, request, item)

    with wrapped(work, "_reply", reply):
        yield


@mutant()
def obeys_another_tenant() -> Iterator[None]:
    """A control is carried out for whoever asks."""

    def tell(real: Any, batch: Any, request: Any, message: Any, *more: Any) -> Any:
        entry = batch.entry_or_none(request.commitment)
        if entry is not None and entry.state is not None:
            request = replace(request, asked=replace(request.asked, tenant=entry.state.tenant))
        return real(batch, request, message, *more)

    with wrapped(steering, "_tell", tell):
        yield


@mutant(promise=1)
def accepts_what_fits_no_schema() -> Iterator[None]:
    """An event that cannot be read is acknowledged."""

    def publish(real: Any, acceptance: Any, batch: Any, request: Any, **more: Any) -> Json:
        try:
            return real(acceptance, batch, request, **more)
        except Refusal as refused:
            if refused.alias.startswith("event.") and refused.alias != "event.id_reused":
                return {"id": "bad", "status": "accepted", "root": 1}
            raise

    with wrapped(accept, "publish", publish):
        yield


@mutant(promise=7)
def tells_nobody_of_a_repetition() -> Iterator[None]:
    """Neither the claim nor the journal says that an earlier run may have happened."""

    def judge(real: Any, entry: Any, write: Any, *more: Any) -> Any:
        found = real(entry, write, *more)
        return replace(found, repeated=False) if isinstance(found, Run) else found

    def shown(real: Any, claimed: Any, now_us: int) -> Json:
        return {**real(claimed, now_us), "repeated": False}

    with wrapped(_journal, "judge", judge), wrapped(work, "_shown", shown):
        yield
