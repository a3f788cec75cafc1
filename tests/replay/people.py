"""What people and clients bring: who is called, what is only looked at, answers that come later."""

from __future__ import annotations

from tests.replay.flows import Stories
from tests.semantics.language import (
    Story,
    approve,
    given,
    on_failure,
    saga,
    scope,
    step,
    update,
    wait,
)

__all__ = ["STORIES"]

COUNT = {"n": {"schema": {"type": "integer"}, "initial": 0}}


def seat_taken_by_who_was_called() -> Story:
    """The board stands in for legal or finance; the function head decides for themselves."""
    pay = step("pay", risk="R2", irreversible="accepted", unknown="ask")
    gate = approve(
        "ok", pay, level="A2", within="3d", escalate=[{"after": "1d", "to": "board"}]
    )  # fmt: skip
    story = given(saga(gate)).decides("ok", "hal", "function_head").after("1d")
    return story.decides("ok", "bo", "board")


def event_looked_at_and_kept() -> Story:
    look = wait("look", "signed", within="1d", peek=True)
    return given(saga(look, wait("other", "paid", within="9d"))).happens("signed")


def event_looked_at_then_taken() -> Story:
    look = wait("look", "signed", within="1d", peek=True)
    take = wait("take", "signed", within="1d")
    return given(saga(look, take, step("a"))).happens("signed")


def scope_that_holds_no_more() -> Story:
    leave = update("leave", set={"n": "1"})
    part = scope(
        "part", step("a", undo=True), wait("w", within="3d"), **{"while": "vars.n == 0"},
        on_failure=[on_failure("deadline:while", step("tell"))],
    )  # fmt: skip
    return given(saga(part, vars=COUNT, updates=[leave])).done("a").asks("leave").undone("a")


def update_answered_later() -> Story:
    quote = update(
        "quote", step("price"), answer="results.price.eur", answer_when="done"
    )  # fmt: skip
    story = given(saga(wait("signed", within="2d"), updates=[quote])).asks("quote", n=1)
    return story.asks("quote", n=2).done("quote@1/price", {"eur": 10})


STORIES: Stories = {
    f"people_{story.__name__}": story
    for story in (
        seat_taken_by_who_was_called, event_looked_at_and_kept, event_looked_at_then_taken,
        scope_that_holds_no_more, update_answered_later,
    )
}  # fmt: skip
