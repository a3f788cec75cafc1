"""What is said of an effect after it was given up, settled or asked about (section 3)."""

from __future__ import annotations

from typing import Any

import pytest

from domain import messages as msg
from sagas import defaults
from tests.semantics.language import (
    Story,
    each,
    given,
    on_failure,
    repeat,
    saga,
    scope,
    step,
    wait,
)

Json = Any
PROBED = step("a", risk="R1", unknown="probe", probe=True, irreversible="accepted")
SHOWN = {"evidence": "a letter"}


def probe_says(story: Story, outcome: str) -> Story:
    """An answer to the probe that was commanded last, whoever still waits for it."""
    d = next(d for d in reversed(story.w.commands) if d.kind == "probe")
    story.w.send(msg.Answered(d.effect, d.attempt, "1.1.1", "probe", outcome, "w1"))
    return story


@pytest.mark.parametrize("outcome", ["present", "absent", "cannot_tell"])
def test_what_a_probe_says_after_a_person_has_settled_it_is_only_recorded(outcome: str) -> None:
    story = given(saga(PROBED, wait("w"))).started("a").lost("a")
    story.control("settle", node="a", outcome="done", **SHOWN).then(at=["w"])
    probe_says(story, outcome)
    story.then(events=[f"effect.late a {outcome}"], answer="reply.late", at=["w"])


def test_a_probe_that_fails_is_asked_again_after_a_pause() -> None:
    story = given(saga(PROBED)).started("a").lost("a").then()
    story.answers("a", "failed", "probe").then(events=["effect.unknown a probe"], offered=[])
    story.after("2s").then(offered=["probe a"])


def test_a_lost_probe_that_nobody_waits_for_changes_nothing() -> None:
    story = given(saga(PROBED, wait("w"))).started("a").lost("a")
    d = story.w.dispatch("a", "probe")
    story.control("settle", node="a", outcome="done", **SHOWN).then()
    story.w.send(msg.Lost(d.effect, d.attempt, "probe", "timeout"))
    story.then(events=[], at=["w"])


def test_what_is_undone_as_attempted_is_undone_though_nobody_knows_of_it() -> None:
    once = step("a", undo={"when": "attempted"}, retry={"attempts": 1})
    story = given(saga(once)).started("a").lost("a").then(offered=["undo a"])
    story.undone("a").then(status="compensated", error="timeout:no_reply")
    story.late("a").then(debts=[], status="compensated")


def test_it_is_undone_as_attempted_also_where_the_failure_is_caught() -> None:
    once = step("a", undo=True, retry={"attempts": 1})
    part = scope("s", once, on_failure=[on_failure("*", wait("w"))])
    story = given(saga(part)).started("a").lost("a").then(offered=["undo s/a"])
    story.undone("s/a").then(waits=["event"])
    story.late("a").then(debts=[], offered=[], waits=["event"])


@pytest.mark.parametrize("ends", [False, True], ids=["while it goes on", "after the end"])
def test_a_done_after_it_was_given_up_that_nothing_undoes_is_a_debt(ends: bool) -> None:
    once = step("a", risk="R1", retry={"attempts": 1})
    part = scope("s", once, on_failure=[on_failure("*", wait("w"))])
    story = given(saga(part)).started("a").lost("a").then(waits=["event"], debts=[])
    if ends:
        story.happens("w").then(status="fulfilled")
    story.late("a").then(debts=["late s/a"])


def test_a_done_after_it_was_given_up_is_let_be_where_the_step_said_that_it_has_no_undo() -> None:
    once = step("a", risk="R1", retry={"attempts": 1}, irreversible="accepted")
    part = scope("s", once, on_failure=[on_failure("*", wait("w"))])
    given(saga(part)).started("a").lost("a").late("a").then(debts=[], waits=["event"])


def test_a_pivot_that_fails_while_its_part_stops_lets_the_stop_go_on() -> None:
    story = given(saga(step("a", undo=True), step("pay", irreversible="pivot"))).done("a")
    story.started("pay").cancelled().then(offered=["pay"])
    story.failed("pay").then(offered=["undo a"])
    story.undone("a").then(status="cancelled")


def test_another_result_while_its_part_is_undone_is_a_debt_and_the_undoing_goes_on() -> None:
    story = given(saga(step("a", undo=True), step("b"))).done("a", {"n": 1}).failed("b")
    story.late("a", result={"n": 2}).then(debts=["contradicted a"], offered=["undo a"])
    story.late("a", result={"n": 3}).then(events=[], debts=["contradicted a"])
    story.undone("a").control("settle", **SHOWN).then(status="compensated")


# --- in a round or item that is over, with no entry left --------------------------------------

