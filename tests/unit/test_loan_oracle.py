"""What the log alone says: ends, next nodes and broken rules, on cases written by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from examples.loan_offers.oracle import NODE_AFTER, RULES, Truth, last_time, truths
from examples.loan_offers.xes import LogCase, LogEvent

START = datetime(2011, 10, 1, tzinfo=UTC)
TO_ACCEPTED = ["A_SUBMITTED", "A_PARTLYSUBMITTED", "A_PREACCEPTED", "A_ACCEPTED"]
TO_SENT = [*TO_ACCEPTED, "O_SELECTED", "A_FINALIZED", "O_CREATED", "O_SENT"]
APPROVAL = ["A_REGISTERED", "A_APPROVED", "A_ACTIVATED"]


def truth_of(*activities: str | tuple[str, int], days: int = 0) -> Truth:
    """The truth about one case; a tuple gives the day, `days` is the age of the log at its end."""
    pairs = [(a, 0) if isinstance(a, str) else a for a in activities]
    events = tuple(
        LogEvent(
            index=index,
            activity=activity.partition(":")[0],
            transition=activity.partition(":")[2] or "COMPLETE",
            at=START + timedelta(days=day, seconds=index),
            resource=None,
        )
        for index, (activity, day) in enumerate(pairs, start=1)
    )
    case = LogCase("c1", {}, events)
    now = max(last_time([case]), START + timedelta(days=days))
    (truth,) = truths([case], now)
    return truth


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (["A_DECLINED"], "declined"),
        (["A_CANCELLED"], "cancelled"),
        (APPROVAL, "approved"),
        (APPROVAL[::-1], "approved"),
        ([APPROVAL[0], "O_ACCEPTED", *APPROVAL[1:]], "approved"),
        (APPROVAL[:2], "open"),
        ([], "open"),
    ],
)
def test_the_end_is_what_the_log_shows(end: list[str], outcome: str) -> None:
    """Declined or cancelled by one event, approved by all three in any order."""
    assert truth_of(*TO_SENT, "O_SENT_BACK", *end).outcome == outcome


def test_what_comes_after_the_end_is_parked() -> None:
    """Events up to and with the end are recorded, the rest is parked."""
    truth = truth_of(*TO_SENT, "A_CANCELLED", "O_CANCELLED", "W_Nabellen offertes:COMPLETE")

    assert (truth.recorded, truth.parked) == (len(TO_SENT) + 1, 2)
    assert truth.deviations == (), "the work item was completed after the end"


@pytest.mark.parametrize(
    ("activities", "nodes"),
    [
        (TO_ACCEPTED[:1], {"partly_submitted"}),
        (TO_ACCEPTED[:2], {"pre_accepted"}),
        (TO_ACCEPTED[:3], {"accepted"}),
        (TO_ACCEPTED, {"finalised", "selected"}),
        ([*TO_ACCEPTED, "O_SELECTED"], {"finalised"}),
        ([*TO_ACCEPTED, "A_FINALIZED"], {"selected"}),
        ([*TO_ACCEPTED, "A_FINALIZED", "O_SELECTED"], {"created"}),
        (TO_SENT[:-1], {"sent"}),
        (TO_SENT, {"answer"}),
        ([*TO_SENT, "O_CANCELLED", "W_Nabellen offertes:START"], {"answer"}),
        ([*TO_SENT, "O_SELECTED"], {"created"}),
        ([*TO_SENT, "O_SENT_BACK"], {"validated"}),
        ([*TO_SENT, "O_SENT_BACK", "O_ACCEPTED"], {"decision"}),
        ([*TO_SENT, "A_APPROVED", "O_ACCEPTED"], {"registered", "activated"}),
    ],
)
def test_an_open_application_is_at_the_node_after_its_last_event(
    activities: list[str], nodes: set[str]
) -> None:
    """Work items and withdrawn offers move nothing."""
    assert truth_of(*activities).next_nodes == nodes


def test_an_ended_application_is_at_no_node() -> None:
    """Nothing is next."""
    assert truth_of("A_SUBMITTED", "A_DECLINED").next_nodes == frozenset()


@pytest.mark.parametrize(("days", "node"), [(29, "answer"), (31, "late_answer")])
def test_an_answer_is_late_after_thirty_days(days: int, node: str) -> None:
    """By the time of the log's last event, whatever case that is in."""
    truth = truth_of(*TO_SENT, days=days)

    assert truth.next_nodes == {node}
    assert [d.rule for d in truth.deviations] == (["answer_overdue"] if days > 30 else [])


@pytest.mark.parametrize(
    ("activities", "rules"),
    [
        ([*TO_SENT, ("O_SENT_BACK", 31)], {"answer_overdue": "c1-8"}),
        ([*TO_SENT, ("A_CANCELLED", 31)], {"answer_overdue": "c1-8"}),
        ([*TO_SENT, "O_CANCELLED", ("O_SELECTED", 31)], {"answer_overdue": "c1-8"}),
        (
            [*TO_SENT, "O_ACCEPTED", *APPROVAL],
            {"accepted_without_return": "c1-9", "approved_without_return": "c1-10"},
        ),
        ([*TO_SENT, "O_DECLINED", "A_DECLINED"], {"declined_without_return": "c1-9"}),
        ([*TO_SENT, "O_SENT_BACK", "O_ACCEPTED", *APPROVAL], {}),
        (["W_x:SCHEDULE", "W_x:START", "W_x:COMPLETE", "W_x:START"], {}),
        (["W_x:SCHEDULE", "W_x:COMPLETE"], {"work_completed_without_start": "c1-2"}),
        (["W_x:SCHEDULE", "W_x:START", "W_x:START"], {"work_started_twice": "c1-3"}),
        (["W_x:START"], {"work_started_without_schedule": "c1-1"}),
        (
            ["W_x:SCHEDULE", "W_x:START", "W_y:SCHEDULE", "W_y:COMPLETE"],
            {"work_completed_without_start": "c1-4"},
        ),
    ],
)
def test_each_rule_names_the_event_that_breaks_it(
    activities: list[str | tuple[str, int]], rules: dict[str, str]
) -> None:
    """A rule is broken by one recorded event."""
    assert {d.rule: d.event_id for d in truth_of(*activities).deviations} == rules
    assert set(rules) <= set(RULES)


def test_an_offer_returned_once_does_not_vouch_for_the_next() -> None:
    """The approval needs the return of the offer that was sent last."""
    again = ["O_SENT_BACK", "O_SELECTED", "O_CANCELLED", "O_CREATED", "O_SENT"]
    truth = truth_of(*TO_SENT, *again, *APPROVAL)

    assert [d.rule for d in truth.deviations] == ["approved_without_return"]


def test_the_mapping_covers_each_event_that_alone_says_what_is_next() -> None:
    """The others depend on what was seen before, or end the application."""
    assert set(NODE_AFTER).isdisjoint({"A_DECLINED", "A_CANCELLED", "O_CANCELLED", *APPROVAL})
