"""What every journal does, whatever database it lies in (docs/format.md section 5)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from troth._errors import NotDone
from troth._journal import PURGE_ROWS_MAX, Journal
from troth._journal_rules import Answer, Bar, Begin, Repeat, Run, Verdict, Write
from troth._sql import Connection, begun, run

DONE = {"outcome": "done", "result": {"account_id": "4711"}}
Connect = Callable[[], Connection]


def begin(
    attempt: int = 1,
    *,
    token: str = "",
    repeatable: bool = True,
    digest: str = "d",
    intended_us: int | None = None,
) -> Begin:
    own = token or f"1.0.{attempt * 10}.1"
    return Begin("e", digest, own, attempt, repeatable, intended_us)


def answer(outcome: dict[str, Any], attempt: int = 1) -> Answer:
    return Answer("e", f"1.0.{attempt * 10}.1", attempt, outcome)


def one(journal: Journal, write: Write) -> Verdict:
    (verdict,) = journal.write([write])
    return verdict


def outcome_of(verdict: Verdict) -> dict[str, Any]:
    assert isinstance(verdict, Repeat)
    return verdict.outcome


class JournalContract:
    """A subclass says where the journal lies: `connect` and `make`."""

    @pytest.fixture
    def connect(self) -> Connect:
        """Connections to the participant's own database, in which the journal lies."""
        raise NotImplementedError

    @pytest.fixture
    def make(self) -> Callable[..., Journal]:
        """A journal in that database."""
        raise NotImplementedError

    @pytest.fixture
    def journal(self, make: Callable[..., Journal]) -> Iterator[Journal]:
        made = make()
        yield made
        made.close()

    @pytest.fixture
    def own(self, connect: Connect) -> Iterator[Connection]:
        """The participant's own connection, with a table of accounts."""
        connection = connect()
        run(connection, "CREATE TABLE accounts (id TEXT)", ())
        connection.commit()
        with contextlib.closing(connection):
            yield connection

    def test_an_effect_that_is_not_known_runs(self, journal: Journal) -> None:
        assert one(journal, begin()) == Run(repeated=False, seen=False)

    def test_an_answered_effect_answers_the_same_again(self, journal: Journal) -> None:
        """Also to a later attempt and after a restart: done is done."""
        journal.write([begin(), answer(DONE)])
        journal.close()
        assert outcome_of(one(journal, begin())) == DONE
        assert outcome_of(one(journal, begin(2))) == DONE

    def test_failures_are_recorded_by_attempt(self, journal: Journal) -> None:
        """The same attempt gets the recorded failure; the next one runs."""
        failed = {"outcome": "failed", "code": "struck-off"}
        journal.write([begin(), answer(failed)])
        assert outcome_of(one(journal, begin())) == failed
        assert one(journal, begin(2)) == Run(repeated=False)

    @pytest.mark.parametrize(
        ("outcome", "repeated"),
        [("transient", True), ("unknown", True), ("not_done", False), ("failed", False)],
    )
    def test_the_next_attempt_knows_whether_the_last_may_have_happened(
        self, journal: Journal, outcome: str, repeated: bool
    ) -> None:
        journal.write([begin(repeatable=False), answer({"outcome": outcome})])
        assert one(journal, begin(2, repeatable=False)) == Run(repeated=repeated)

    def test_the_same_effect_with_other_arguments_is_contradicted(self, journal: Journal) -> None:
        journal.write([begin(), answer(DONE)])
        told = outcome_of(one(journal, begin(2, digest="other")))
        assert (told["outcome"], told["code"]) == ("unknown", "contradicted")

    def test_a_lower_token_is_refused(self, journal: Journal) -> None:
        """Tokens compare as three numbers: 1.10.1 is above 1.9.7, and incarnation 2 above both."""
        journal.write([begin(token="1.0.10.1")])
        assert outcome_of(one(journal, begin(token="1.0.9.7")))["code"] == "journal.token"
        assert one(journal, begin(token="2.0.1.1")) == Run(repeated=True)
        assert outcome_of(one(journal, begin(token="1.0.11.1")))["code"] == "journal.token"

    def test_r1_without_an_answer_runs_again_and_is_told(self, journal: Journal) -> None:
        one(journal, begin())
        assert one(journal, begin()) == Run(repeated=True)

    def test_r2_without_an_answer_is_unknown_and_does_not_run(self, journal: Journal) -> None:
        one(journal, begin(repeatable=False))
        told = outcome_of(one(journal, begin(token="2.0.1.1", repeatable=False)))
        assert (told["outcome"], told["code"]) == ("unknown", "journal.started")

    def test_r2_runs_in_the_next_attempt_once_somebody_said_it_was_not_done(
        self, journal: Journal
    ) -> None:
        """A second attempt of R2 exists only when the first one is settled; it is told even so."""
        one(journal, begin(repeatable=False))
        assert one(journal, begin(2, repeatable=False)) == Run(repeated=True)

    def test_an_undo_bars_what_was_never_done(self, journal: Journal) -> None:
        assert one(journal, Bar("e", "1.0.50.1", "undo")) == Run(seen=False)
        assert outcome_of(one(journal, begin()))["code"] == "journal.token"
        later = outcome_of(one(journal, begin(6)))
        assert (later["outcome"], later["code"]) == ("not_done", "journal.barred")

    def test_an_undo_bars_what_was_done(self, journal: Journal) -> None:
        """After the undo the recorded `done` is not repeated: it is true no more."""
        journal.write([begin(), answer(DONE)])
        assert one(journal, Bar("e", "1.0.50.1", "undo")) == Run(recorded=DONE)
        assert outcome_of(one(journal, begin(6)))["code"] == "journal.barred"

    def test_a_probe_bars_lower_tokens_only(self, journal: Journal) -> None:
        """After `absent` the old command is refused, and the engine's next attempt runs."""
        one(journal, begin(repeatable=False))
        assert one(journal, Bar("e", "1.0.15.1", "probe")) == Run(seen=True)
        assert outcome_of(one(journal, begin(repeatable=False)))["code"] == "journal.token"
        assert one(journal, begin(2, repeatable=False)) == Run(repeated=True)

    def test_a_probe_leaves_what_is_recorded_as_done(self, journal: Journal) -> None:
        journal.write([begin(), answer(DONE)])
        assert one(journal, Bar("e", "1.0.15.1", "probe")) == Run(recorded=DONE)
        assert outcome_of(one(journal, begin(2))) == DONE

    def test_a_late_probe_cannot_bar_a_newer_command(self, journal: Journal) -> None:
        one(journal, begin(2))
        assert outcome_of(one(journal, Bar("e", "1.0.15.1", "probe")))["code"] == "journal.token"

    def test_an_undo_stays_an_undo_when_a_probe_bars_too(self, journal: Journal) -> None:
        journal.write([Bar("e", "1.0.20.1", "undo"), Bar("e", "1.0.30.1", "probe")])
        assert outcome_of(one(journal, begin(4)))["code"] == "journal.barred"

    def test_many_writes_are_one_transaction(self, journal: Journal) -> None:
        """A write that fails takes its neighbours with it: nothing is half recorded."""
        with pytest.raises(ValueError, match="not enough values"):
            journal.write([begin(), begin(), Begin("e", "d", "no token", 2, repeatable=True)])
        assert journal.entry("e") is None

    def test_what_the_participant_recorded_itself_counts(
        self, journal: Journal, own: Connection
    ) -> None:
        """Effect and answer are one write with the participant's rows; after a crash none runs."""
        one(journal, begin(repeatable=False))
        with begun(own):
            run(own, "INSERT INTO accounts VALUES (?)", ("4711",))
            journal.answer_in(own, "e", "1.0.10.1", 1, {"account_id": "4711"})
        assert outcome_of(one(journal, begin(token="2.0.1.1", repeatable=False))) == DONE

    def test_what_the_participant_rolled_back_did_not_happen(
        self, journal: Journal, own: Connection
    ) -> None:
        one(journal, begin())

        def fails() -> None:
            with begun(own):
                journal.answer_in(own, "e", "1.0.10.1", 1, {"account_id": "4711"})
                raise KeyError

        with pytest.raises(KeyError):
            fails()
        assert one(journal, begin()) == Run(repeated=True)

    def test_the_recorded_answer_beats_what_the_handler_says_afterwards(
        self, journal: Journal, own: Connection
    ) -> None:
        one(journal, begin())
        journal.answer_in(own, "e", "1.0.10.1", 1, {"account_id": "4711"})
        own.commit()
        assert outcome_of(one(journal, answer({"outcome": "transient"}))) == DONE

    def test_a_barred_effect_cannot_be_recorded_and_rolls_back(
        self, journal: Journal, own: Connection
    ) -> None:
        """The undo came while the handler ran: its own transaction must not commit."""
        journal.write([begin(), Bar("e", "1.0.50.1", "undo")])
        with pytest.raises(NotDone, match="does not allow"), begun(own):
            journal.answer_in(own, "e", "1.0.10.1", 1, {})

    def test_an_effect_that_another_worker_took_over_cannot_be_recorded(
        self, journal: Journal, own: Connection
    ) -> None:
        """Same attempt, newer token: the paused one must not commit its rows."""
        one(journal, begin())
        one(journal, begin(token="1.0.10.2"))
        with pytest.raises(NotDone, match="does not allow"), begun(own):
            journal.answer_in(own, "e", "1.0.10.1", 1, {})
        own.rollback()

    def test_two_workers_share_a_journal(self, make: Callable[..., Journal]) -> None:
        """What one began the other knows."""
        first, second = make(), make()
        one(first, begin(repeatable=False))
        assert outcome_of(one(second, begin(repeatable=False)))["code"] == "journal.started"
        first.close()
        second.close()

    def test_old_entries_go_and_open_doubts_stay(self, make: Callable[..., Journal]) -> None:
        """Answered and barred entries go after the retention, some a purge; started ones stay."""
        now = [1_000_000]
        journal = make(retention_s=10, now_us=lambda: now[0])
        barred = [Bar(f"b{n}", "1.0.1.1", "undo") for n in range(PURGE_ROWS_MAX + 5)]
        journal.write([begin(), *barred])
        now[0] += 10_000_001
        young = [Begin("young", "d", "1.0.1.1", 1, True), Answer("young", "1.0.1.1", 1, DONE)]
        journal.write(young)
        assert [journal.purge(), journal.purge(), journal.purge()] == [PURGE_ROWS_MAX, 5, 0]
        assert journal.entry("e") is not None
        assert journal.entry("young") is not None
        journal.close()

    def test_pruning_takes_all_that_is_older(self, make: Callable[..., Journal]) -> None:
        now = [1_000_000]
        journal = make(now_us=lambda: now[0])
        journal.write([Bar(f"b{n}", "1.0.1.1", "undo") for n in range(PURGE_ROWS_MAX + 5)])
        now[0] += 3600 * 1_000_000 + 1
        assert journal.prune("1h") == PURGE_ROWS_MAX + 5
        assert journal.prune("1h") == 0
        journal.close()

    def test_a_command_older_than_the_journal_is_unknown(
        self, make: Callable[..., Journal]
    ) -> None:
        """What it may have forgotten is not run again; what it still knows is answered."""
        now = [500_000_000]
        journal = make(now_us=lambda: now[0])
        journal.write([begin(), answer(DONE)])
        older = Begin("f", "d", "1.0.1.1", 1, True, intended_us=499_999_999)
        assert outcome_of(one(journal, older))["code"] == "journal.older"
        assert outcome_of(one(journal, begin(intended_us=499_999_999))) == DONE
        assert isinstance(one(journal, Begin("g", "d", "1.0.1.1", 1, True, now[0])), Run)
        journal.close()

    def test_an_empty_journal_of_the_first_worker_lacks_nothing(
        self, make: Callable[..., Journal]
    ) -> None:
        """Commands that waited for it run; what was purged meanwhile is no first one's."""
        journal = make(now_us=lambda: 500_000_000)
        journal.first_worker("crm")
        older = Begin("f", "d", "1.0.1.1", 1, True, 1, participant="crm")
        assert isinstance(one(journal, older), Run)
        journal.close()
        now = [500_000_000]
        journal = make(now_us=lambda: now[0])
        journal.write([begin(), answer(DONE)])
        now[0] += 7200 * 1_000_000
        assert journal.prune("1h") == 1
        journal.first_worker("crm")
        older = Begin("g", "d", "1.0.1.1", 1, True, 1, participant="crm")
        assert outcome_of(one(journal, older))["code"] == "journal.older"
        journal.close()

    def test_the_first_worker_of_one_participant_says_nothing_of_another(
        self, make: Callable[..., Journal]
    ) -> None:
        """They share a journal; what one of them lost is in doubt still."""
        journal = make(now_us=lambda: 500_000_000)
        journal.first_worker("registry")
        older = Begin("f", "d", "1.0.1.1", 1, True, 1, participant="crm")
        assert outcome_of(one(journal, older))["code"] == "journal.older"
        journal.close()

    def test_pruning_moves_what_the_journal_remembers(self, make: Callable[..., Journal]) -> None:
        now = [1_000_000]
        journal = make(now_us=lambda: now[0])
        journal.write([begin(), answer(DONE)])
        now[0] += 7200 * 1_000_000
        assert journal.prune("1h") == 1
        again = one(journal, begin(intended_us=2_000_000))
        assert outcome_of(again)["outcome"] == "unknown"
        journal.close()