ONCE = step("a", undo=True, retry={"attempts": 1})
CAUGHT = scope("s", ONCE, on_failure=[on_failure("*", undo="none")])
PAY = step("pay", irreversible="pivot")
ROUNDS = 10


def over_and_forgotten(*flow: Json, after: tuple[str, ...] = ()) -> Story:
    """Nobody knows of the only attempt of `a`, and the round that it was in is over."""
    story = given(saga(repeat("r", *flow, step("b"), max=2), step("z"))).started("a").lost("a")
    for node in (*after, "b"):
        story.done(node)
    return story


def test_a_late_done_before_a_pivot_of_its_round_is_a_debt_when_the_round_is_over() -> None:
    story = over_and_forgotten(CAUGHT, PAY, after=("pay",)).then(undo=[], at=["r#2/s/a"])
    story.late("r#1/s/a").then(
        events=["effect.done r#1/s/a", "debt.opened r#1/s/a late contradicted:late_done"],
        debts=["late r#1/s/a"], offered=["r#2/s/a"], held=None,
    )  # fmt: skip


def test_a_late_done_before_a_pivot_of_its_item_is_a_debt_when_the_item_is_over() -> None:
    document = saga(each("p", CAUGHT, PAY, width=1), step("z"))
    story = given(document, {"id": "acme", "xs": ["k1", "k2"]}).started("a").lost("a").done("pay")
    story.then(at=["p[k2]/s/a"]).late("p[k1]/s/a").then(debts=["late p[k1]/s/a"], held=None)


@pytest.mark.parametrize("what", ["results.p.n", "'x'"])
def test_a_late_done_in_a_round_before_the_one_in_which_its_repeat_stopped_is_a_debt(
    what: str,
) -> None:
    """A person had settled its undo; that round is forgotten, and what is beside it goes on."""
    blind = step("a", undo={"args": {"x": what}, "when": "attempted"}, retry={"attempts": 1})
    caught = scope("s", blind, on_failure=[on_failure("*")])
    rounds = repeat("r", step("p"), caught, step("b"), max=2)
    whole = scope("t", rounds, on_failure=[on_failure("*", undo="none")])
    story = given(saga(whole, step("z"))).done("p", {"n": 1}).started("a").lost("a")
    story.answers("a", "failed", kind="undo", code="no").control("settle", node="a", **SHOWN)
    story.done("b").failed("t/r#2/p").then(offered=["z"], debts=[])
    story.late("a").then(offered=["z"], undo=[], debts=["late t/r#1/s/a"], held=None)


def test_after_the_end_it_is_a_debt_too() -> None:
    story = over_and_forgotten(CAUGHT, PAY, after=("pay",)).done("a").done("pay").done("b")
    story.done("z").then(status="fulfilled").late("r#1/s/a").then(debts=["late r#1/s/a"])


def test_a_late_done_in_a_block_of_its_round_that_keeps_it_is_kept_when_the_round_is_over() -> None:
    kept = scope("s", ONCE, on_failure=[on_failure("*", undo="none")], keep=True)
    story = over_and_forgotten(kept).then(undo=[])
    story.late("r#1/s/a").then(events=["effect.done r#1/s/a"], debts=[], undo=[], held=None)


def test_a_late_done_that_was_undone_unseen_is_recorded_when_its_round_is_over() -> None:
    undone = scope("s", ONCE, on_failure=[on_failure("*")])
    story = given(saga(repeat("r", undone, step("b"), max=2), step("z"))).started("a").lost("a")
    story.undone("r#1/s/a").done("b").then(undo=[])
    story.late("r#1/s/a").then(events=["effect.done r#1/s/a"], debts=[], undo=[], held=None)


@pytest.mark.parametrize("more", [{}, {"risk": "R1", "irreversible": "accepted"}])
def test_of_what_nobody_would_undo_nothing_is_remembered(more: Json) -> None:
    free = scope("s", step("a", retry={"attempts": 1}, **more), on_failure=[on_failure("*")])
    story = over_and_forgotten(free)
    assert [e.node for e in story.w.now.effects.values()] == ["r#2/s/a"]
    story.then().late("r#1/s/a").then(events=["effect.late done"], answer="reply.late", debts=[])


def test_what_is_remembered_of_it_is_bounded_as_the_state_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """None of it is let go in silence: an operator looks."""
    monkeypatch.setattr(defaults, "STATE_BYTES_MAX", 12 * 1024)
    story = given(saga(repeat("r", CAUGHT, PAY, max=100), step("z")))
    for _ in range(ROUNDS):
        story.started("a").lost("a").done("pay")
    story.then(held=None)
    for _ in range(ROUNDS):
        story.started("a").then().lost("a")
        if story.w.now.held is not None:
            break
        story.done("pay")
    held = ["commitment.held root internal:bound.state", "commitment.message_deferred"]
    story.then(events=held, status="held")
