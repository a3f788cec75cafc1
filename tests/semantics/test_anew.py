"""What is commanded anew is told from what is sent again, by whoever gives it out (outputs)."""

from __future__ import annotations

from tests.semantics.language import approve, given, saga, step


def test_what_was_taken_back_and_is_allowed_again_is_commanded_anew() -> None:
    """Its attempt counts on, yet nothing that was heard of the one before stands for it."""
    pay = step("pay", risk="R2", unknown="ask", irreversible="accepted")
    story = given(saga(approve("ok", pay, valid="1d"))).decides("ok", "mia", "manager")
    story.after("2d").nobody_starts("pay", "not_after").then(waits=["approval"], offered=[])
    story.decides("pay", "mia", "manager").then(offered=["ok/pay"], attempts=[2])
    assert story.w.dispatch("pay").heard_us is None


def test_what_failed_and_may_be_repeated_is_sent_again() -> None:
    story = given(
        saga(step("a", retry={"on": ["busy"], "attempts": 2, "first": "1s", "jitter": 0}))
    )
    story.then(offered=["a"], attempts=[1])
    assert story.w.dispatch("a").heard_us is None
    story.failed("a", "busy")
    heard_us = story.w.now_us
    story.after("1s").then(offered=["a"], attempts=[2])
    assert story.w.dispatch("a").heard_us == heard_us
