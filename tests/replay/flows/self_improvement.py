"""Self-improvement: an experiment over weeks, and a promotion that has to prove itself."""

from __future__ import annotations

from typing import Any

from tests.replay.flows import Stories, opened
from tests.semantics.language import Story

__all__ = ["STORIES"]

Json = Any
CHANGE = {"change": "ask for the number first", "percent": 10}
UNSURE = {"cases": 40, "uplift": 0.5, "sure": False}
BETTER = {"cases": 400, "uplift": 1.5, "sure": True}
WORSE = {"cases": 400, "uplift": -0.5, "sure": True}


def _opened() -> Story:
    return opened("self_improvement", {"subject": "intake"}, "intake")


def _signal(story: Story, text: str) -> Story:
    return story.happens("signal.seen", {"subject": "intake", "kind": "complaint", "text": text})


def heard() -> Story:
    return _signal(_signal(_opened(), "asked twice").after("2d"), "gave up")


def proposed() -> Story:
    story = heard().after("3d").done("diagnose", {"cause": "asked too late", "signals": 2})
    return story.done("propose", CHANGE)


def _running() -> Story:
    story = proposed().decides("experiment", "mia", "manager")
    return story.done("start_trial", {"trial_id": "t-1"})


def third_week() -> Story:
    story = _running().done("read_trial", UNSURE).after("7d").done("read_trial", UNSURE)
    return story.after("7d")


def _sure(reading: Json) -> Story:
    return third_week().done("read_trial", reading)


def asked_to_promote() -> Story:
    return _sure(BETTER).done("judge", {"notes": "fine", "reading": BETTER})


def proving() -> Story:
    story = asked_to_promote().decides("promotion", "mia", "manager")
    return story.done("promote", {"release_id": "r-1"})


def promoted() -> Story:
    return proving().after("28d").undone("start_trial")


def promoted_as_changed() -> Story:
    """The person who allows the experiment takes a smaller share."""
    story = proposed().decides("experiment", "mia", "manager", answer="edit",
                               payload=CHANGE | {"percent": 5})  # fmt: skip
    return story.done("start_trial", {"trial_id": "t-1"}).done("read_trial", UNSURE)


def no_better() -> Story:
    return _sure(WORSE).undone("start_trial")


def never_sure() -> Story:
    story = _running()
    for _ in range(12):
        story.done("read_trial", UNSURE).after("7d")
    return story.undone("start_trial")


def no_signals() -> Story:
    return _opened().after("14d")


def nothing_found() -> Story:
    return heard().after("3d").failed("diagnose", "nothing-found")


def experiment_rejected() -> Story:
    return proposed().decides("experiment", "mia", "manager", answer="reject", reason="not now")


def experiment_not_decided() -> Story:
    return proposed().after("14d")


def trial_does_not_start() -> Story:
    return proposed().decides("experiment", "mia", "manager").failed("start_trial", "full")


def reading_fails() -> Story:
    """The participant cannot say how it does: the experiment is stopped."""
    return _running().failed("read_trial", "gone").undone("start_trial")


def against_the_rules() -> Story:
    return _sure(BETTER).failed("judge", "against-the-rules").undone("start_trial")


def promotion_rejected() -> Story:
    story = asked_to_promote()
    return story.decides("promotion", "mia", "manager", answer="reject", reason="too few cases")


def promotion_not_decided() -> Story:
    return asked_to_promote().after("14d").undone("start_trial")


def promotion_unknown() -> Story:
    """The reply is lost: it is looked up, and it did not happen, so it is done again."""
    story = asked_to_promote().decides("promotion", "mia", "manager").started("promote")
    return story.lost("promote").answers("promote", "absent")


def rolled_back() -> Story:
    story = proving().happens("figures.got-worse", {"subject": "intake", "figure": "refunds"})
    return story.undone("promote", "start_trial")


def rolling_back_fails() -> Story:
    story = proving().happens("figures.got-worse", {"subject": "intake", "figure": "refunds"})
    return story.failed("promote", "newer-release")


def cancelled_while_running() -> Story:
    return third_week().cancelled()


def cancelled_while_proving() -> Story:
    return proving().cancelled().undone("promote")


def nothing_to_propose() -> Story:
    story = heard().after("3d").done("diagnose", {"cause": "asked too late", "signals": 2})
    return story.failed("propose", "no-idea")


def not_promoted() -> Story:
    story = asked_to_promote().decides("promotion", "mia", "manager")
    return story.failed("promote", "frozen").undone("start_trial")


def trial_not_stopped() -> Story:
    return third_week().cancelled().failed("start_trial", "gone")


def cancelled() -> Story:
    return third_week().cancelled().undone("start_trial")


STORIES: Stories = {
    f"self_improvement_{story.__name__}": story
    for story in (
        nothing_to_propose, not_promoted, trial_not_stopped, cancelled,
        heard, proposed, third_week, asked_to_promote, proving, promoted, promoted_as_changed,
        no_better, never_sure, no_signals, nothing_found, experiment_rejected,
        experiment_not_decided, trial_does_not_start, reading_fails, against_the_rules,
        promotion_rejected, promotion_not_decided, promotion_unknown, rolled_back,
        rolling_back_fails, cancelled_while_running, cancelled_while_proving,
    )
}  # fmt: skip
