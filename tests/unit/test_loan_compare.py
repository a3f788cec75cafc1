"""The verdict of a replay: both sides say the same, or it does not hold."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

from rich.console import Console

from examples.loan_offers.compare import Answer, Comparison, Totals, compare
from examples.loan_offers.oracle import RULES, Deviation, Truth

OVERDUE = Deviation("answer_overdue", "b-8")
TRUTHS = (
    Truth("a", "declined", 3, 1, frozenset(), ()),
    Truth("b", "open", 9, 0, frozenset({"late_answer"}), (OVERDUE,)),
)
ANSWERS = {
    "a": Answer("declined", frozenset(), 3, ()),
    "b": Answer("open", frozenset({"late_answer"}), 9, (OVERDUE,)),
}
TOTALS = Totals(events_in=13, parked=1, took_s=2.0)


def verdict(totals: Totals = TOTALS, **changed: Answer) -> Comparison:
    return compare(TRUTHS, ANSWERS | changed, totals)


def test_two_sides_that_agree_hold() -> None:
    """The last line of a run has all its keys."""
    found = verdict()

    assert found.holds
    assert found.as_json() == {
        "applications": 2,
        "agree": 2,
        "disagree": 0,
        "open_in_log": 1,
        "open_agree": 1,
        "events_in": 13,
        "events_recorded": 12,
        "parked": 1,
        "deviations": {rule: int(rule == "answer_overdue") for rule in RULES},
        "events_per_s": 6,
    }


def test_another_end_disagrees() -> None:
    """The case and both ends are named."""
    found = verdict(a=replace(ANSWERS["a"], outcome="cancelled"))

    assert not found.holds
    assert (found.agree, found.as_json()["disagree"]) == (1, 1)
    assert found.differences == ["a: is declined in the log, cancelled in the engine"]


def test_an_open_application_at_another_node_does_not_agree() -> None:
    """Open on both sides, but not at the node that is next."""
    found = verdict(b=replace(ANSWERS["b"], nodes=frozenset({"answer"})))

    assert not found.holds
    assert (found.agree, found.open_agree) == (2, 0)


def test_a_case_that_the_engine_does_not_know_disagrees() -> None:
    """Nothing of it was recorded."""
    found = compare(TRUTHS, {"a": ANSWERS["a"]}, TOTALS)

    assert (found.agree, found.events_recorded) == (1, 3)
    assert not found.adds_up


def test_an_event_that_is_nowhere_does_not_add_up() -> None:
    """Sent, but neither recorded nor parked."""
    assert not verdict(replace(TOTALS, events_in=14)).holds


def test_an_event_that_is_parked_before_the_end_does_not_add_up() -> None:
    """The sum alone is right: one was parked that the application should have taken."""
    found = verdict(replace(TOTALS, parked=2), a=replace(ANSWERS["a"], recorded=2))

    assert found.events_recorded + found.totals.parked == found.totals.events_in
    assert not found.adds_up


def test_a_deviation_that_only_one_side_saw_is_a_difference() -> None:
    """By rule and by event."""
    found = verdict(b=replace(ANSWERS["b"], deviations=()))

    assert not found.holds
    assert found.differences == [
        "b: deviates by ['answer_overdue b-8'] in the log, [] in the engine"
    ]


def test_the_tables_show_both_sides() -> None:
    """A row for each end and each rule."""
    console = Console(width=100, record=True, file=StringIO())
    for table in verdict().tables():
        console.print(table)
    shown = console.export_text()

    assert "declined" in shown
    assert "answer_overdue" in shown
    assert "differs" not in shown
