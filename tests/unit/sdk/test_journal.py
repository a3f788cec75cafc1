"""The participant's journal, rule by rule (docs/format.md section 5, design of participants)."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from troth._effect import Effect
from troth._errors import NotDone, TrothError
from troth._journal import DDL, PURGE_ROWS_MAX, Journal
from troth._journal_rules import Answer, Bar, Begin, Repeat, Run, Verdict, Write

FORMAT = Path(__file__).resolve().parents[3] / "docs" / "format.md"
DONE = {"outcome": "done", "result": {"account_id": "4711"}}


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal.at(f"sqlite:///{tmp_path}/j.db")
    yield made
    made.close()


def begin(
    attempt: int = 1, *, token: str = "", repeatable: bool = True, digest: str = "d"
) -> Begin:
    return Begin("e", digest, token or f"1.{attempt * 10}.1", attempt, repeatable)


def answer(outcome: dict[str, Any], attempt: int = 1) -> Answer:
    return Answer("e", f"1.{attempt * 10}.1", attempt, outcome)


def one(journal: Journal, write: Write) -> Verdict:
    (verdict,) = journal.write([write])
    return verdict


def outcome_of(verdict: Verdict) -> dict[str, Any]:
    assert isinstance(verdict, Repeat)
    return verdict.outcome


def test_an_effect_that_is_not_known_runs(journal: Journal) -> None:
    assert one(journal, begin()) == Run(repeated=False, seen=False)


def test_an_answered_effect_answers_the_same_again(journal: Journal) -> None:
    """Also to a later attempt and after a restart: done is done."""
    journal.write([begin(), answer(DONE)])
    journal.close()
    assert outcome_of(one(journal, begin())) == DONE
    assert outcome_of(one(journal, begin(2))) == DONE


def test_failures_are_recorded_by_attempt(journal: Journal) -> None:
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
    journal: Journal, outcome: str, repeated: bool
) -> None:
    journal.write([begin(repeatable=False), answer({"outcome": outcome})])
    assert one(journal, begin(2, repeatable=False)) == Run(repeated=repeated)


def test_the_same_effect_with_other_arguments_is_contradicted(journal: Journal) -> None:
    journal.write([begin(), answer(DONE)])
    told = outcome_of(one(journal, begin(2, digest="other")))
    assert (told["outcome"], told["code"]) == ("unknown", "contradicted")


def test_a_lower_token_is_refused(journal: Journal) -> None:
    """Tokens compare as three numbers: 1.10.1 is above 1.9.7, and incarnation 2 above both."""
    journal.write([begin(token="1.10.1")])
    assert outcome_of(one(journal, begin(token="1.9.7")))["code"] == "journal.token"
    assert one(journal, begin(token="2.1.1")) == Run(repeated=True)
    assert outcome_of(one(journal, begin(token="1.11.1")))["code"] == "journal.token"


def test_r1_without_an_answer_runs_again_and_is_told(journal: Journal) -> None:
    one(journal, begin())
    assert one(journal, begin()) == Run(repeated=True)


def test_r2_without_an_answer_is_unknown_and_does_not_run(journal: Journal) -> None:
    one(journal, begin(repeatable=False))
    told = outcome_of(one(journal, begin(token="2.1.1", repeatable=False)))
    assert (told["outcome"], told["code"]) == ("unknown", "journal.started")


def test_r2_runs_in_the_next_attempt_once_somebody_said_it_was_not_done(journal: Journal) -> None:
    """A second attempt of R2 exists only when the first one is settled; it is told all the same."""
    one(journal, begin(repeatable=False))
    assert one(journal, begin(2, repeatable=False)) == Run(repeated=True)


def test_an_undo_bars_what_was_never_done(journal: Journal) -> None:
    assert one(journal, Bar("e", "1.50.1", "undo")) == Run(seen=False)
    assert outcome_of(one(journal, begin()))["code"] == "journal.token"
    later = outcome_of(one(journal, begin(6)))
    assert (later["outcome"], later["code"]) == ("not_done", "journal.barred")


def test_an_undo_bars_what_was_done(journal: Journal) -> None:
    """After the undo the recorded `done` is not repeated: it is true no more."""
    journal.write([begin(), answer(DONE)])
    assert one(journal, Bar("e", "1.50.1", "undo")) == Run(recorded=DONE)
    assert outcome_of(one(journal, begin(6)))["code"] == "journal.barred"


def test_a_probe_bars_lower_tokens_only(journal: Journal) -> None:
    """After `absent` the old command is refused, and the engine's next attempt runs."""
    one(journal, begin(repeatable=False))
    assert one(journal, Bar("e", "1.15.1", "probe")) == Run(seen=True)
    assert outcome_of(one(journal, begin(repeatable=False)))["code"] == "journal.token"
    assert one(journal, begin(2, repeatable=False)) == Run(repeated=True)


def test_a_probe_leaves_what_is_recorded_as_done(journal: Journal) -> None:
    journal.write([begin(), answer(DONE)])
    assert one(journal, Bar("e", "1.15.1", "probe")) == Run(recorded=DONE)
    assert outcome_of(one(journal, begin(2))) == DONE


def test_a_late_probe_cannot_bar_a_newer_command(journal: Journal) -> None:
    one(journal, begin(2))
    assert outcome_of(one(journal, Bar("e", "1.15.1", "probe")))["code"] == "journal.token"


