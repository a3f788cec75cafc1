"""Prospecting: touches days apart in office hours, until somebody replies or opts out.

A story begins on a Tuesday at 23:13 in Berlin.
"""

from __future__ import annotations

from typing import Any

from tests.replay.flows import Stories, opened
from tests.semantics.language import Story

__all__ = ["STORIES"]

Json = Any
LEAD = {"lead": "l-1", "company": "Acme", "email": "ann@acme.example", "phone": "+49 30 1"}
TEXTS = {"message": "hello", "mail": "dear Ann", "touch": "hi", "script": "good morning"}
REPLY = {"lead": "l-1", "channel": "mail"}


def asked() -> Story:
    story = opened("prospecting", LEAD, "l-1").done("qualify", {"company": "Acme", "fit": 70})
    return story.done("write", TEXTS)


def allowed_at_night() -> Story:
    """Nothing is sent before the office opens."""
    return asked().decides("outreach", "mia", "manager")


def in_the_morning() -> Story:
    return allowed_at_night().after("10h")


def first_touch() -> Story:
    return in_the_morning().done("whatsapp")


def second_touch() -> Story:
    """Two open days later, in office hours: on Friday."""
    return first_touch().after("2d").done("mail")


def third_touch() -> Story:
    """Three open days after Friday: on Wednesday."""
    return second_touch().after("5d").done("linkedin")


def _called(answered: bool) -> Story:
    return third_touch().after("5d").done("voice", {"answered": answered})


def no_answer() -> Story:
    return _called(answered=False).after("7d").done("sync")


def reached() -> Story:
    return _called(answered=True).done("sync")


def replied_between_touches() -> Story:
    return second_touch().happens("lead.replied", REPLY).done("sync")


def replied_while_a_mail_goes_out() -> Story:
    """What is under way is settled; nothing else begins."""
    story = first_touch().after("2d").started("mail").happens("lead.replied", REPLY)
    return story.done("mail")


def opted_out() -> Story:
    story = second_touch().happens("lead.opted-out", REPLY)
    return story.done("suppress").done("sync")


def opted_out_before_anything_is_sent() -> Story:
    """It was offered to the participant and is taken back."""
    return in_the_morning().happens("lead.opted-out", REPLY).done("suppress")


def opted_out_while_it_is_decided() -> Story:
    return asked().happens("lead.opted-out", REPLY).done("suppress").done("sync")


def unreachable() -> Story:
    """One way fails, the next is tried."""
    return in_the_morning().failed("whatsapp", "unreachable").after("2d")


def provider_fails() -> Story:
    return in_the_morning().failed("whatsapp", "account-closed")


def unfit() -> Story:
    return opened("prospecting", LEAD, "l-1").failed("qualify", "unfit")


def rejected() -> Story:
    return asked().decides("outreach", "mia", "manager", answer="reject", reason="a partner's")


def changed() -> Story:
    """The words are those of the person who allowed them."""
    story = asked().decides("outreach", "mia", "manager", answer="edit",
                            payload=TEXTS | {"message": "good morning"})  # fmt: skip
    return story.after("10h")


def not_decided() -> Story:
    return asked().after("7d")


def cancelled_between_touches() -> Story:
    return second_touch().cancelled()


def cancelled_while_a_mail_goes_out() -> Story:
    return first_touch().after("2d").started("mail").cancelled()


def no_words() -> Story:
    story = opened("prospecting", LEAD, "l-1").done("qualify", {"company": "Acme", "fit": 70})
    return story.failed("write", "no-language")


def no_way_to_reach_them() -> Story:
    """All four ways fail, and the CRM is told that too."""
    story = in_the_morning().failed("whatsapp", "unreachable")
    for way, days in (("mail", "2d"), ("linkedin", "5d"), ("voice", "5d")):
        story.after(days).failed(way, "unreachable")
    return story.after("7d").done("sync")


def not_suppressed() -> Story:
    """The promise fails, so that somebody sees that the wish is kept nowhere."""
    return second_touch().happens("lead.opted-out", REPLY).failed("suppress", "sealed")


def not_suppressed_in_time() -> Story:
    return second_touch().happens("lead.opted-out", REPLY).after("30d").nobody_starts("suppress")


def not_told() -> Story:
    return second_touch().happens("lead.replied", REPLY).failed("sync", "sealed")


def not_told_in_time() -> Story:
    return second_touch().happens("lead.replied", REPLY).after("30d").nobody_starts("sync")


STORIES: Stories = {
    f"prospecting_{story.__name__}": story
    for story in (
        no_words, no_way_to_reach_them, not_suppressed, not_suppressed_in_time, not_told,
        not_told_in_time,
        asked, allowed_at_night, in_the_morning, first_touch, third_touch, no_answer, reached,
        replied_between_touches, replied_while_a_mail_goes_out, opted_out,
        opted_out_before_anything_is_sent, opted_out_while_it_is_decided, unreachable,
        provider_fails, unfit, rejected, changed, not_decided, cancelled_between_touches,
        cancelled_while_a_mail_goes_out,
    )
}  # fmt: skip