def test_an_undo_stays_an_undo_when_a_probe_bars_too(journal: Journal) -> None:
    journal.write([Bar("e", "1.20.1", "undo"), Bar("e", "1.30.1", "probe")])
    assert outcome_of(one(journal, begin(4)))["code"] == "journal.barred"


def test_many_writes_are_one_transaction(journal: Journal, tmp_path: Path) -> None:
    """A write that fails takes its neighbours with it: nothing is half recorded."""
    with pytest.raises(ValueError, match="not enough values"):
        journal.write([begin(), begin(), Begin("e", "d", "no token", 2, repeatable=True)])
    assert journal.entry("e") is None


def test_what_the_participant_recorded_itself_counts(tmp_path: Path) -> None:
    """Effect and answer are one write with the participant's rows; after a crash none runs."""
    file = tmp_path / "crm.db"
    journal = Journal(lambda: sqlite3.connect(file))
    own = sqlite3.connect(file)
    own.execute("CREATE TABLE accounts (id TEXT)")
    one(journal, begin(repeatable=False))
    own.execute("INSERT INTO accounts VALUES ('4711')")
    fx: Effect[None] = Effect(key="e", deps=None)
    journal.record_in(own, fx, {"account_id": "4711"})
    own.commit()
    assert outcome_of(one(journal, begin(token="2.1.1", repeatable=False))) == DONE
    own.close()
    journal.close()


def test_the_recorded_answer_beats_what_the_handler_says_afterwards(tmp_path: Path) -> None:
    file = tmp_path / "crm.db"
    journal = Journal(lambda: sqlite3.connect(file))
    own = sqlite3.connect(file)
    one(journal, begin())
    journal.record_in(own, Effect(key="e", deps=None), {"account_id": "4711"})
    own.commit()
    assert outcome_of(one(journal, answer({"outcome": "transient"}))) == DONE
    own.close()
    journal.close()


def test_a_barred_effect_cannot_be_recorded_and_rolls_back(tmp_path: Path) -> None:
    """The undo came while the handler ran: its own transaction must not commit."""
    file = tmp_path / "crm.db"
    journal = Journal(lambda: sqlite3.connect(file))
    journal.write([begin(), Bar("e", "1.50.1", "undo")])
    own = sqlite3.connect(file)
    with pytest.raises(NotDone, match="no longer allows"):
        journal.record_in(own, Effect(key="e", deps=None), {})
    own.close()
    journal.close()


def test_two_workers_share_a_journal(tmp_path: Path) -> None:
    """What one began the other knows."""
    first, second = (Journal.at(f"sqlite:///{tmp_path}/j.db") for _ in range(2))
    one(first, begin(repeatable=False))
    assert outcome_of(one(second, begin(repeatable=False)))["code"] == "journal.started"
    first.close()
    second.close()


def test_old_entries_go_and_open_doubts_stay(tmp_path: Path) -> None:
    """Answered and barred entries go after the retention, some a purge; started ones stay."""
    now = [1_000_000]
    path = tmp_path / "j.db"
    journal = Journal(lambda: sqlite3.connect(path), retention_s=10, now_us=lambda: now[0])
    barred = [Bar(f"b{n}", "1.1.1", "undo") for n in range(PURGE_ROWS_MAX + 5)]
    journal.write([begin(), *barred])
    now[0] += 10_000_001
    journal.write([Begin("young", "d", "1.1.1", 1, True), Answer("young", "1.1.1", 1, DONE)])
    assert [journal.purge(), journal.purge(), journal.purge()] == [PURGE_ROWS_MAX, 5, 0]
    assert journal.entry("e") is not None
    assert journal.entry("young") is not None
    journal.close()


def test_other_drivers_mark_parameters_otherwise(tmp_path: Path) -> None:
    """psycopg wants %s and a 64 bit column; the statements are the same."""
    said: list[str] = []

    class Spy:
        rowcount = 1

        def execute(self, sql: str, parameters: Any) -> None:
            said.append(sql)

        def close(self) -> None: ...

    class Connection:
        def cursor(self) -> Spy:
            return Spy()

        def commit(self) -> None: ...
        def rollback(self) -> None: ...
        def close(self) -> None: ...

    journal = Journal(Connection, paramstyle="format")
    assert one(journal, begin()) == Run(seen=False)
    assert "at_us BIGINT" in said[0]
    assert said[1].count("%s") == 7
    assert "?" not in said[1]


@pytest.mark.parametrize("url", ["postgresql://x/y", "sqlite://", "journal.db"])
def test_a_url_that_is_not_understood_says_what_to_write(url: str) -> None:
    with pytest.raises(TrothError, match="TR711") as caught:
        Journal.at(url)
    assert "Journal(connect=...)" in str(caught.value)


def test_the_table_is_the_one_of_the_format() -> None:
    told = FORMAT.read_text("utf-8").partition("<!-- journal: begin -->")[2]
    sql = told.partition("```sql")[2].partition("```")[0].strip().rstrip(";")
    assert _words(sql) == _words(DDL.replace("IF NOT EXISTS ", ""))


def _words(sql: str) -> list[str]:
    return re.findall(r"\w+|[(),]", sql)
